// Time to compile candidates, on one thread: the nest of a random candidate to relocatable code. The figure
// bounds how many candidates a session can try; LLVM's code generation takes nearly all of it.
#include <benchmark/benchmark.h>

#include "tests/bench/bench_kernels.h"

namespace tunesmith::bench {
namespace {

void compile_candidates(benchmark::State& state, const ir::Kernel& kernel) {
  const tuner::Environment& host = environment();
  const schedules::Space space = schedules::make_cpu_space(kernel, host.machine(), 1);
  Rng rng(1);
  std::vector<ir::LoopNest> nests;
  while (nests.size() < 16) {
    auto nest = schedules::apply(kernel, space.to_schedule(space.random_candidate(rng)));
    if (nest) nests.push_back(std::move(*nest));
  }
  std::size_t next = 0;
  for (auto _ : state) {
    auto object = host.backend->compile(nests[next++ % nests.size()]);
    if (!object) {
      state.SkipWithError(object.error().message.c_str());
      return;
    }
    benchmark::DoNotOptimize(object);
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(compile_candidates, matmul, matmul_kernel())->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(compile_candidates, conv, conv_kernel())->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(compile_candidates, softmax, softmax_kernel())->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tunesmith::bench
