// Whole tuning sessions: candidates that do everything wrong, workers that are killed, sessions that are
// stopped and gone on with.
#include <gmock/gmock.h>

#include <atomic>

#include "schedules/apply.h"
#include "tests/tuner/faulty_backend.h"
#include "tests/tuner/session_testing.h"

namespace tunesmith::tuner {
namespace {

using testing::Fault;
using testing::FaultyBackend;
using ::testing::HasSubstr;

std::vector<Fault> all_faults() {
  std::vector<Fault> faults;
  for (int i = 0; i < testing::fault_count; ++i) faults.push_back(static_cast<Fault>(i));
  return faults;
}

std::map<std::string, std::int64_t> expected_failures(const std::vector<Fault>& faults) {
  std::map<std::string, std::int64_t> counts;
  for (const Fault fault : faults) ++counts[std::string(cache::to_string(expected_status(fault)))];
  return counts;
}

class Session : public testing::SessionTest {};

TEST_F(Session, BadCandidatesCostThemselvesOnly) {
  Environment environment = open_environment();
  const auto backend = std::make_shared<FaultyBackend>(environment.backend, all_faults());
  environment.backend = backend;
  const auto report = tune(tasks(), environment, quick_options(32));
  ASSERT_TRUE(report) << report.error().message;

  ASSERT_EQ(backend->faults_compiled(), expected_failures(all_faults())) << "each fault once";
  const TaskReport& task = report->tasks.at(0);
  EXPECT_EQ(task.error, "");
  EXPECT_EQ(task.failures, expected_failures(all_faults()));
  EXPECT_EQ(task.trials, report->trials);
  // One worker at first, one after each that died or was ended.
  EXPECT_EQ(report->worker_starts, 1 + task.failures.at("crash") + task.failures.at("timeout"));

  const std::vector<cache::Record> stored = records(environment);
  EXPECT_EQ(static_cast<std::int64_t>(stored.size()), report->trials);
  EXPECT_EQ(failures_of(stored), task.failures);
  for (const cache::Record& record : stored) {
    if (record.status == cache::Status::ok) continue;
    EXPECT_NE(record.message, "") << cache::to_string(record.status);
    EXPECT_EQ(record.median_ns, 0);
  }

  ASSERT_GT(task.best_ns, 0);
  const auto schedule = schedules::parse_schedule(task.best_schedule);
  ASSERT_TRUE(schedule);
  const auto nest = schedules::apply(kernel_, *schedule);
  ASSERT_TRUE(nest);
  EXPECT_FALSE(backend->is_faulty(*nest)) << task.best_schedule;
}

TEST_F(Session, LaterSessionsLeaveKnownKillersAlone) {
  Environment environment = open_environment();
  const auto backend = std::make_shared<FaultyBackend>(environment.backend, all_faults());
  environment.backend = backend;
  ASSERT_TRUE(tune(tasks(), environment, quick_options(24)));
  const auto compiled_before = backend->faults_compiled();
  const auto known = schedules_of(records(environment));

  Environment again = open_environment();
  again.backend = backend;
  SessionOptions options = quick_options(24 + 8);
  options.seed = 2;  // proposes in another order
  const auto report = tune(tasks(), again, options);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GT(report->trials, 0);
  EXPECT_EQ(backend->faults_compiled(), compiled_before);
  EXPECT_TRUE(report->tasks[0].failures.empty());
  EXPECT_EQ(schedules_of(records(again)).size(), known.size() + static_cast<std::size_t>(report->trials));
}

TEST_F(Session, AResumedSessionRepeatsNothing) {
  std::set<std::string> first;
  double best_ns = 0;
  {
    const Environment environment = open_environment();
    const auto report = tune(tasks(), environment, quick_options(12));
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->trials, 12);
    best_ns = report->tasks[0].best_ns;
    first = schedules_of(records(environment));
    EXPECT_EQ(first.size(), 12u);
  }
  const Environment environment = open_environment();
  const auto report = tune(tasks(), environment, quick_options(20));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->trials, 8) << "trials of earlier sessions count";
  EXPECT_LE(report->tasks[0].best_ns, best_ns);
  EXPECT_GT(report->tasks[0].default_ns, 0) << "measured by the first session";
  EXPECT_EQ(records(environment).size(), 20u);
  EXPECT_EQ(schedules_of(records(environment)).size(), 20u);

  const auto nothing = tune(tasks(), environment, quick_options(20));
  ASSERT_TRUE(nothing) << nothing.error().message;
  EXPECT_EQ(nothing->trials, 0);
  EXPECT_EQ(nothing->tasks[0].best_ns, report->tasks[0].best_ns);
  EXPECT_EQ(nothing->tasks[0].best_schedule, report->tasks[0].best_schedule);
}

TEST_F(Session, StoppingKeepsEverything) {
  std::atomic<bool> stop{false};
  std::int64_t shown = 0;
  {
    const Environment environment = open_environment();
    SessionOptions options = quick_options(64);
    options.stop = &stop;
    options.on_progress = [&](const Progress& progress) {
      shown = progress.trials;
      stop = true;  // as by Ctrl-C, after the first batch
    };
    const auto report = tune(tasks(), environment, options);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->stopped);
    EXPECT_EQ(report->trials, shown);
    EXPECT_LT(report->trials, 64);
    EXPECT_GT(report->tasks[0].best_ns, 0);
  }
  const Environment environment = open_environment();
  EXPECT_EQ(static_cast<std::int64_t>(records(environment).size()), shown);
  EXPECT_FALSE(std::filesystem::exists(database() + "-journal"));
}

TEST_F(Session, OneSeedProposesTheSame) {
  std::vector<std::set<std::string>> proposed;
  for (const char* name : {"a.db", "b.db"}) {
    auto store = cache::open_sqlite(folder_.file(name), cache::OpenMode::read_write);
    ASSERT_TRUE(store) << store.error().message;
    Environment environment = open_environment();
    environment.store = std::move(*store);
    ASSERT_TRUE(tune(tasks(), environment, quick_options(8)));
    proposed.push_back(schedules_of(records(environment)));
  }
  EXPECT_EQ(proposed[0], proposed[1]);
}

TEST_F(Session, AKernelThatIsTooLargeIsPassedOver) {
  const Environment environment = open_environment();
  const std::vector<Task> both = {{"large", matmul_kernel(512, 512, 64), 1.0}, {"small", kernel_, 1.0}};
  SessionOptions options = quick_options(8);
  options.measure.memory_bytes = 1 << 20;
  const auto report = tune(both, environment, options);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->tasks[0].error, HasSubstr("bytes"));
  EXPECT_EQ(report->tasks[0].trials, 0);
  EXPECT_EQ(report->tasks[1].error, "");
  EXPECT_GT(report->tasks[1].best_ns, 0);

  options.measure.memory_bytes = 100;
  options.trials_per_task = 16;
  const auto none = tune(both, environment, options);
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("kernel large"));
}

TEST_F(Session, EqualKernelsAreTunedOnce) {
  const Environment environment = open_environment();
  const std::vector<Task> twice = {{"first", kernel_, 2.0}, {"second", kernel_, 3.0}};
  const auto report = tune(twice, environment, quick_options(8));
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->tasks.size(), 1u);
  EXPECT_EQ(report->tasks[0].weight, 5.0);
  EXPECT_EQ(report->trials, 8);
}

TEST_F(Session, ATimeBudgetEndsTheSession) {
  const Environment environment = open_environment();
  SessionOptions options = quick_options(1000000);
  options.budget_seconds = 0.5;
  const auto report = tune(tasks(), environment, options);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->stopped);
  EXPECT_LT(report->seconds, 10);
  EXPECT_EQ(static_cast<std::int64_t>(records(environment).size()), report->trials);
}

}  // namespace
}  // namespace tunesmith::tuner
