// What a call costs beside the work of its kernels: fork and join of the pool, the executor of a compiled
// model, the look-up of a jitted function. The kernels here do next to nothing. Bound: two cache-line
// transfers between cores (some hundred ns) for a fork and join, an indirect call for a kernel.
#include <benchmark/benchmark.h>

#include "codegen/threads/pool.h"
#include "runtime/compiled_model.h"
#include "runtime/tunesmith.h"
#include "tests/bench/bench_kernels.h"

namespace tunesmith::bench {
namespace {

void fork_join(benchmark::State& state) {
  codegen::ThreadPool pool(static_cast<std::int32_t>(state.range(0)));
  codegen::ExecutionContext context(pool);
  const TunesmithLoopBody nothing = [](void*, std::int64_t, std::int64_t, std::int32_t, TunesmithContext*) {};
  for (auto _ : state) pool.parallel(nothing, nullptr, 64, context.get());
}
BENCHMARK(fork_join)->Arg(1)->Arg(2)->UseRealTime();

/// `length` additions that do not fuse, because every sum is an output.
void run_model(benchmark::State& state) {
  tracer::Graph graph;
  auto x = graph.add_input("x", {ir::DType::f32, tracer::to_shape({16})});
  for (int i = 0; i < state.range(0); ++i) {
    x = tracer::ops::binary(graph, ir::BinaryOp::add, x, x);
    graph.add_output("y" + std::to_string(i), x);
  }
  runtime::ModelOptions options;
  options.environment = environment();
  options.fuse.fuse = false;
  auto model = runtime::CompiledModel::build(graph, options);
  if (!model) {
    state.SkipWithError(model.error().message.c_str());
    return;
  }
  const ir::HostTensor input(ir::DType::f32, {16});
  std::vector<ir::HostTensor> results = (*model)->run(std::vector{input});
  const void* inputs[] = {input.bytes()};
  std::vector<void*> outputs;
  for (ir::HostTensor& result : results) outputs.push_back(result.mutable_bytes());
  for (auto _ : state) (*model)->run(inputs, outputs);
}
BENCHMARK(run_model)->Arg(1)->Arg(16);

void call_jitted(benchmark::State& state) {
  JitOptions options;
  options.threads = 1;
  options.use_database = false;
  const auto twice = jit([](Tensor x) { return x + x; }, options);
  const Array x = make_array({16}, std::vector<float>(16, 1.0f));
  benchmark::DoNotOptimize(twice(x));  // compiles
  for (auto _ : state) benchmark::DoNotOptimize(twice(x));
}
BENCHMARK(call_jitted);

}  // namespace
}  // namespace tunesmith::bench
