#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>

#include "ir/buffer.h"
#include "ir/interpret.h"
#include "ir/support/log.h"
#include "schedules/apply.h"
#include "tuner/compare.h"
#include "tuner/measurer.h"
#include "tuner/race.h"
#include "tuner/statistics.h"
#include "tuner/test_data.h"
#include "tuner/worker/client.h"

namespace tunesmith::tuner {
namespace {

// Above, the compiled unscheduled kernel is the reference:
constexpr double interpreter_points = 1e6;
constexpr double interpreter_flops = 2e6;
constexpr double interpreter_bytes = 8e6;
constexpr double reference_timeout_seconds = 300;
constexpr double hang_ratio = 20;           // of the best time, beyond the timeout
constexpr double reference_hang_ratio = 2;  // of the reference's time, where nothing better is known
constexpr int attempts_when_killed = 2;
constexpr double give_up_ratio = 2;  // candidates this much slower than the incumbent are hardly timed,
constexpr double lost_ratio = 1.15;  // and those this much slower not for long
constexpr double evicted_caches = 2;         // of the last cache's size are written to empty it
constexpr double evict_seconds = 1e-9;       // for a byte, with patience
constexpr double near_ratio = 1.05;  // of the incumbent's time: candidates whose best sample is below are raced
constexpr std::uint64_t data_seed = 20;

/// What the control group of this process may use, where it says so.
std::int64_t memory_limit_of_group() {
  std::int64_t least = INT64_MAX;
  for (const char* file : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream stream(file);
    if (std::int64_t bytes = 0; stream >> bytes && bytes > 0) least = std::min(least, bytes);
  }
  return least;
}

std::int64_t half_of_memory() {
  const std::int64_t all =
      static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::int64_t>(::sysconf(_SC_PAGESIZE));
  return std::min(all, memory_limit_of_group()) / 2;
}

/// What the worker allocates for a candidate. In floating point: a damaged object may ask for anything.
double scratch_bytes(const codegen::Object& object, std::int32_t threads) {
  double total = static_cast<double>(object.workspace_bytes) +
                 static_cast<double>(object.thread_scratch_bytes) * static_cast<double>(threads);
  for (std::int32_t i = object.argument_count - object.prepared_count; i < object.argument_count; ++i)
    total += static_cast<double>(object.argument_bytes.at(static_cast<std::size_t>(i)));
  return total;
}

/// Points at which the stages of a kernel are evaluated: what the interpreter's time grows with, whatever the
/// dtypes.
double point_count(const ir::Kernel& kernel) {
  double total = 0;
  for (const ir::Stage& stage : kernel.stages) {
    double points = 1;
    for (const ir::Axis& axis : stage.spatial) points *= static_cast<double>(ir::int_value(axis.extent));
    for (const ir::Axis& axis : stage.reduce) points *= static_cast<double>(ir::int_value(axis.extent));
    total += points;
  }
  return total;
}

bool is_quick_to_interpret(const ir::Kernel& kernel) {
  return point_count(kernel) <= interpreter_points && ir::flop_count(kernel) <= interpreter_flops &&
         ir::argument_bytes(kernel) <= interpreter_bytes;
}

class WorkerMeasurer final : public Measurer {
 public:
  WorkerMeasurer(const Environment& environment, std::string worker_path, const MeasureOptions& options)
      : environment_(environment),
        timeout_seconds_(options.timeout_seconds),
        should_stop_(options.should_stop),
        memory_bytes_(
            static_cast<double>(options.memory_bytes > 0 ? options.memory_bytes : half_of_memory())),
        client_(std::move(worker_path), environment.threads) {}

  Expected<void, Error> begin_kernel(const ir::Kernel& kernel) override {
    kernel_ = kernel;
    incumbent_.reset();
    awkward_.reset();
    outputs_.clear();
    if (ir::argument_bytes(kernel) > memory_bytes_)
      return Unexpected(make_error("its buffers take {:.0f} bytes, {:.0f} are allowed",
                                   ir::argument_bytes(kernel), memory_bytes_));
    std::vector<std::int64_t> bytes;
    std::vector<char> writable;
    for (const ir::BufferId id : ir::arguments(kernel)) {
      const ir::Buffer& buffer = kernel.buffer(id);
      bytes.push_back(ir::int_value(ir::element_count(buffer)) *
                      static_cast<std::int64_t>(ir::size_bytes(buffer.dtype)));
      writable.push_back(buffer.role == ir::Role::output);
      if (buffer.role == ir::Role::output) outputs_.push_back({bytes.size() - 1, id});
    }
    // vector<bool> gives no span of bool.
    std::unique_ptr<bool[]> flags(new bool[writable.size()]);
    std::copy(writable.begin(), writable.end(), flags.get());
    if (auto set = client_.set_buffers(bytes, {flags.get(), writable.size()}); !set) return set;
    if (depends_on_values(kernel)) {
      auto awkward = make_case(Values::awkward);
      if (!awkward) return Unexpected(awkward.error());
      // Where not a number comes in, the order of operands matters, which schedules may change.
      if (!std::ranges::any_of(awkward->reference, has_nan)) awkward_ = std::move(*awkward);
    }
    auto plain = make_case(Values::plain);
    if (!plain) return Unexpected(plain.error());
    plain_ = std::move(*plain);
    return {};
  }

  void set_incumbent(const codegen::Object& object, double ns) override { incumbent_ = Incumbent{object, ns}; }

  Expected<Measurement, Error> measure(const codegen::Object& object) override {
    double needed = ir::argument_bytes(kernel_) + scratch_bytes(object, environment_.threads);
    if (incumbent_) needed += scratch_bytes(incumbent_->object, environment_.threads);
    if (!(needed <= memory_bytes_)) {
      Measurement result;
      result.status = Status::resource;
      result.message = fmt::format("takes {:.0f} bytes, {:.0f} are allowed", needed, memory_bytes_);
      return result;
    }
    Measurement result;
    bool killed = true;
    for (int attempt = 0; killed && attempt < attempts_when_killed; ++attempt) {
      if (auto started = client_.start(); !started) return Unexpected(started.error());
      bring_incumbent();
      if (auto started = client_.start(); !started) return Unexpected(started.error());  // it may have ended the worker
      result = verify_and_time(object, killed);
      const bool may_be_best = result.ok() && (!incumbent_ || result.median_ns <= incumbent_->ns);
      if (may_be_best && awkward_) verify_awkward(object, result, killed);
    }
    return result;
  }

  std::int64_t worker_starts() const override { return client_.starts(); }

 private:
  struct OutputSlot {
    std::size_t argument = 0;
    ir::BufferId buffer{};
  };

  /// Inputs of a kernel, and what it makes of them.
  struct Case {
    std::vector<ir::HostTensor> inputs;
    std::vector<ir::HostTensor> reference;  // logical, one an output
  };

  static bool has_nan(const ir::HostTensor& tensor) {
    for (std::int64_t i = 0; i < tensor.size(); ++i)
      if (ir::is_float(tensor.dtype()) && std::isnan(tensor.at(i))) return true;
    return false;
  }

  void bring_inputs(const std::vector<ir::HostTensor>& inputs) {
    std::size_t argument = 0;
    for (const ir::HostTensor& input : inputs) {
      while (std::ranges::find(outputs_, argument, &OutputSlot::argument) != outputs_.end()) ++argument;
      std::memcpy(client_.buffer(argument++).data(), input.bytes(), input.byte_size());
    }
  }

  /// What may become the best must be right on awkward values too. The inputs are the plain ones again afterwards.
  void verify_awkward(const codegen::Object& object, Measurement& result, bool& killed) {
    bring_inputs(awkward_->inputs);
    poison_outputs();
    const auto loaded = client_.load(object, patience_seconds());  // which packs its constants
    const auto ns =
        loaded ? client_.run_once(patience_seconds()) : Expected<double, WorkerFailure>(Unexpected(loaded.error()));
    if (!ns) {
      result.status = ns.error().status;
      result.message = "on awkward values, " + ns.error().message;
      killed = ns.error().killed;
    } else if (auto mismatch = check_outputs(awkward_->reference, result)) {
      result.status = Status::wrong;
      result.message = "on awkward values, " + *mismatch;
    }
    bring_inputs(plain_.inputs);
  }

  /// `killed`: ended from outside, so that the failure says little of the candidate.
  Measurement verify_and_time(const codegen::Object& object, bool& killed) {
    Measurement result;
    killed = false;
    auto fail = [&](const WorkerFailure& failure) {
      result.status = failure.status;
      result.message = failure.message;
      killed = failure.killed;
      return result;
    };
    auto wrong = [&](std::string mismatch) {
      result.status = Status::wrong;
      result.message = std::move(mismatch);
      return result;
    };
    const double slowest_seconds = patience_seconds();
    poison_outputs();
    if (auto loaded = client_.load(object, slowest_seconds); !loaded) return fail(loaded.error());
    const auto first = client_.run_once(slowest_seconds);
    if (!first) return fail(first.error());
    if (auto mismatch = check_outputs(plain_.reference, result)) return wrong(std::move(*mismatch));
    keep_outputs();
    poison_outputs(Poison::zeros);  // each run must write all of them
    TimeRequest request;
    request.evict_bytes = evict_bytes();
    request.max_seconds = std::clamp(*first * 30e-9, 0.01, 0.3) + eviction_seconds(request.max_samples);
    request.give_up_ns = incumbent_ ? incumbent_->ns * give_up_ratio : 0;
    request.lost_ns = incumbent_ ? incumbent_->ns * lost_ratio : 0;
    const auto samples = client_.time(request, slowest_seconds + 10 * request.max_seconds + 4 * eviction_seconds(request.max_samples) + *first * 40e-9);
    if (!samples) return fail(samples.error());
    // Threads that interfere, or a state that outlives a run, show in later runs only.
    if (outputs_changed())
      if (auto mismatch = check_outputs(plain_.reference, result)) return wrong("after several runs, " + *mismatch);
    result.samples = static_cast<std::int32_t>(samples->size());
    result.median_ns = median(*samples);
    result.mad_ns = median_absolute_deviation(*samples);
    if (comes_near(*samples))
      if (auto raced = race(request, result); !raced) return fail(raced.error());
    return result;
  }

  /// Written before each sample.
  std::int64_t evict_bytes() const {
    if (!environment_.cold) return 0;
    const codegen::CpuTarget& target = environment_.target;
    return static_cast<std::int64_t>(
        evicted_caches * static_cast<double>(std::max<std::int64_t>({target.l3_bytes, target.l2_bytes * target.cores, 1 << 20})));
  }
  double eviction_seconds(std::int32_t samples) const {
    return evict_seconds * static_cast<double>(evict_bytes()) * static_cast<double>(samples) / 4;
  }

  /// For a load or a run.
  double patience_seconds() const {
    return timeout_seconds_ + 1e-9 * (incumbent_ ? hang_ratio * incumbent_->ns : reference_hang_ratio * reference_ns_);
  }

  /// The worker has the incumbent at hand, unless it does not load any more: then candidates are timed alone.
  void bring_incumbent() {
    if (!incumbent_ || incumbent_->is_broken || incumbent_->worker == client_.starts()) return;
    incumbent_->is_broken = !client_.load(incumbent_->object, patience_seconds()) || !client_.keep();
    if (!incumbent_->is_broken) incumbent_->worker = client_.starts();
  }

  bool comes_near(const std::vector<double>& samples) const {
    return incumbent_ && incumbent_->worker == client_.starts() &&
           *std::ranges::min_element(samples) < near_ratio * incumbent_->ns;
  }

  /// Puts the outcome into `result`.
  Expected<void, WorkerFailure> race(TimeRequest request, Measurement& result) {
    Race pairs;
    // As long as timing alone may take, but for the first look, without which there is no outcome, and for the first
    // of a winner's second turn.
    bool had_second_turn = false;
    double seconds_left = request.max_seconds;
    while (pairs.wanted() > 0) {
      request.max_samples = static_cast<std::int32_t>(pairs.wanted());
      const double pairs_seconds = 2e-9 * (incumbent_->ns + result.median_ns) * static_cast<double>(request.max_samples) +
                                   2 * eviction_seconds(request.max_samples);
      const bool is_needed = pairs.log_ratios().empty() || (pairs.is_second_turn() && !had_second_turn);
      had_second_turn = pairs.is_second_turn();
      if (!is_needed && seconds_left <= 0) break;
      request.max_seconds = is_needed ? std::max(seconds_left, pairs_seconds) : seconds_left;
      const auto start = std::chrono::steady_clock::now();
      const auto times = client_.race(request, timeout_seconds_ + request.max_seconds + hang_ratio * pairs_seconds);
      if (!times) return Unexpected(times.error());
      seconds_left -= std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      std::vector<double> ratios;
      for (std::size_t i = 0; i + 1 < times->size(); i += 2) ratios.push_back(std::log((*times)[i + 1] / (*times)[i]));
      pairs.add(ratios);
    }
    const RaceResult outcome = pairs.result();
    const std::span<const double> ratios = pairs.log_ratios();
    const bool decided = outcome.verdict == Verdict::faster || outcome.verdict == Verdict::slower;
    result.median_ns = incumbent_->ns * (decided ? std::exp(outcome.log_ratio) : 1);
    result.mad_ns = incumbent_->ns * median_absolute_deviation({ratios.begin(), ratios.end()});
    result.samples = static_cast<std::int32_t>(ratios.size());
    return {};
  }

  void keep_outputs() {
    kept_.resize(outputs_.size());
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      const auto bytes = client_.buffer(outputs_[i].argument);
      kept_[i].assign(bytes.begin(), bytes.end());
    }
  }

  bool outputs_changed() {
    for (std::size_t i = 0; i < outputs_.size(); ++i)
      if (!std::ranges::equal(kept_[i], client_.buffer(outputs_[i].argument))) return true;
    return false;
  }

  /// NaN for floats, -1 for integers. Of a boolean every byte is a value: both are tried, one before each look.
  enum class Poison : std::uint8_t { ones, zeros };
  void poison_outputs(Poison booleans = Poison::ones) {
    for (const OutputSlot& output : outputs_) {
      const bool is_zero = kernel_.buffer(output.buffer).dtype == ir::DType::boolean && booleans == Poison::zeros;
      std::ranges::fill(client_.buffer(output.argument), is_zero ? std::byte{0} : std::byte{0xff});
    }
  }

  ir::HostTensor read_output(const OutputSlot& output) {
    const ir::Buffer& buffer = kernel_.buffer(output.buffer);
    std::vector<std::int64_t> shape;
    for (const ir::Expr& extent : ir::physical_shape(buffer)) shape.push_back(ir::int_value(extent));
    const ir::HostTensor physical =
        ir::HostTensor::from_bytes(buffer.dtype, std::move(shape), client_.buffer(output.argument));
    return ir::from_physical(physical, buffer);  // padding is nobody's business
  }

  std::optional<std::string> check_outputs(const std::vector<ir::HostTensor>& reference, Measurement& result) {
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      const ir::Buffer& buffer = kernel_.buffer(outputs_[i].buffer);
      const Comparison comparison =
          compare(read_output(outputs_[i]), reference[i], error_budget(kernel_, buffer.dtype));
      result.max_error = std::max(result.max_error, comparison.max_error);
      if (comparison.mismatch) return fmt::format("output {}: {}", i, *comparison.mismatch);
    }
    return std::nullopt;
  }

  /// The inputs are in the worker's buffers afterwards.
  Expected<Case, Error> make_case(Values values) {
    Case result;
    result.inputs = make_inputs(kernel_, data_seed, values);
    bring_inputs(result.inputs);
    if (auto started = client_.start(); !started) return Unexpected(started.error());
    if (is_quick_to_interpret(kernel_)) {
      auto outputs = ir::interpret(kernel_, result.inputs);
      if (!outputs) return Unexpected(outputs.error());
      for (std::size_t i = 0; i < outputs->size(); ++i)
        result.reference.push_back(ir::from_physical((*outputs)[i], kernel_.buffer(outputs_[i].buffer)));
      reference_ns_ = 0;  // compiled, so small a kernel is done long before the timeout
      return result;
    }
    auto nest = schedules::apply(kernel_, {});
    if (!nest)
      return Unexpected(make_error("the unscheduled kernel does not lower: {}",
                                   schedules::render(kernel_, {}, nest.error())));
    auto object = environment_.backend->compile(*nest);
    if (!object) return Unexpected(make_error("the reference does not compile: {}", object.error().message));
    poison_outputs();
    if (auto loaded = client_.load(*object, reference_timeout_seconds); !loaded)
      return Unexpected(make_error("the reference does not load: {}", loaded.error().message));
    const auto ns = client_.run_once(reference_timeout_seconds, should_stop_);
    if (!ns) return Unexpected(make_error("the reference does not run: {}", ns.error().message));
    reference_ns_ = *ns;
    for (const OutputSlot& output : outputs_) result.reference.push_back(read_output(output));
    return result;
  }

  struct Incumbent {
    codegen::Object object;
    double ns = 0;
    std::int64_t worker = 0;  // that holds it: its number among the starts
    bool is_broken = false;
  };

  const Environment& environment_;
  double timeout_seconds_;
  std::function<bool()> should_stop_;
  double memory_bytes_;
  WorkerClient client_;
  std::optional<Incumbent> incumbent_;
  ir::Kernel kernel_;  // its own: a caller may measure candidates of a kernel that is gone
  std::vector<OutputSlot> outputs_;
  Case plain_;                                // what is timed
  std::optional<Case> awkward_;
  std::vector<std::vector<std::byte>> kept_;  // what the outputs were after the first run
  double reference_ns_ = 0;
};

}  // namespace

std::unique_ptr<Measurer> make_worker_measurer(const Environment& environment, std::string worker_path,
                                               const MeasureOptions& options) {
  return std::make_unique<WorkerMeasurer>(environment, std::move(worker_path), options);
}

}  // namespace tunesmith::tuner
