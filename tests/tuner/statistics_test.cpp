#include "tuner/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "ir/support/env.h"
#include "ir/support/rng.h"

namespace tunesmith::tuner {
namespace {

TEST(Statistics, MedianAndSpread) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
  EXPECT_EQ(median({7}), 7);
  EXPECT_EQ(median_absolute_deviation({1, 2, 3, 100}), 1);
  EXPECT_EQ(median_absolute_deviation({5, 5, 5}), 0);
}

TEST(Statistics, OneOutlierMovesNothing) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(median({10, 11, 12, 13, infinity}), 12);
  EXPECT_EQ(median_absolute_deviation({10, 11, 12, 13, 1e9}), 1);
}

TEST(Statistics, RankCorrelationSeesOrderOnly) {
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3, 4}, {10, 100, 1000, 1001}), 1);
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3, 4}, {4, 3, 2, 1}), -1);
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3}, {5, 5, 5}), 0);
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3, 4, 5}, {2, 1, 4, 3, 5}), 0.8);
  EXPECT_NEAR(rank_correlation({1, 2, 3}, {1, 2, 2}), 0.8660, 1e-4);
  EXPECT_DOUBLE_EQ(rank_correlation({}, {}), 0);
}

TEST(Statistics, AgreeWithSorting) {
  const std::uint64_t seed = std::stoull(env_value("TUNESMITH_SEED").value_or("4"));
  SCOPED_TRACE(testing::Message() << "TUNESMITH_SEED=" << seed);
  Rng rng(seed);
  for (int round = 0; round < 100; ++round) {
    std::vector<double> values;
    for (std::int64_t i = rng.between(1, 40); i > 0; --i)
      values.push_back(static_cast<double>(rng.below(20)));
    std::vector<double> sorted = values;
    std::ranges::sort(sorted);
    const std::size_t n = sorted.size();
    EXPECT_EQ(median(values), (sorted[(n - 1) / 2] + sorted[n / 2]) / 2);
  }
}

TEST(StatisticsDeathTest, NothingHasNoMedian) { EXPECT_DEATH((void)median({}), "median of nothing"); }

}  // namespace
}  // namespace tunesmith::tuner
