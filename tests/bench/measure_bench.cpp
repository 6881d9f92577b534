// What isolation costs: one candidate verified and timed in the worker process, and the same steps in this process without
// guard pages, poison or deadlines. Bound: both run the candidate as often; the worker adds a few messages, the copy of its
// code, and pages that are mapped afresh. The goal is below 1.5 times.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "codegen/aligned_memory.h"
#include "codegen/threads/pool.h"
#include "ir/buffer.h"
#include "tests/bench/bench_kernels.h"
#include "tuner/compare.h"
#include "tuner/measurer.h"
#include "tuner/statistics.h"
#include "tuner/test_data.h"
#include "tuner/worker/client.h"

namespace tunesmith::bench {
namespace {

struct Case {
  const char* name;
  ir::Kernel (*make)();
};
constexpr Case cases[] = {{"matmul", matmul_kernel}, {"conv", conv_kernel}, {"softmax", softmax_kernel}};

codegen::Object default_object(const ir::Kernel& kernel) {
  const schedules::Space space = schedules::make_cpu_space(kernel, environment().machine(), 1);
  const auto nest = schedules::apply(kernel, space.to_schedule(space.default_candidate()));
  return environment().backend->compile(nest.value()).value();
}

void measure_in_worker(benchmark::State& state) {
  const Case& chosen = cases[state.range(0)];
  state.SetLabel(chosen.name);
  const ir::Kernel kernel = chosen.make();
  const auto worker = tuner::find_worker();
  if (!worker) return state.SkipWithError(worker.error().message.c_str());
  const auto measurer = tuner::make_worker_measurer(environment(), *worker, {});
  if (const auto ready = measurer->begin_kernel(kernel); !ready) return state.SkipWithError(ready.error().message.c_str());
  const codegen::Object object = default_object(kernel);
  for (auto _ : state) {
    const auto measured = measurer->measure(object);
    if (!measured || !measured->ok()) return state.SkipWithError("the candidate fails");
  }
}
BENCHMARK(measure_in_worker)->DenseRange(0, 2)->Unit(benchmark::kMillisecond)->UseRealTime();

class InProcess {
 public:
  explicit InProcess(const ir::Kernel& kernel) : kernel_(kernel), pool_(1), context_(pool_) {
    inputs_ = tuner::make_inputs(kernel, 20);
    std::size_t inputs = 0;
    for (const ir::BufferId id : ir::arguments(kernel)) {
      const ir::Buffer& buffer = kernel.buffer(id);
      std::vector<std::int64_t> shape;
      for (const ir::Expr& extent : ir::physical_shape(buffer)) shape.push_back(ir::int_value(extent));
      const bool is_output = buffer.role == ir::Role::output;
      if (is_output) outputs_.emplace_back(buffer.dtype, shape);
      buffers_.push_back(is_output ? outputs_.back().mutable_bytes() : inputs_[inputs++].mutable_bytes());
    }
    verify_and_time(environment().backend->compile(schedules::apply(kernel, {}).value()).value());
    for (const ir::HostTensor& output : outputs_)  // a copy would share the memory that the buffers point to
      reference_.push_back(ir::HostTensor::from_bytes(output.dtype(), output.shape(), {output.bytes(), output.byte_size()}));
  }

  bool verify_and_time(const codegen::Object& object) {
    for (ir::HostTensor& output : outputs_) std::memset(output.mutable_bytes(), 0xff, output.byte_size());
    const auto executable = environment().backend->load(object).value();
    std::vector<void*> arguments = buffers_;
    std::vector<codegen::AlignedMemory> prepared;
    for (std::int32_t i = object.argument_count - object.prepared_count; i < object.argument_count; ++i) {
      prepared.emplace_back(object.argument_bytes.at(static_cast<std::size_t>(i)));
      arguments.push_back(prepared.back().data());
    }
    context_.reserve(object.workspace_bytes, object.thread_scratch_bytes);
    executable->prepare(arguments.data(), nullptr, context_.get());
    const double first_ns = run(*executable, arguments, 1);
    if (!is_right()) return false;
    const tuner::TimeRequest request;
    const double most_ns = 1e9 * std::clamp(first_ns * 30e-9, 0.01, 0.3);
    const auto repeats = static_cast<std::int64_t>(std::clamp(request.min_sample_ns / run(*executable, arguments, 1), 1.0, 1e5));
    std::vector<double> samples;
    for (double spent = 0; static_cast<std::int32_t>(samples.size()) < request.max_samples;) {
      samples.push_back(run(*executable, arguments, repeats));
      spent += samples.back() * static_cast<double>(repeats);
      if (samples.size() >= 3 && spent > most_ns) break;
    }
    benchmark::DoNotOptimize(tuner::median(samples));
    return is_right();
  }

 private:
  /// ns a run.
  double run(const codegen::Executable& executable, const std::vector<void*>& arguments, std::int64_t repeats) {
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < repeats; ++i) executable.run(arguments.data(), nullptr, context_.get());
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() /
           static_cast<double>(repeats);
  }
  bool is_right() const {
    for (std::size_t i = 0; i < reference_.size(); ++i)
      if (tuner::compare(outputs_[i], reference_[i], tuner::error_budget(kernel_, ir::DType::f32)).mismatch) return false;
    return true;
  }

  ir::Kernel kernel_;
  codegen::ThreadPool pool_;
  codegen::ExecutionContext context_;
  std::vector<ir::HostTensor> inputs_, outputs_, reference_;
  std::vector<void*> buffers_;  // in calling order
};

void measure_in_process(benchmark::State& state) {
  const Case& chosen = cases[state.range(0)];
  state.SetLabel(chosen.name);
  const ir::Kernel kernel = chosen.make();
  InProcess process(kernel);
  const codegen::Object object = default_object(kernel);
  for (auto _ : state)
    if (!process.verify_and_time(object)) return state.SkipWithError("the candidate fails");
}
BENCHMARK(measure_in_process)->DenseRange(0, 2)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace tunesmith::bench
