// A contest: one strategy searches one kernel against a truth table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/search_quality/truth_table.h"

namespace tunesmith::bench {

/// What takes part: a strategy with a model, and what it may know beforehand.
struct Contestant {
  std::string name;
  std::string strategy;
  std::string cost_model;
  bool measures_default = false;   // first, as sessions do
  bool knows_similar = false;  // the records of a similar kernel
};

/// What a database holds of a similar kernel.
struct Similar {
  std::vector<tuner::TrainingRow> rows;
  std::vector<std::string> best;  // schedules, fastest first
};

struct Run {
  std::string workload;
  std::string contestant;
  std::uint64_t seed = 0;
  std::vector<double> best_ns;   // after each trial; infinite before the first good result
  std::vector<std::string> schedules;  // one a trial
  std::vector<double> seconds;   // spent until then: proposing, training, compiling, measuring
  std::vector<tuner::TrainingRow> rows;
};

Run run_contest(const Contestant& contestant, const schedules::Space& space, std::uint64_t seed, std::size_t trials,
                const Similar& similar, TruthTable& table);

/// Takes the times of the run from the table again: some were confirmed since.
void settle(Run& run, const TruthTable& table);

/// The first trial, counted from 1, whose best is at least `share` as fast as `best_ns`.
std::optional<std::size_t> trials_to(const Run& run, double best_ns, double share);

}  // namespace tunesmith::bench
