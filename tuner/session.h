// Session: tunes the kernels of a model within a budget. Every candidate is verified against the reference
// before its time counts; every result, failures included, is stored at once, so that an interrupted session
// loses nothing and a resumed one repeats nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/kernel.h"
#include "tuner/environment.h"
#include "tuner/limits.h"
#include "tuner/measurement.h"
#include "tuner/measurer.h"
#include "tuner/strategy.h"

namespace tunesmith::tuner {

struct Task {
  std::string name;
  ir::Kernel kernel;    // canonical
  double weight = 1.0;  // how often the model runs it
};

/// What the progress display shows; given after every measured batch and at every change of task.
struct Progress {
  std::size_t tasks = 0;
  std::string task;             // that was just worked on
  std::int64_t trials = 0;      // measured so far, all tasks
  double seconds = 0;           // since the start
  double budget_seconds = 0;    // 0: no time budget
  double best_total_ns = 0;     // sum of weight * best over the tasks
  double default_total_ns = 0;  // the same for the defaults
  double expected_gain = 0;     // remaining, as a fraction of best_total_ns
};

struct SessionOptions {
  std::int64_t trials_per_task = 64;  // at most
  double budget_seconds = 0;          // 0: unlimited
  std::uint64_t seed = 1;
  std::string strategy{strategy_names().front()};
  std::string cost_model{cost_model_names().front()};
  std::string source = "tune";  // who measures, for the records
  std::string worker_path;      // empty: the worker installed beside the running program
  MeasureOptions measure;
  std::optional<Limits> limits;  // of the machine, where they are known already; else they are measured first
  std::function<void(const Progress&)> on_progress;
  const std::atomic<bool>* stop =
      nullptr;  // set by a signal handler: finish the running measurement and return
};

struct CurvePoint {
  std::int64_t trial = 0;
  double seconds = 0;
  double best_ns = 0;
};

struct TaskReport {
  std::string name;
  std::string workload;  // hex key
  double weight = 1.0;
  std::int64_t trials = 0;  // measured in this session
  double seconds = 0;
  double best_ns = 0;
  double default_ns = 0;  // best_ns where the default schedule gave no time
  double limit_ns = 0;    // max(flops / peak, bytes / bandwidth)
  std::string best_schedule;
  std::map<std::string, std::int64_t> failures;  // class -> count
  std::vector<CurvePoint> curve;
  std::string error;  // why the kernel could not be measured at all; empty: it could
};

struct SessionReport {
  std::vector<TaskReport> tasks;
  std::int64_t trials = 0;
  double seconds = 0;
  bool stopped = false;            // by `stop`
  std::int64_t worker_starts = 0;  // processes: one a kernel, and one after each crash or hang
};

/// Duplicate kernels among the tasks are tuned once, with their weights added. A kernel that cannot be
/// measured is passed over (TaskReport::error); the result is an error when that happens to all of them, when
/// no worker can be had, or when the database takes no more.
Expected<SessionReport, Error> tune(std::span<const Task> tasks, const Environment& environment,
                                    const SessionOptions& options);

}  // namespace tunesmith::tuner
