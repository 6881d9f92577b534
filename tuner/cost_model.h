// CostModel: predicts how long a candidate takes. Not synchronised, except that predict() and features() may be called
// by several threads while nobody trains.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "ir/loop_nest.h"
#include "ir/support/error.h"
#include "ir/support/expected.h"
#include "schedules/analytic.h"
#include "schedules/machine.h"

namespace tunesmith::tuner {

/// What a model sees of a candidate.
struct Sample {
  std::vector<float> features;  // of CostModel::features
  double analytic_ns = 0;
  std::uint64_t kernel = 0;  // equal for candidates whose times are of one kernel on one machine
};

/// A tried candidate as training data.
struct TrainingRow {
  Sample sample;
  double ns = 0;              // measured; infinite: it failed
  double relative_speed = 1;  // best measured time of its kernel / ns
  double weight = 1;          // less for measurements of other machines
};

struct Prediction {
  double log_ns = 0;     // natural logarithm; models that only rank give it up to a constant
  double deviation = 0;  // its uncertainty, same unit
  double validity = 1;   // chance that the candidate does not fail
};

class CostModel {
 public:
  virtual ~CostModel() = default;
  /// The row that this model learns from and predicts for.
  virtual std::vector<float> features(const ir::LoopNest& nest, const schedules::AnalyticCost& cost,
                                      const schedules::Machine& machine, int threads) const;
  /// Replaces what was learned. Needs no minimum of rows.
  virtual void train(std::span<const TrainingRow> rows) = 0;
  virtual std::vector<Prediction> predict(std::span<const Sample> samples) const = 0;
  /// Bytes that load() of the same kind of model takes back.
  virtual std::vector<std::byte> save() const { return {}; }
  virtual Expected<void, Error> load(std::span<const std::byte> bytes);
};

/// Names for make_cost_model; the first is the one that sessions use unless told otherwise.
///   xgboost   bagged gradient-boosted trees (Chen and Guestrin, 2016) on the logarithm of measured / analytic time against
///             the mean of the kernel, and on whether candidates failed
///   analytic  the analytic model alone
///   pack-sum  a score a statement, summed, trained on normalised throughput (Zheng et al., "Ansor", 2020)
///   random    numbers that say nothing
std::vector<std::string_view> cost_model_names();
/// REQUIRES: a name of cost_model_names(). Reproducible for one seed.
std::unique_ptr<CostModel> make_cost_model(std::string_view name, std::uint64_t seed);

std::unique_ptr<CostModel> make_xgboost_cost_model(std::uint64_t seed);
std::unique_ptr<CostModel> make_analytic_cost_model(std::uint64_t seed);
std::unique_ptr<CostModel> make_pack_sum_cost_model(std::uint64_t seed);
std::unique_ptr<CostModel> make_random_cost_model(std::uint64_t seed);

}  // namespace tunesmith::tuner
