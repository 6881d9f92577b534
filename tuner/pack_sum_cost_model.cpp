// A score a statement, summed over the statements of a candidate, fitted to the candidate's throughput over the best of
// its kernel with that throughput as weight: the model of Zheng et al., "Ansor" (2020). It ranks; it knows no time.
#include <algorithm>
#include <cmath>
#include <optional>

#include "tuner/boosted_trees.h"
#include "tuner/cost_model.h"
#include "tuner/features.h"

namespace tunesmith::tuner {
namespace {

constexpr double least_score = 1e-3;

class PackSumCostModel final : public CostModel {
 public:
  explicit PackSumCostModel(std::uint64_t seed) : seed_(seed), untrained_(make_random_cost_model(seed)) {}

  std::vector<float> features(const ir::LoopNest& nest, const schedules::AnalyticCost&,
                              const schedules::Machine& machine, int threads) const override {
    return statement_features(nest, machine, threads);
  }

  void train(std::span<const TrainingRow> rows) override {
    trees_.reset();
    Table table{statement_feature_count, {}};
    std::vector<std::size_t> packs;
    std::vector<float> labels, weights;
    for (const TrainingRow& row : rows) {
      if (!std::isfinite(row.ns)) continue;
      packs.push_back(add_pack(row.sample, table));
      labels.push_back(static_cast<float>(row.relative_speed));
      weights.push_back(static_cast<float>(row.weight * row.relative_speed));
    }
    if (packs.empty()) return;
    trees_ = BoostedTrees::fit_sums(table, packs, labels, weights,
                                    {.rounds = 100, .depth = 10, .learning_rate = 0.2, .seed = seed_});
  }

  std::vector<Prediction> predict(std::span<const Sample> samples) const override {
    if (!trees_) return untrained_->predict(samples);
    Table table{statement_feature_count, {}};
    std::vector<std::size_t> packs;
    for (const Sample& sample : samples) packs.push_back(add_pack(sample, table));
    const std::vector<float> scores = trees_->predict(table);
    std::vector<Prediction> predictions;
    std::size_t at = 0;
    for (std::size_t size : packs) {
      double sum = 0;
      for (const std::size_t end = at + size; at < end; ++at) sum += static_cast<double>(scores[at]);
      predictions.push_back({-std::log(std::max(least_score, sum)), 0});
    }
    return predictions;
  }

 private:
  /// Rows that were added.
  static std::size_t add_pack(const Sample& sample, Table& table) {
    const std::size_t before = table.rows();
    table.values.insert(table.values.end(), sample.features.begin(), sample.features.end());
    return table.rows() - before;
  }

  std::uint64_t seed_;
  std::unique_ptr<CostModel> untrained_;
  std::optional<BoostedTrees> trees_;
};

}  // namespace

std::unique_ptr<CostModel> make_pack_sum_cost_model(std::uint64_t seed) {
  return std::make_unique<PackSumCostModel>(seed);
}

}  // namespace tunesmith::tuner
