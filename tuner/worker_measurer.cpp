#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>

#include "ir/buffer.h"
#include "ir/interpret.h"
#include "ir/support/log.h"
#include "schedules/apply.h"
#include "tuner/compare.h"
#include "tuner/measurer.h"
#include "tuner/statistics.h"
#include "tuner/test_data.h"
#include "tuner/worker/client.h"

namespace tunesmith::tuner {
namespace {

constexpr double interpreter_flops = 2e6;       // above, the compiled unscheduled kernel is the reference
constexpr double reference_timeout_seconds = 300;
constexpr std::byte poison{0xff};               // NaN for floats, -1 for integers
constexpr double give_up_ratio = 2;             // candidates this much slower than the incumbent are not timed on
constexpr std::uint64_t data_seed = 20;

class WorkerMeasurer final : public Measurer {
 public:
  WorkerMeasurer(const Environment& environment, std::string worker_path)
      : environment_(environment), client_(std::move(worker_path), environment.threads) {}

  Expected<void, Error> begin_kernel(const ir::Kernel& kernel) override {
    kernel_ = &kernel;
    reference_.clear();
    inputs_ = make_inputs(kernel, data_seed);
    outputs_.clear();
    std::vector<std::int64_t> bytes;
    std::vector<char> writable;
    for (const ir::BufferId id : ir::arguments(kernel)) {
      const ir::Buffer& buffer = kernel.buffer(id);
      bytes.push_back(ir::int_value(ir::element_count(buffer)) * static_cast<std::int64_t>(ir::size_bytes(buffer.dtype)));
      writable.push_back(buffer.role == ir::Role::output);
      if (buffer.role == ir::Role::output) outputs_.push_back({bytes.size() - 1, id});
    }
    // vector<bool> gives no span of bool.
    std::unique_ptr<bool[]> flags(new bool[writable.size()]);
    std::copy(writable.begin(), writable.end(), flags.get());
    if (auto set = client_.set_buffers(bytes, {flags.get(), writable.size()}); !set) return set;
    std::size_t next = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i)
      if (!writable[i]) std::memcpy(client_.buffer(i).data(), inputs_[next].bytes(), inputs_[next].byte_size()), ++next;
    return make_reference();
  }

  Measurement measure(const codegen::Object& object, double incumbent_ns) override {
    Measurement result;
    auto fail = [&](const WorkerFailure& failure) {
      result.status = failure.status;
      result.message = failure.message;
      return result;
    };
    poison_outputs();
    const double slowest_seconds = 2 + 20 * (incumbent_ns > 0 ? incumbent_ns : reference_ns_) * 1e-9;
    if (auto loaded = client_.load(object, slowest_seconds); !loaded) return fail(loaded.error());
    const auto first = client_.run_once(slowest_seconds);
    if (!first) return fail(first.error());
    if (const auto mismatch = check_outputs(result)) {
      result.status = Status::wrong;
      result.message = *mismatch;
      return result;
    }
    TimeRequest request;
    request.max_seconds = std::clamp(*first * 30e-9, 0.01, 0.3);
    request.give_up_ns = incumbent_ns * give_up_ratio;
    const auto samples = client_.time(request, slowest_seconds + 10 * request.max_seconds + *first * 40e-9);
    if (!samples) return fail(samples.error());
    result.samples = static_cast<std::int32_t>(samples->size());
    result.median_ns = median(*samples);
    result.mad_ns = median_absolute_deviation(*samples);
    return result;
  }

 private:
  struct OutputSlot {
    std::size_t argument = 0;
    ir::BufferId buffer{};
  };

  void poison_outputs() {
    for (const OutputSlot& output : outputs_) std::ranges::fill(client_.buffer(output.argument), poison);
  }

  ir::HostTensor read_output(const OutputSlot& output) {
    const ir::Buffer& buffer = kernel_->buffer(output.buffer);
    std::vector<std::int64_t> shape;
    for (const ir::Expr& extent : ir::physical_shape(buffer)) shape.push_back(ir::int_value(extent));
    const ir::HostTensor physical =
        ir::HostTensor::from_bytes(buffer.dtype, std::move(shape), client_.buffer(output.argument));
    return ir::from_physical(physical, buffer);  // padding is nobody's business
  }

  std::optional<std::string> check_outputs(Measurement& result) {
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      const ir::Buffer& buffer = kernel_->buffer(outputs_[i].buffer);
      const Comparison comparison =
          compare(read_output(outputs_[i]), reference_[i], error_budget(*kernel_, buffer.dtype));
      result.max_error = std::max(result.max_error, comparison.max_error);
      if (comparison.mismatch) return fmt::format("output {}: {}", i, *comparison.mismatch);
    }
    return std::nullopt;
  }

  Expected<void, Error> make_reference() {
    if (ir::flop_count(*kernel_) <= interpreter_flops && ir::argument_bytes(*kernel_) <= 4 * interpreter_flops) {
      auto outputs = ir::interpret(*kernel_, inputs_);
      if (!outputs) return Unexpected(outputs.error());
      for (std::size_t i = 0; i < outputs->size(); ++i)
        reference_.push_back(ir::from_physical((*outputs)[i], kernel_->buffer(outputs_[i].buffer)));
      reference_ns_ = 1e9;
      return {};
    }
    auto nest = schedules::apply(*kernel_, {});
    TS_CHECK(nest.has_value(), "the empty schedule always applies");
    auto object = environment_.backend->compile(*nest);
    if (!object) return Unexpected(make_error("the reference does not compile: {}", object.error().message));
    poison_outputs();
    if (auto loaded = client_.load(*object, reference_timeout_seconds); !loaded)
      return Unexpected(make_error("the reference does not load: {}", loaded.error().message));
    const auto ns = client_.run_once(reference_timeout_seconds);
    if (!ns) return Unexpected(make_error("the reference does not run: {}", ns.error().message));
    reference_ns_ = *ns;
    for (const OutputSlot& output : outputs_) reference_.push_back(read_output(output));
    return {};
  }

  const Environment& environment_;
  WorkerClient client_;
  const ir::Kernel* kernel_ = nullptr;
  std::vector<ir::HostTensor> inputs_;
  std::vector<OutputSlot> outputs_;
  std::vector<ir::HostTensor> reference_;  // logical, one an output
  double reference_ns_ = 0;
};

}  // namespace

std::unique_ptr<Measurer> make_worker_measurer(const Environment& environment, std::string worker_path) {
  return std::make_unique<WorkerMeasurer>(environment, std::move(worker_path));
}

}  // namespace tunesmith::tuner
