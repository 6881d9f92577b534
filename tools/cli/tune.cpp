// tunesmith tune: searches schedules for the kernels of models and operators within a budget.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "ir/canonical.h"
#include "tools/cli/commands.h"
#include "tools/cli/common.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/progress.h"
#include "tuner/session.h"

namespace tunesmith::tools {
namespace {

struct TuneOptions {
  CommonOptions common;
  std::string budget;
  std::int64_t trials = 64;
  std::uint64_t seed = 1;
  std::string strategy{tuner::strategy_names().front()};
  std::string cost_model{tuner::cost_model_names().front()};
};

std::vector<tuner::Task> tasks_of(const TuneOptions& options) {
  std::vector<tuner::Task> tasks;
  for (const std::string& text : workload_texts(options.common))
    for (tracer::ProgramStep& step : program_of(load_workload(text, options.common), options.common).steps)
      if (!step.is_host) tasks.push_back({step.name, std::move(step.kernel), 1.0});
  return tasks;
}

Json to_json(const tuner::SessionReport& report) {
  Json tasks = Json::array();
  for (const tuner::TaskReport& task : report.tasks) {
    Json curve = Json::array();
    for (const tuner::CurvePoint& point : task.curve)
      curve.push_back({point.trial, point.seconds, point.best_ns});
    tasks.push_back({{"workload", task.workload},
                     {"name", task.name},
                     {"weight", task.weight},
                     {"trials", task.trials},
                     {"seconds", task.seconds},
                     {"best_ns", task.best_ns},
                     {"default_ns", task.default_ns},
                     {"limit_ns", task.limit_ns},
                     {"schedule", task.best_schedule},
                     {"failures", task.failures},
                     {"error", task.error.empty() ? Json() : Json(task.error)},
                     {"curve", std::move(curve)}});
  }
  return {{"schema", 1},
          {"trials", report.trials},
          {"seconds", report.seconds},
          {"stopped", report.stopped},
          {"tasks", std::move(tasks)}};
}

void print_report(const tuner::SessionReport& report, const std::string& db) {
  if (report.tasks.empty()) {
    fmt::print("nothing to tune: there are no kernels to choose schedules for\n");
    return;
  }
  double best = 0, fallback = 0;
  fmt::print("{:>10} {:>10} {:>7} {:>7} {:>7}  {}\n", "default", "best", "speed", "limit", "trials", "task");
  for (const tuner::TaskReport& task : report.tasks) {
    best += task.weight * task.best_ns;
    fallback += task.weight * task.default_ns;
    fmt::print("{:>10} {:>10} {:>6.2f}x {:>6.0f}% {:>7}  {}{}\n", format_time(task.default_ns),
               format_time(task.best_ns), task.best_ns > 0 ? task.default_ns / task.best_ns : 0,
               task.best_ns > 0 ? 100 * task.limit_ns / task.best_ns : 0, task.trials, task.name,
               task.weight > 1 ? fmt::format(" (x{:.0f})", task.weight) : "");
    if (!task.error.empty()) fmt::print("{:>48} cannot be measured: {}\n", "", task.error);
  }
  fmt::print("{} trials in {:.1f} s: {} -> {} ({:.2f}x), kept in {}\n", report.trials, report.seconds,
             format_time(fallback), format_time(best), best > 0 ? fallback / best : 0, db);
}

int run_tune(const TuneOptions& options) {
  tuner::SessionOptions session;
  session.trials_per_task = options.trials;
  if (!options.budget.empty()) session.budget_seconds = parse_duration("--budget", options.budget);
  session.seed = options.seed;
  session.strategy = options.strategy;
  session.cost_model = options.cost_model;

  const std::vector<tuner::Task> tasks = tasks_of(options);
  const tuner::Environment environment = open_environment(options.common, DatabaseUse::write);
  session.stop = &catch_interrupts();
  ProgressDisplay display;
  session.on_progress = [&](const tuner::Progress& progress) { display.update(progress); };
  auto outcome = tuner::tune(tasks, environment, session);
  display.finish();
  const tuner::SessionReport report = value_or_throw(std::move(outcome));
  if (report.stopped)
    fmt::print(stderr, "Stopped; everything measured is kept. Give the same command again to go on.\n");
  if (!options.common.json.empty()) write_json(to_json(report), options.common);
  if (options.common.json != "-") print_report(report, database_path(options.common));
  return exit_ok;
}

std::vector<std::string> strings(const std::vector<std::string_view>& names) { return {names.begin(), names.end()}; }

}  // namespace

void add_tune_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<TuneOptions>();
  CLI::App* command = app.add_subcommand(
      "tune", "search schedules and remember the best; resumes where an earlier session stopped");
  add_workload_options(*command, options->common);
  command
      ->add_option("--budget", options->budget,
                   "time to spend, e.g. 90s, 10m, 2h (default: until the trials are used)")
      ->type_name("TIME");
  command->add_option("--trials", options->trials, "measured candidates a kernel, at most")
      ->type_name("N")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command
      ->add_option("--seed", options->seed, "seed of the search; the same seed proposes the same candidates")
      ->type_name("S")
      ->check(check_whole_number)
      ->capture_default_str();
  command->add_option("--strategy", options->strategy, "what proposes candidates; others than the default are for comparison")
      ->check(CLI::IsMember(strings(tuner::strategy_names())))
      ->capture_default_str();
  command->add_option("--cost-model", options->cost_model, "what ranks candidates before they are measured")
      ->check(CLI::IsMember(strings(tuner::cost_model_names())))
      ->capture_default_str();
  add_environment_options(*command, options->common);
  add_model_options(*command, options->common);
  add_json_option(*command, options->common);
  command->callback([options, &action] { action = [options] { return run_tune(*options); }; });
}

}  // namespace tunesmith::tools
