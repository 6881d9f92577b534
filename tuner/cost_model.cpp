#include "tuner/cost_model.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "ir/support/check.h"
#include "ir/support/rng.h"
#include "tuner/features.h"

namespace tunesmith::tuner {
namespace {

struct Row {
  std::string_view name;
  std::unique_ptr<CostModel> (*make)(std::uint64_t seed);
};
constexpr std::array models = {Row{"xgboost", make_xgboost_cost_model}, Row{"analytic", make_analytic_cost_model},
                               Row{"pack-sum", make_pack_sum_cost_model}, Row{"random", make_random_cost_model}};

class AnalyticCostModel final : public CostModel {
 public:
  void train(std::span<const TrainingRow>) override {}
  std::vector<Prediction> predict(std::span<const Sample> samples) const override {
    std::vector<Prediction> predictions;
    for (const Sample& sample : samples) predictions.push_back({std::log(std::max(1.0, sample.analytic_ns)), 0});
    return predictions;
  }
};

/// A number of its own for each row and seed.
class RandomCostModel final : public CostModel {
 public:
  explicit RandomCostModel(std::uint64_t seed) : seed_(seed) {}
  void train(std::span<const TrainingRow>) override {}
  std::vector<Prediction> predict(std::span<const Sample> samples) const override {
    std::vector<Prediction> predictions;
    for (const Sample& sample : samples) {
      std::uint64_t state = seed_;
      for (float value : sample.features) state = Rng(state ^ std::bit_cast<std::uint32_t>(value)).next();
      predictions.push_back({Rng(state).unit(), 0});
    }
    return predictions;
  }

 private:
  std::uint64_t seed_;
};

}  // namespace

std::vector<float> CostModel::features(const ir::LoopNest&, const schedules::AnalyticCost& cost,
                                       const schedules::Machine& machine, int) const {
  return features_of(cost, machine);
}

Expected<void, Error> CostModel::load(std::span<const std::byte> bytes) {
  if (!bytes.empty()) return Unexpected(make_error("this cost model stores nothing"));
  return {};
}

std::vector<std::string_view> cost_model_names() {
  std::vector<std::string_view> names;
  for (const Row& row : models) names.push_back(row.name);
  return names;
}

std::unique_ptr<CostModel> make_cost_model(std::string_view name, std::uint64_t seed) {
  const auto row = std::ranges::find(models, name, &Row::name);
  TS_CHECK(row != models.end(), "an unknown cost model");
  return row->make(seed);
}

std::unique_ptr<CostModel> make_analytic_cost_model(std::uint64_t) { return std::make_unique<AnalyticCostModel>(); }
std::unique_ptr<CostModel> make_random_cost_model(std::uint64_t seed) { return std::make_unique<RandomCostModel>(seed); }

}  // namespace tunesmith::tuner
