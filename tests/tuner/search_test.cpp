// The search against a machine with known costs: deterministic, never repeats, gets better.
#include "tuner/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "schedules/apply.h"
#include "tests/tuner/test_kernels.h"

namespace tunesmith::tuner {
namespace {

/// A time that the analytic model does not know: its estimate, bent by a fixed function of the schedule.
double fake_time(const Proposal& proposal) {
  const double bend = static_cast<double>(hash64(proposal.text) % 1000) / 1000.0;
  return proposal.cost.time_ns * (1.0 + 0.5 * bend);
}

schedules::Space space_of(std::int64_t m, std::int64_t n, std::int64_t k) {
  return schedules::make_cpu_space(matmul_kernel(m, n, k), schedules::Machine{}, 1);
}

std::vector<std::string> run_search(std::uint64_t seed, int rounds, double* best = nullptr) {
  Search search(space_of(96, 80, 64), seed);
  auto model = make_xgboost_cost_model(seed);
  std::vector<std::string> order;
  for (int round = 0; round < rounds; ++round) {
    for (const Proposal& proposal : search.propose(8, *model)) {
      order.push_back(proposal.text);
      search.record(proposal.text, fake_time(proposal));
    }
    model->train(search.training_rows());
  }
  if (best != nullptr) *best = search.best_ns();
  return order;
}

TEST(Search, OneSeedProposesTheSameInTheSameOrder) { EXPECT_EQ(run_search(3, 4), run_search(3, 4)); }

TEST(Search, NeverProposesTwice) {
  const std::vector<std::string> order = run_search(1, 6);
  EXPECT_EQ(std::set<std::string>(order.begin(), order.end()).size(), order.size());
  EXPECT_GE(order.size(), 24u);
}

TEST(Search, TheDefaultComesFirst) {
  const schedules::Space space = space_of(96, 80, 64);
  EXPECT_EQ(run_search(9, 1).at(0), schedules::print_schedule(space.to_schedule(space.default_candidate())));
}

TEST(Search, MoreTrialsAreNeverWorse) {
  double few = 0, many = 0;
  run_search(2, 1, &few);
  run_search(2, 6, &many);
  EXPECT_LE(many, few);
}

TEST(Search, WhatIsKnownIsNotProposedAgain) {
  const std::vector<std::string> first = run_search(4, 1);
  Search search(space_of(96, 80, 64), 4);
  for (const std::string& text : first) search.record(text, 1000);
  EXPECT_EQ(search.best_ns(), 1000);
  for (const Proposal& proposal : search.propose(8, *make_analytic_cost_model()))
    EXPECT_EQ(std::ranges::count(first, proposal.text), 0) << proposal.text;
}

TEST(Search, FailuresAreRememberedAndNeverBest) {
  Search search(space_of(96, 80, 64), 4);
  auto model = make_analytic_cost_model();
  const auto batch = search.propose(2, *model);
  ASSERT_EQ(batch.size(), 2u);
  search.record(batch[0].text, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isinf(search.best_ns()));
  search.record(batch[1].text, 500);
  EXPECT_EQ(search.best_text(), batch[1].text);
  EXPECT_EQ(search.training_rows().size(), 1u);
}

TEST(Search, SeedsFollowTheDefault) {
  Search donor(space_of(96, 80, 64), 1);
  auto model = make_analytic_cost_model();
  const auto batch = donor.propose(4, *model);
  ASSERT_GE(batch.size(), 3u);
  Search search(space_of(96, 80, 64), 2);
  search.add_seed(batch[2].schedule);
  const auto proposals = search.propose(2, *model);
  ASSERT_EQ(proposals.size(), 2u);
  EXPECT_EQ(proposals[1].text, batch[2].text);
}

}  // namespace
}  // namespace tunesmith::tuner
