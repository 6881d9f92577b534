#include "tuner/cost_model.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ir/support/rng.h"
#include "tuner/features.h"

namespace tunesmith::tuner {
namespace {

/// Rows whose residual depends on two features, with noise.
std::vector<TrainingRow> synthetic_rows(std::size_t count, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<TrainingRow> rows;
  for (std::size_t i = 0; i < count; ++i) {
    TrainingRow row;
    for (std::size_t f = 0; f < feature_names().size(); ++f)
      row.features.push_back(static_cast<float>(rng.unit()));
    row.log_residual = 1.5 * row.features[0] - row.features[5] + 0.02 * rng.unit();
    rows.push_back(std::move(row));
  }
  return rows;
}

double mean_error(const CostModel& model, const std::vector<TrainingRow>& rows) {
  std::vector<std::vector<float>> features;
  for (const TrainingRow& row : rows) features.push_back(row.features);
  const auto predictions = model.predict(features);
  double sum = 0;
  for (std::size_t i = 0; i < rows.size(); ++i)
    sum += std::abs(predictions[i].log_residual - rows[i].log_residual);
  return sum / static_cast<double>(rows.size());
}

TEST(CostModel, LearnsTheResidual) {
  const auto train = synthetic_rows(400, 1), held_out = synthetic_rows(100, 2);
  auto model = make_xgboost_cost_model(7);
  const double before = mean_error(*model, held_out);
  model->train(train);
  EXPECT_LT(mean_error(*model, held_out), 0.35 * before);
}

TEST(CostModel, IsReproducibleForOneSeed) {
  const auto rows = synthetic_rows(60, 3);
  auto a = make_xgboost_cost_model(5), b = make_xgboost_cost_model(5);
  a->train(rows);
  b->train(rows);
  const std::vector<std::vector<float>> query{rows[0].features, rows[1].features};
  for (std::size_t i = 0; i < query.size(); ++i)
    EXPECT_EQ(a->predict(query)[i].log_residual, b->predict(query)[i].log_residual);
}

TEST(CostModel, SavesAndLoads) {
  const auto rows = synthetic_rows(60, 4);
  auto model = make_xgboost_cost_model(5), copy = make_xgboost_cost_model(5);
  model->train(rows);
  const auto bytes = model->save();
  ASSERT_TRUE(copy->load(bytes));
  EXPECT_FLOAT_EQ(static_cast<float>(mean_error(*model, rows)), static_cast<float>(mean_error(*copy, rows)));
  EXPECT_FALSE(copy->load(std::span(bytes).first(bytes.size() / 2)));
}

TEST(CostModel, FewRowsGiveTheirMean) {
  auto model = make_xgboost_cost_model(5);
  auto rows = synthetic_rows(2, 6);
  rows[0].log_residual = 1;
  rows[1].log_residual = 3;
  model->train(rows);
  const std::vector<std::vector<float>> query{rows[0].features};
  EXPECT_DOUBLE_EQ(model->predict(query)[0].log_residual, 2);
  EXPECT_DOUBLE_EQ(make_analytic_cost_model()->predict(query)[0].log_residual, 0);
}

}  // namespace
}  // namespace tunesmith::tuner
