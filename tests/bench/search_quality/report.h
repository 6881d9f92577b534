// What the contests showed: a table, a picture, JSON.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/bench/search_quality/contest.h"

namespace tunesmith::bench {

/// How well a cost model that learned from the other workloads orders the candidates of one.
struct ModelQuality {
  std::string workload, cost_model;
  double rank_correlation = 0;  // Spearman's, of predicted and measured times
  double recall_of_8 = 0;       // share of the 8 fastest that are among the 8 that it predicts to be fastest
  double best_of_8 = 0;         // speed of the best among those, over the fastest
};

struct Results {
  std::vector<std::string> contestants;
  std::size_t trials = 0;                   // of a run, at most
  std::map<std::string, double> best_ns;    // known, by workload
  std::map<std::string, std::size_t> sampled;  // candidates measured, by workload
  std::vector<Run> runs;
  std::vector<ModelQuality> models;
};

std::string text_of(const Results& results);
/// Median share of the best known speed after each trial, a line a contestant.
std::string svg_of(const Results& results);
nlohmann::ordered_json json_of(const Results& results);

}  // namespace tunesmith::bench
