// Time to compile candidates: the nest of a random candidate to relocatable code for this CPU, on one thread, or to machine code
// for a GPU (where NVRTC is found), on one and two. The figure bounds how many candidates a session can try; LLVM's and NVRTC's
// code generation take nearly all of it.
#include <benchmark/benchmark.h>

#include "codegen/cuda/nvrtc.h"
#include "codegen/cuda/prelude.h"
#include "codegen/cuda/program.h"
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

void compile_for_gpu(benchmark::State& state, const codegen::cuda::Nvrtc& nvrtc, const ir::Kernel& kernel) {
  const schedules::Space space = schedules::make_cuda_space(kernel, schedules::GpuMachine{});
  Rng rng(static_cast<std::uint64_t>(state.thread_index()) + 1);
  for (auto _ : state) {
    const auto nest = schedules::apply(kernel, space.to_schedule(space.random_candidate(rng)));
    if (!nest) continue;
    const auto program = codegen::cuda::make_program(*nest);
    const auto cubin = program ? nvrtc.compile(codegen::cuda::device_prelude() + program->source, "sm_90a")
                               : Expected<codegen::cuda::Cubin, Error>(Unexpected(program.error()));
    if (!cubin) {
      state.SkipWithError(cubin.error().message.c_str());
      return;
    }
    benchmark::DoNotOptimize(cubin->image.data());
  }
  state.SetItemsProcessed(state.iterations());
}

[[maybe_unused]] const bool has_gpu_benchmarks = [] {
  static const auto nvrtc = codegen::cuda::Nvrtc::load();
  if (!nvrtc) return false;
  for (const auto& [name, kernel] : {std::pair("matmul", matmul_kernel()), {"conv", conv_kernel()}, {"softmax", softmax_kernel()}})
    benchmark::RegisterBenchmark((std::string("compile_for_gpu/") + name).c_str(),
                                 [kernel = kernel](benchmark::State& state) { compile_for_gpu(state, *nvrtc, kernel); })
        ->Unit(benchmark::kMillisecond)
        ->ThreadRange(1, 2)
        ->UseRealTime();
  return true;
}();

}  // namespace
}  // namespace tunesmith::bench
