// CostModel: predicts how much slower or faster a candidate is than the analytic model says.
//
// Prediction is the natural logarithm of measured / analytic time, so that a model without data (0 everywhere) is the
// analytic model. Not synchronised.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::tuner {

/// A measured candidate as training data.
struct TrainingRow {
  std::vector<float> features;
  double log_residual = 0;  // ln(measured ns / analytic ns)
  float weight = 1;         // slow candidates count less
};

struct Prediction {
  double log_residual = 0;
  double deviation = 0;  // spread of the ensemble, same unit
};

class CostModel {
 public:
  virtual ~CostModel() = default;
  /// Replaces what was learned. Needs no minimum of rows: with too few it predicts their mean.
  virtual void train(std::span<const TrainingRow> rows) = 0;
  virtual std::vector<Prediction> predict(std::span<const std::vector<float>> rows) const = 0;
  /// Bytes that load() of the same kind of model takes back.
  virtual std::vector<std::byte> save() const = 0;
  virtual Expected<void, Error> load(std::span<const std::byte> bytes) = 0;
};

/// Always 0: the analytic model alone.
std::unique_ptr<CostModel> make_analytic_cost_model();

/// A small bagged ensemble of gradient-boosted trees (Chen and Guestrin, "XGBoost", 2016) on the log residual.
/// Reproducible for one seed.
std::unique_ptr<CostModel> make_xgboost_cost_model(std::uint64_t seed);

}  // namespace tunesmith::tuner
