#include "tuner/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_map>

#include "ir/canonical.h"
#include "ir/support/log.h"
#include "schedules/apply.h"
#include "schedules/space.h"
#include "tuner/history.h"
#include "tuner/limits.h"
#include "tuner/measurer.h"
#include "tuner/pretrain.h"
#include "tuner/strategy.h"
#include "tuner/worker/client.h"

namespace tunesmith::tuner {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t seed_limit = 4;    // schedules taken from similar kernels
constexpr double close_to_limit = 1.03;  // a result this near to the limit ends a task
constexpr double least_gain = 0.005;     // expected gain below which a task rests
constexpr std::int64_t patience = 3;     // batches without a better result before a low gain counts

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// One kernel being tuned.
struct TaskState {
  const Task* task = nullptr;
  double weight = 0;
  std::unique_ptr<Strategy> search;  // made when the task is first worked on
  std::string default_text;        // the default schedule
  TaskReport report;
  std::int64_t known = 0;  // measured in earlier sessions
  bool finished = false;

  /// What is left to gain, as predicted, but not beyond the limit of the machine. REQUIRES: a good result.
  double gain_ns() const {
    const double predicted = search->best_ns() * (1 - search->expected_gain());
    return std::max(0.0, search->best_ns() - std::max(report.limit_ns, predicted));
  }
  double priority() const {
    if (!search) return std::numeric_limits<double>::infinity();
    if (!std::isfinite(search->best_ns())) return 0;
    const double trial_seconds = report.seconds / static_cast<double>(std::max<std::int64_t>(1, report.trials));
    return weight * std::max(gain_ns(), 0.01 * search->best_ns()) /
           (std::max(1e-3, trial_seconds) * static_cast<double>(1 + search->stale_rounds()));
  }
};

struct Compiled {
  std::optional<codegen::Object> object;
  std::string error;
};

class Session {
 public:
  Session(std::span<const Task> tasks, const Environment& environment, const SessionOptions& options)
      : environment_(environment),
        options_(options),
        history_(environment, {fmt::format("{} seed={}", options.strategy, options.seed), options.source}),
        model_(make_cost_model(options.cost_model, options.seed)) {
    std::unordered_map<std::string, std::size_t> unique;
    for (const Task& task : tasks) {
      const std::string text = ir::canonical_text(task.kernel);
      const auto [it, added] = unique.emplace(text, states_.size());
      if (added) {
        TaskState& state = states_.emplace_back();
        state.task = &task;
        state.report.name = task.name;
        state.report.workload = digest(text).hex();
      }
      states_[it->second].weight += task.weight;
    }
    for (TaskState& state : states_) state.report.weight = state.weight;
  }

  Expected<SessionReport, Error> run() {
    std::string worker = options_.worker_path;
    if (worker.empty()) {
      auto found = find_worker();
      if (!found) return Unexpected(found.error());
      worker = *found;
    }
    const auto limits =
        options_.limits ? Expected<Limits, Error>(*options_.limits) : measure_limits(environment_);
    if (!limits) return Unexpected(limits.error());
    for (TaskState& state : states_) state.report.limit_ns = limit_ns(state.task->kernel, *limits);
    start_ = Clock::now();  // what is learned before the first trial is part of the budget
    if (const auto stored = history_.load_model(options_.cost_model))
      if (!model_->load(*stored))
        log(LogLevel::warning, "the stored cost model does not load; starting without one");
    past_ = past_rows(environment_, *model_);
    if (!past_.empty()) model_->train(past_);

    MeasureOptions measure = options_.measure;
    measure.should_stop = [this] { return over(); };
    measurer_ = make_worker_measurer(environment_, std::move(worker), measure);
    while (!over()) {
      TaskState* next = pick();
      if (next == nullptr) break;
      if (auto worked = work_on(*next); !worked) {
        if (auto flushed = history_.flush(); !flushed)
          log(LogLevel::error, "the last measurements are not on disk: {}", flushed.error().message);
        return Unexpected(worked.error());
      }
    }
    if (auto flushed = history_.flush(); !flushed) return Unexpected(flushed.error());
    if (!states_.empty() &&
        std::ranges::all_of(states_, [](const TaskState& s) { return !s.report.error.empty(); }))
      return Unexpected(make_error("kernel {}: {}", states_[0].report.name, states_[0].report.error));
    if (trials_ > 0)
      if (auto saved = history_.save_model(options_.cost_model, model_->save()); !saved) return Unexpected(saved.error());
    return report();
  }

 private:
  bool stopped() const { return options_.stop != nullptr && *options_.stop; }
  bool over() const {
    return stopped() || (options_.budget_seconds > 0 && seconds_since(start_) >= options_.budget_seconds);
  }

  TaskState* pick() {
    TaskState* best = nullptr;
    for (TaskState& state : states_)
      if (!state.finished && (best == nullptr || state.priority() > best->priority())) best = &state;
    return best;
  }

  /// The task's search, with what earlier sessions measured.
  void begin(TaskState& state) {
    const ir::Kernel& kernel = state.task->kernel;
    state.search =
        make_strategy(options_.strategy, schedules::make_cpu_space(kernel, environment_.machine(), environment_.threads),
                      options_.seed, model_);
    state.default_text = schedules::print_schedule(state.search->space().to_schedule(state.search->default_candidate()));
    for (const KnownSchedule& known : history_.known(kernel)) {
      state.search->record(known.schedule, known.measurement.ok() ? known.measurement.median_ns
                                                                  : std::numeric_limits<double>::infinity());
      ++state.known;
      if (known.schedule == state.default_text && known.measurement.ok())
        state.report.default_ns = known.measurement.median_ns;
    }
    for (const std::string& text : history_.seeds(kernel, seed_limit))
      if (const auto schedule = schedules::parse_schedule(text)) state.search->add_seed(*schedule);
  }

  Expected<void, Error> work_on(TaskState& state) {
    const Clock::time_point began = Clock::now();
    const bool first = !state.search;
    if (first) begin(state);
    const std::int64_t left = options_.trials_per_task - state.report.trials - state.known;
    if (left <= 0) {  // earlier sessions used the trials up
      state.finished = true;
      return {};
    }
    if (current_ != &state) {
      current_ = nullptr;
      if (auto ready = measurer_->begin_kernel(state.task->kernel); !ready) {
        if (over()) return {};  // perhaps given up only because of that
        log(LogLevel::warning, "kernel {} cannot be measured: {}", state.task->name, ready.error().message);
        state.report.error = ready.error().message;
        state.finished = true;
        return {};
      }
      current_ = &state;
      set_incumbent(state);
    }
    const std::vector<Proposal> batch = next_batch(state, static_cast<std::size_t>(left));
    const std::vector<Compiled> compiled = compile(batch);
    for (std::size_t i = 0; i < batch.size() && !over(); ++i)
      if (auto measured = measure(state, batch[i], compiled[i]); !measured) return measured;
    train();
    finish_if_done(state, batch.empty());
    state.report.seconds += seconds_since(began);
    show(state);
    return {};
  }

  /// The default schedule is measured first, whatever the strategy: nothing worse than it is ever served.
  static std::vector<Proposal> next_batch(TaskState& state, std::size_t left) {
    std::vector<Proposal> batch;
    if (auto first = state.search->propose_default()) batch.push_back(std::move(*first));
    const std::size_t count = std::min(state.search->batch_size(), left) - batch.size();
    if (count > 0)
      for (Proposal& proposal : state.search->propose(count)) batch.push_back(std::move(proposal));
    return batch;
  }

  std::vector<Compiled> compile(const std::vector<Proposal>& batch) {
    std::vector<Compiled> compiled(batch.size());
    std::atomic<std::size_t> next{0};
    auto worker = [&] {
      for (std::size_t i = next++; i < batch.size(); i = next++) {
        auto object = compile_one(batch[i].nest);
        if (object)
          compiled[i].object = std::move(*object);
        else
          compiled[i].error = object.error().message;
      }
    };
    std::vector<std::jthread> helpers;
    for (std::int32_t t = 1; t < environment_.target.cores; ++t) helpers.emplace_back(worker);
    worker();
    return compiled;
  }

  /// What a back end throws costs the candidate, not the session.
  Expected<codegen::Object, Error> compile_one(const ir::LoopNest& nest) const {
    try {
      return environment_.backend->compile(nest);
    } catch (const std::exception& error) {
      return Unexpected(make_error("the code generator threw: {}", error.what()));
    }
  }

  /// What is known to be best so far, of earlier batches or sessions, is what candidates race against.
  void set_incumbent(const TaskState& state) {
    if (!std::isfinite(state.search->best_ns())) return;
    const auto schedule = schedules::parse_schedule(state.search->best_text());
    if (!schedule) return;
    const auto nest = schedules::apply(state.task->kernel, *schedule);
    if (!nest) return;
    if (const auto object = compile_one(*nest)) measurer_->set_incumbent(*object, state.search->best_ns());
  }

  Expected<void, Error> measure(TaskState& state, const Proposal& proposal, const Compiled& compiled) {
    Measurement measurement;
    if (compiled.object) {
      auto measured = measurer_->measure(*compiled.object);
      if (!measured) return Unexpected(measured.error());
      measurement = std::move(*measured);
    } else {
      measurement.status = Status::compile;
      measurement.message = compiled.error;
    }
    if (auto added = history_.add(state.task->kernel, proposal.text, measurement); !added) return added;
    ++trials_;
    ++state.report.trials;
    if (measurement.ok()) {
      state.search->record(proposal.text, measurement.median_ns);
      if (proposal.text == state.default_text) state.report.default_ns = measurement.median_ns;
      if (state.search->best_text() == proposal.text) {
        measurer_->set_incumbent(*compiled.object, measurement.median_ns);
        state.report.curve.push_back({state.report.trials, seconds_since(start_), measurement.median_ns});
      }
    } else {
      state.search->record(proposal.text, std::numeric_limits<double>::infinity());
      ++state.report.failures[std::string(cache::to_string(measurement.status))];
      log(LogLevel::info, "candidate of {} failed ({}): {}\n  {}", state.task->name,
          cache::to_string(measurement.status), measurement.message, proposal.text);
    }
    return {};
  }

  void train() {
    std::vector<TrainingRow> rows = past_;
    for (const TaskState& state : states_)
      if (state.search)
        for (TrainingRow& row : state.search->training_rows()) rows.push_back(std::move(row));
    if (!rows.empty()) model_->train(rows);
  }

  void finish_if_done(TaskState& state, bool dry) {
    const Strategy& search = *state.search;
    const bool used_up = state.report.trials + state.known >= options_.trials_per_task;
    // A result well beyond the limit says that the limit was taken on a busy machine: then it ends nothing.
    const double of_limit = search.best_ns() / state.report.limit_ns;
    const bool at_limit = of_limit <= close_to_limit && of_limit >= 1 / close_to_limit;
    const bool hopeless = search.stale_rounds() >= patience && search.expected_gain() < least_gain;
    state.finished = used_up || at_limit || hopeless || dry;
  }

  void show(const TaskState& state) const {
    if (!options_.on_progress) return;
    Progress progress;
    progress.tasks = states_.size();
    progress.task = state.task->name;
    progress.trials = trials_;
    progress.seconds = seconds_since(start_);
    progress.budget_seconds = options_.budget_seconds;
    double expected = 0;
    for (const TaskState& s : states_) {
      if (!s.search || !std::isfinite(s.search->best_ns())) continue;
      progress.best_total_ns += s.weight * s.search->best_ns();
      progress.default_total_ns +=
          s.weight * (s.report.default_ns > 0 ? s.report.default_ns : s.search->best_ns());
      if (!s.finished) expected += s.weight * s.gain_ns();
    }
    if (progress.best_total_ns > 0) progress.expected_gain = expected / progress.best_total_ns;
    options_.on_progress(progress);
  }

  SessionReport report() {
    SessionReport report;
    report.trials = trials_;
    report.seconds = seconds_since(start_);
    report.stopped = stopped();
    report.worker_starts = measurer_->worker_starts();
    for (TaskState& state : states_) {
      if (state.search && std::isfinite(state.search->best_ns())) {
        state.report.best_ns = state.search->best_ns();
        state.report.best_schedule = state.search->best_text();
        if (state.report.default_ns == 0) state.report.default_ns = state.report.best_ns;
      }
      report.tasks.push_back(std::move(state.report));
    }
    return report;
  }

  const Environment& environment_;
  const SessionOptions& options_;
  History history_;
  std::shared_ptr<CostModel> model_;
  std::vector<TrainingRow> past_;  // of the database, when the session began
  std::unique_ptr<Measurer> measurer_;
  std::vector<TaskState> states_;
  TaskState* current_ = nullptr;
  std::int64_t trials_ = 0;
  Clock::time_point start_ = Clock::now();
};

}  // namespace

Expected<SessionReport, Error> tune(std::span<const Task> tasks, const Environment& environment,
                                    const SessionOptions& options) {
  return Session(tasks, environment, options).run();
}

}  // namespace tunesmith::tuner
