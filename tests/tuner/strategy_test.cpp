// The strategies against a machine with known costs: deterministic, never repeat, get better.
#include "tuner/strategy.h"

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

/// As make_strategy, but for a population that tests can wait for.
std::unique_ptr<Strategy> make_small(std::string_view name, schedules::Space space, std::uint64_t seed,
                                     std::shared_ptr<const CostModel> model) {
  return name == "evolution" ? make_evolution_strategy(std::move(space), seed, std::move(model), 40)
                             : make_strategy(name, std::move(space), seed, std::move(model));
}

struct Run {
  std::vector<std::string> order;
  double best_ns = 0;
};

/// `rounds` batches of 8 behind the default schedule.
Run run(std::string_view strategy, std::uint64_t seed, int rounds, std::string_view cost_model = "xgboost") {
  const std::shared_ptr<CostModel> model = make_cost_model(cost_model, seed);
  const auto search = make_small(strategy, space_of(96, 80, 64), seed, model);
  Run result;
  auto measure = [&](const Proposal& proposal) {
    result.order.push_back(proposal.text);
    search->record(proposal.text, fake_time(proposal));
  };
  if (const auto first = search->propose_default()) measure(*first);
  for (int round = 0; round < rounds; ++round) {
    for (const Proposal& proposal : search->propose(8)) measure(proposal);
    model->train(search->training_rows());
  }
  result.best_ns = search->best_ns();
  return result;
}

class EachStrategy : public ::testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Strategies, EachStrategy, ::testing::ValuesIn(strategy_names()),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(EachStrategy, OneSeedProposesTheSameInTheSameOrder) {
  EXPECT_EQ(run(GetParam(), 3, 4).order, run(GetParam(), 3, 4).order);
}

TEST_P(EachStrategy, SeedsProposeDifferently) { EXPECT_NE(run(GetParam(), 3, 4).order, run(GetParam(), 4, 4).order); }

TEST_P(EachStrategy, NeverProposesTwice) {
  const std::vector<std::string> order = run(GetParam(), 1, 6).order;
  EXPECT_EQ(std::set<std::string>(order.begin(), order.end()).size(), order.size());
  EXPECT_GE(order.size(), 24u);
}

TEST_P(EachStrategy, MoreTrialsAreNeverWorse) {
  EXPECT_LE(run(GetParam(), 2, 6).best_ns, run(GetParam(), 2, 1).best_ns);
}

TEST_P(EachStrategy, ASmallSpaceRunsDry) {
  const auto search = make_small(GetParam(), space_of(1, 1, 1), 1, make_cost_model("analytic", 1));
  std::size_t proposed = 0;
  for (int round = 0; round < 200; ++round) {
    const auto batch = search->propose(8);
    for (const Proposal& proposal : batch) search->record(proposal.text, fake_time(proposal));
    if (batch.empty()) return;
    proposed += batch.size();
  }
  FAIL() << proposed << " proposals";
}

TEST_P(EachStrategy, WhatIsKnownIsNotProposedAgain) {
  const std::vector<std::string> first = run(GetParam(), 4, 1).order;
  const auto search = make_small(GetParam(), space_of(96, 80, 64), 4, make_cost_model("analytic", 4));
  for (const std::string& text : first) search->record(text, 1000);
  EXPECT_EQ(search->best_ns(), 1000);
  EXPECT_FALSE(search->propose_default());
  for (const Proposal& proposal : search->propose(8))
    EXPECT_EQ(std::ranges::count(first, proposal.text), 0) << proposal.text;
}

TEST_P(EachStrategy, FailuresAreRememberedAndNeverBest) {
  const auto search = make_small(GetParam(), space_of(96, 80, 64), 4, make_cost_model("analytic", 4));
  const auto batch = search->propose(2);
  ASSERT_EQ(batch.size(), 2u);
  search->record(batch[0].text, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isinf(search->best_ns()));
  search->record(batch[1].text, 500);
  EXPECT_EQ(search->best_text(), batch[1].text);
  const std::vector<TrainingRow> rows = search->training_rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].ns, 500);
  EXPECT_TRUE(std::isinf(rows[1].ns));
}

TEST_P(EachStrategy, SeedsComeFirst) {
  const auto model = std::shared_ptr<CostModel>(make_cost_model("analytic", 1));
  const auto donor = make_strategy("guided", space_of(96, 80, 64), 1, model);
  const auto batch = donor->propose(4);
  ASSERT_GE(batch.size(), 3u);
  const auto search = make_small(GetParam(), space_of(96, 80, 64), 2, model);
  search->add_seed(batch[2].schedule);
  const auto proposals = search->propose(2);
  ASSERT_EQ(proposals.size(), 2u);
  EXPECT_EQ(proposals[0].text, batch[2].text);
}

TEST(GuidedStrategy, PassesOverWhatTheModelTakesForHopeless) {
  const schedules::Space space = space_of(96, 80, 64);
  const auto search = make_strategy("guided", space_of(96, 80, 64), 9, make_cost_model("analytic", 9));
  search->add_seed({});  // no step at all: scalar
  double default_ns = 0;
  for (const Proposal& proposal : search->propose(12)) {
    if (default_ns == 0) default_ns = proposal.cost.time_ns;
    EXPECT_FALSE(proposal.text.empty());
    EXPECT_LE(proposal.cost.time_ns, 3 * default_ns) << proposal.text;
  }
}

TEST(GuidedStrategy, BeginsWithTheDefault) {
  const schedules::Space space = space_of(96, 80, 64);
  const auto search = make_strategy("guided", space_of(96, 80, 64), 9, make_cost_model("xgboost", 9));
  EXPECT_EQ(search->propose(1).at(0).text, schedules::print_schedule(space.to_schedule(space.default_candidate())));
}

/// A machine on which candidates with many live registers crash.
TEST(GuidedStrategy, LearnsWhatFails) {
  const std::shared_ptr<CostModel> model = make_cost_model("xgboost", 1);
  const auto search = make_strategy("guided", space_of(96, 80, 64), 1, model);
  constexpr int rounds = 16;
  int early = 0, late = 0;
  for (int round = 0; round < rounds; ++round) {
    for (const Proposal& proposal : search->propose(8)) {
      const bool fails = proposal.cost.live_registers > 12;
      search->record(proposal.text, fails ? std::numeric_limits<double>::infinity() : fake_time(proposal));
      (round < rounds / 2 ? early : late) += fails;
    }
    model->train(search->training_rows());
  }
  EXPECT_GE(early, 8) << "else nothing can be learned";
  EXPECT_LE(late, early / 3);
}

/// Looks at one candidate only, and says what it knows.
class OneCandidate final : public Strategy {
 public:
  using Strategy::Strategy;
  std::vector<schedules::Candidate> best() const { return best_candidates(8); }
  std::size_t known_again() const { return recognised(); }

 protected:
  void fill(std::size_t, std::vector<Proposal>& out) override {
    if (auto entry = make_entry(space().default_candidate())) take(std::move(*entry), out);
  }
};

TEST(Strategies, RecogniseWhatEarlierSessionsMeasured) {
  const schedules::Space space = space_of(96, 80, 64);
  OneCandidate search(space_of(96, 80, 64), 1, make_cost_model("analytic", 1));
  search.record(schedules::print_schedule(space.to_schedule(space.default_candidate())), 1000);
  EXPECT_TRUE(search.best().empty()) << "a text is no candidate yet";
  EXPECT_TRUE(search.propose(1).empty());
  ASSERT_EQ(search.best().size(), 1u);
  EXPECT_EQ(search.best()[0], space.default_candidate());
  EXPECT_TRUE(search.propose(1).empty());
  EXPECT_EQ(search.known_again(), 1u) << "once";
}

TEST(GuidedStrategy, BeatsRandomOnes) {
  double guided = 1, random = 1;
  for (std::uint64_t seed : {1, 2, 3, 4, 5}) {
    guided *= run("guided", seed, 4).best_ns;
    random *= run("random", seed, 4).best_ns;
  }
  EXPECT_LT(guided, random);
}

TEST(Strategies, RunWithEveryCostModel) {
  for (std::string_view model : cost_model_names()) EXPECT_GE(run("guided", 1, 4, model).order.size(), 24u) << model;
}

}  // namespace
}  // namespace tunesmith::tuner
