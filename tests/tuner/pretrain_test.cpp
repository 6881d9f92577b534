// What a cost model learns from a database: rows of the right records, weighted by how far they are to be believed.
#include "tuner/pretrain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "schedules/space.h"
#include "tests/tuner/session_testing.h"
#include "tuner/history.h"

namespace tunesmith::tuner {
namespace {

cache::Record timed(const std::string& target, const std::string& schedule, double ns) {
  cache::Record record;
  record.workload = "w";
  record.target = target;
  record.schedule = schedule;
  record.median_ns = ns;
  return record;
}

/// Ten schedules measured here, and on a machine `there` with the times of `order`.
std::vector<cache::Record> two_machines(const std::vector<double>& order) {
  std::vector<cache::Record> records;
  for (std::size_t i = 0; i < order.size(); ++i) {
    records.push_back(timed("here", std::to_string(i), 100.0 + static_cast<double>(i)));
    records.push_back(timed("there", std::to_string(i), order[i]));
  }
  return records;
}

TEST(RankAgreement, IsTheOrderInCommon) {
  EXPECT_DOUBLE_EQ(rank_agreement(two_machines({1, 2, 3, 4, 5, 6, 7, 8, 9}), "here").at("there"), 1);
  EXPECT_DOUBLE_EQ(rank_agreement(two_machines({9, 8, 7, 6, 5, 4, 3, 2, 1}), "here").at("there"), 0);
  const double some = rank_agreement(two_machines({2, 1, 4, 3, 6, 5, 8, 7, 9}), "here").at("there");
  EXPECT_GT(some, 0.5);
  EXPECT_LT(some, 1);
}

TEST(RankAgreement, IsUnknownWithoutEnoughInCommon) {
  EXPECT_DOUBLE_EQ(rank_agreement(two_machines({1, 2, 3}), "here").at("there"), unknown_agreement);
  EXPECT_TRUE(rank_agreement({}, "here").empty());
}

class PastRows : public testing::SessionTest {
 protected:
  PastRows() : environment_(open_environment(1)) {}

  /// `count` schedules of the kernel with times that rise.
  void measure(const Environment& environment, std::size_t count) {
    const auto strategy = make_strategy("random", schedules::make_cpu_space(kernel_, environment.machine(), 1), 1, model_);
    History history(environment);
    double ns = 1000;
    for (const Proposal& proposal : strategy->propose(count))
      ASSERT_TRUE(history.add(kernel_, proposal.text, {Status::ok, ns += 100, 1, 10, 0, ""}));
    ASSERT_TRUE(history.add(kernel_, "not a schedule", {Status::crash, 0, 0, 0, 0, "died"}));
  }

  std::shared_ptr<CostModel> model_ = make_cost_model("xgboost", 1);
  Environment environment_;
};

TEST_F(PastRows, AreWhatWasMeasuredAndWorked) {
  EXPECT_TRUE(past_rows(environment_, *model_).empty());
  measure(environment_, 5);
  const auto rows = past_rows(environment_, *model_);
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows.front().ns, 1500) << "the newest first";
  EXPECT_DOUBLE_EQ(rows.front().relative_speed, 1100.0 / 1500);
  EXPECT_LT(rows.front().weight, 1);
  for (const TrainingRow& row : rows) EXPECT_GT(row.sample.analytic_ns, 0);
  model_->train(rows);
  EXPECT_EQ(past_rows(environment_, *model_, 2).size(), 2u);
}

TEST_F(PastRows, OfFailuresAreOfThisCompilerOnly) {
  measure(environment_, 5);
  const cache::Record worked = records(environment_)[0];
  cache::Record failed = worked;
  failed.status = cache::Status::wrong;
  failed.median_ns = 0;
  failed.created_us += 1;
  ASSERT_TRUE(environment_.store->put(std::span(&failed, 1)));
  const auto rows = past_rows(environment_, *model_);
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(std::ranges::count_if(rows, [](const TrainingRow& row) { return std::isinf(row.ns); }), 1);
  failed.toolchain = "another compiler";
  ASSERT_TRUE(environment_.store->put(std::span(&failed, 1)));
  EXPECT_EQ(past_rows(environment_, *model_).size(), 6u);
}

TEST_F(PastRows, LeaveOutOtherThreadCounts) {
  measure(environment_, 3);
  Environment threads = environment_;
  threads.threads = 2;
  EXPECT_TRUE(past_rows(threads, *model_).empty());
}

TEST_F(PastRows, OfOtherMachinesCountLess) {
  measure(environment_, 3);
  std::vector<cache::Record> foreign = records(environment_);
  for (cache::Record& record : foreign) record.target = "another machine";
  foreign[0].schedule = "no schedule at all";
  ASSERT_TRUE(environment_.store->import_records(foreign));
  const auto rows = past_rows(environment_, *model_);
  ASSERT_EQ(rows.size(), 5u) << "what does not parse is left out";
  EXPECT_EQ(rows[3].weight, unknown_agreement * rows[0].weight);
}

TEST_F(PastRows, WithoutADatabaseThereAreNone) {
  environment_.store = nullptr;
  EXPECT_TRUE(past_rows(environment_, *model_).empty());
}

}  // namespace
}  // namespace tunesmith::tuner
