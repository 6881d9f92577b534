// Races on a machine whose times are known: noise, drift, steps of the clock, busy neighbours and outliers are injected,
// and the rate of wrong decisions is asserted.
#include "tuner/race.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "ir/support/env.h"
#include "ir/support/rng.h"
#include "tuner/statistics.h"

namespace tunesmith::tuner {
namespace {

/// A shared machine: what a program takes, seen through everything that disturbs it.
class FakeMachine {
 public:
  struct Faults {
    double noise = 0.02;         // standard deviation of the logarithm of a sample
    double outliers = 0.1;       // share of the samples that are 1.2 to 3 times as long
    double drift = 0.002;        // of the clock, a sample
    double step_chance = 0.02;   // that the clock jumps by up to a fifth
  };
  FakeMachine(std::uint64_t seed, const Faults& faults) : rng_(seed), faults_(faults) {}

  double run(double true_ns) {
    clock_ *= 1 + faults_.drift;
    if (rng_.unit() < faults_.step_chance) clock_ *= 0.8 + 0.4 * rng_.unit();
    double ns = true_ns * clock_ * std::exp(faults_.noise * normal());
    if (rng_.unit() < faults_.outliers) ns *= 1.2 + 1.8 * rng_.unit();
    return ns;
  }

 private:
  double normal() {
    return std::sqrt(-2 * std::log(1 - rng_.unit())) * std::cos(2 * std::numbers::pi * rng_.unit());
  }
  Rng rng_;
  Faults faults_;
  double clock_ = 1;
};

/// As the worker runs it: pairs in turns of order, looked at a few times.
RaceResult race(FakeMachine& machine, double incumbent_ns, double candidate_ns) {
  Race pairs;
  while (pairs.wanted() > 0) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < pairs.wanted(); ++i) {
      const bool incumbent_first = ratios.size() % 2 == 0;
      const double first = machine.run(incumbent_first ? incumbent_ns : candidate_ns);
      const double second = machine.run(incumbent_first ? candidate_ns : incumbent_ns);
      ratios.push_back(incumbent_first ? std::log(second / first) : std::log(first / second));
    }
    pairs.add(ratios);
  }
  return pairs.result();
}

std::uint64_t seed_of_run() { return std::stoull(env_value("TUNESMITH_SEED").value_or("7")); }

/// Share of `races` with each verdict.
struct Shares {
  double faster = 0, slower = 0;
};
Shares shares(double ratio, const FakeMachine::Faults& faults, int races = 1000) {
  Shares result;
  for (int i = 0; i < races; ++i) {
    FakeMachine machine(seed_of_run() * 100003 + static_cast<std::uint64_t>(i), faults);
    const Verdict verdict = race(machine, 100, 100 * ratio).verdict;
    result.faster += verdict == Verdict::faster ? 1.0 / races : 0;
    result.slower += verdict == Verdict::slower ? 1.0 / races : 0;
  }
  return result;
}

TEST(Race, KnowsWhatFewPairsCannotSay) {
  EXPECT_EQ(judge_race({}).verdict, Verdict::open);
  const std::vector<double> five(5, -0.5);
  EXPECT_EQ(judge_race(five).verdict, Verdict::open);
  const std::vector<double> six(6, -0.5);
  EXPECT_EQ(judge_race(six).verdict, Verdict::faster);
  EXPECT_DOUBLE_EQ(judge_race(six).log_ratio, -0.5);
}

TEST(Race, IntervalsAreThoseOfTheTables) {
  // Ranks of the 95 % interval of a median, e.g. Conover's: 2 of 10, 6 of 20, 10 of 30.
  for (const auto& [n, rank] : {std::pair<int, int>{10, 2}, {20, 6}, {30, 10}}) {
    std::vector<double> values;
    for (int i = 1; i <= n; ++i) values.push_back(i);
    EXPECT_EQ(judge_race(values).low, rank) << n;
    EXPECT_EQ(judge_race(values).high, n + 1 - rank) << n;
  }
}

TEST(Race, TheWrongOneSeldomWins) {
  SCOPED_TRACE(testing::Message() << "TUNESMITH_SEED=" << seed_of_run());
  for (const FakeMachine::Faults& faults :
       {FakeMachine::Faults{}, FakeMachine::Faults{.noise = 0.05}, FakeMachine::Faults{.outliers = 0.3},
        FakeMachine::Faults{.drift = 0.02}, FakeMachine::Faults{.step_chance = 0.2}}) {
    SCOPED_TRACE(testing::Message() << faults.noise << " " << faults.outliers << " " << faults.drift << " "
                                    << faults.step_chance);
    EXPECT_LE(shares(1.03, faults).faster, 0.02);
    EXPECT_LE(shares(0.97, faults).slower, 0.02);
    EXPECT_LE(shares(1.10, faults).faster, 0.001);
  }
}

TEST(Race, TheBetterOneIsSeen) {
  SCOPED_TRACE(testing::Message() << "TUNESMITH_SEED=" << seed_of_run());
  EXPECT_GE(shares(0.95, {}).faster, 0.95);
  EXPECT_GE(shares(1.05, {}).slower, 0.95);
  EXPECT_GE(shares(0.8, {.noise = 0.05, .outliers = 0.2}).faster, 0.98);
}

TEST(Race, EqualOnesAreMostlyTies) {
  const Shares equal = shares(1, {});
  EXPECT_LE(equal.faster + equal.slower, 0.15);
}

TEST(Race, TheWinnerIsTimedByPairsThatDidNotChooseIt) {
  Race pairs;
  EXPECT_EQ(pairs.wanted(), 6U);
  pairs.add(std::vector<double>(6, -0.5));
  EXPECT_EQ(pairs.wanted(), 6U) << "once more";
  pairs.add(std::vector<double>(6, -0.1));
  EXPECT_EQ(pairs.wanted(), 0U);
  EXPECT_EQ(pairs.result().verdict, Verdict::faster);
  EXPECT_DOUBLE_EQ(pairs.result().log_ratio, -0.1);
}

TEST(Race, WhoWinsByLuckAloneIsNotTheWinner) {
  Race pairs;
  pairs.add(std::vector<double>(6, -0.5));
  pairs.add(std::vector<double>(6, 0.1));
  EXPECT_EQ(pairs.wanted(), 0U);
  EXPECT_EQ(pairs.result().verdict, Verdict::slower);
  EXPECT_DOUBLE_EQ(pairs.result().log_ratio, 0.1);
}

TEST(Race, EndsWhereThereIsNoTime) {
  Race first_look;
  first_look.add(std::vector<double>(4, -0.5));
  EXPECT_EQ(first_look.wanted(), 0U);
  EXPECT_EQ(first_look.result().verdict, Verdict::open);
  Race second_turn;
  second_turn.add(std::vector<double>(6, -0.5));
  second_turn.add({});
  EXPECT_EQ(second_turn.wanted(), 0U);
  EXPECT_DOUBLE_EQ(second_turn.result().log_ratio, -0.5);
}

/// The time of the winner of many races is a product of their ratios.
TEST(Race, ALongRowOfWinnersIsNotTimedTooWell) {
  SCOPED_TRACE(testing::Message() << "TUNESMITH_SEED=" << seed_of_run());
  std::vector<double> errors;
  for (int session = 0; session < 100; ++session) {
    FakeMachine machine(seed_of_run() * 6007 + static_cast<std::uint64_t>(session), {});
    Rng rng(seed_of_run() * 6011 + static_cast<std::uint64_t>(session));
    double best = 100, said = 100;
    for (int c = 0; c < 300; ++c) {  // most are as good as the best, some a little better or worse
      const double candidate = best * (rng.unit() < 0.1 ? 0.99 + 0.02 * rng.unit() : 1);
      const RaceResult result = race(machine, best, candidate);
      if (result.verdict != Verdict::faster) continue;
      said *= std::exp(result.log_ratio);
      best = candidate;
    }
    errors.push_back(std::log(said / best));
  }
  EXPECT_LE(std::abs(median(errors)), 0.06) << "a third, if the pairs that told the winner also timed it";
}

/// Two tunings of one workload: the same candidates in the same order, each raced against the best so far.
TEST(Race, TwoTuningsAgreeInsideTheNoise) {
  SCOPED_TRACE(testing::Message() << "TUNESMITH_SEED=" << seed_of_run());
  constexpr int workloads = 300, candidates = 24;
  int agree = 0;
  double furthest = 0;
  std::vector<double> losses;
  for (int w = 0; w < workloads; ++w) {
    Rng rng(seed_of_run() * 7919 + static_cast<std::uint64_t>(w));
    std::vector<double> times;
    for (int c = 0; c < candidates; ++c) times.push_back(100 * std::exp(0.3 * rng.unit()));
    double chosen[2];
    for (std::uint64_t tuning : {0, 1}) {
      FakeMachine machine(rng.next(), {});
      double best = times[0];
      std::size_t at = 0;
      for (std::size_t c = 1; c < times.size(); ++c) {
        const Verdict verdict = race(machine, best, times[c]).verdict;
        // Ties by the text of the schedule; here: by number.
        if (verdict == Verdict::faster || (verdict != Verdict::slower && c < at)) best = times[c], at = c;
      }
      chosen[tuning] = best;
      losses.push_back(best / *std::ranges::min_element(times) - 1);
    }
    // 1 % is what a race calls a tie; a decision is sure of no less than the width of its interval.
    agree += std::abs(std::log(chosen[0] / chosen[1])) <= 0.02 ? 1 : 0;
    furthest = std::max(furthest, std::abs(std::log(chosen[0] / chosen[1])));
  }
  EXPECT_GE(agree, 0.95 * workloads);
  EXPECT_LE(furthest, 0.06);
  EXPECT_LE(median(losses), 0.01) << "and what they choose is near the best";
}

}  // namespace
}  // namespace tunesmith::tuner
