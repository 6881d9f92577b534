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
      row.sample.features.push_back(static_cast<float>(rng.unit()));
    row.sample.analytic_ns = std::exp(8 + 4 * rng.unit());
    const double residual = 1.5 * row.sample.features[0] - row.sample.features[5] + 0.02 * rng.unit();
    row.ns = row.sample.analytic_ns * std::exp(residual);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Sample> samples_of(const std::vector<TrainingRow>& rows) {
  std::vector<Sample> samples;
  for (const TrainingRow& row : rows) samples.push_back(row.sample);
  return samples;
}

double mean_error(const CostModel& model, const std::vector<TrainingRow>& rows) {
  const auto predictions = model.predict(samples_of(rows));
  double sum = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) sum += std::abs(predictions[i].log_ns - std::log(rows[i].ns));
  return sum / static_cast<double>(rows.size());
}

TEST(CostModel, LearnsTheResidual) {
  const auto train = synthetic_rows(400, 1), held_out = synthetic_rows(100, 2);
  auto model = make_cost_model("xgboost", 7);
  const double before = mean_error(*model, held_out);
  model->train(train);
  EXPECT_LT(mean_error(*model, held_out), 0.35 * before);
}

TEST(CostModel, IsReproducibleForOneSeed) {
  const auto rows = synthetic_rows(60, 3);
  auto a = make_cost_model("xgboost", 5), b = make_cost_model("xgboost", 5);
  a->train(rows);
  b->train(rows);
  const std::vector<Sample> query{rows[0].sample, rows[1].sample};
  for (std::size_t i = 0; i < query.size(); ++i) EXPECT_EQ(a->predict(query)[i].log_ns, b->predict(query)[i].log_ns);
}

TEST(CostModel, SavesAndLoads) {
  const auto rows = synthetic_rows(60, 4);
  auto model = make_cost_model("xgboost", 5), copy = make_cost_model("xgboost", 5);
  model->train(rows);
  const auto bytes = model->save();
  ASSERT_TRUE(copy->load(bytes));
  EXPECT_FLOAT_EQ(static_cast<float>(mean_error(*model, rows)), static_cast<float>(mean_error(*copy, rows)));
  EXPECT_FALSE(copy->load(std::span(bytes).first(bytes.size() / 2)));
}

TEST(CostModel, FewRowsGiveTheirMean) {
  auto model = make_cost_model("xgboost", 5);
  auto rows = synthetic_rows(2, 6);
  rows[0].ns = rows[0].sample.analytic_ns * std::exp(1);
  rows[1].ns = rows[1].sample.analytic_ns * std::exp(3);
  model->train(rows);
  const std::vector<Sample> query{rows[0].sample};
  const double base = std::log(query[0].analytic_ns);
  EXPECT_NEAR(model->predict(query)[0].log_ns, base + 2, 1e-9);
  EXPECT_DOUBLE_EQ(make_cost_model("analytic", 1)->predict(query)[0].log_ns, base);
}

/// The times of two kernels, one of which the analytic model takes for five times as fast as it is.
TEST(CostModel, KernelsAreComparedWithThemselvesOnly) {
  auto rows = synthetic_rows(300, 8);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].sample.kernel = i % 2;
    if (i % 2 == 1) rows[i].ns *= 5;
  }
  auto model = make_cost_model("xgboost", 5);
  model->train(std::span(rows).first(200));
  EXPECT_LT(mean_error(*model, {rows.begin() + 200, rows.end()}), 0.3);
}

TEST(CostModel, TellsWhatFails) {
  auto rows = synthetic_rows(300, 9);
  auto fails = [](const Sample& sample) { return sample.features[3] > 0.8F; };
  for (TrainingRow& row : rows)
    if (fails(row.sample)) row.ns = std::numeric_limits<double>::infinity();
  const std::span<const TrainingRow> train = std::span(rows).first(200);
  const std::vector<TrainingRow> held_out(rows.begin() + 200, rows.end());
  auto model = make_cost_model("xgboost", 5), copy = make_cost_model("xgboost", 5);
  model->train(train);
  ASSERT_TRUE(copy->load(model->save()));
  for (const auto& learned : {model.get(), copy.get()}) {
    const auto predictions = learned->predict(samples_of(held_out));
    int right = 0;
    for (std::size_t i = 0; i < held_out.size(); ++i)
      right += (predictions[i].validity < 0.5) == fails(held_out[i].sample);
    EXPECT_GE(right, 95);
  }
  model->train(std::span(train).first(0));
  EXPECT_EQ(model->predict(samples_of(held_out))[0].validity, 1);
}

TEST(CostModel, OnlyTheLearnedOneStoresAnything) {
  for (std::string_view name : cost_model_names()) {
    const auto model = make_cost_model(name, 1);
    EXPECT_TRUE(model->load(model->save())) << name;
    if (name != "xgboost") {
      EXPECT_FALSE(model->load(std::vector<std::byte>(9))) << name;
    }
  }
}

class PackSum : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(StatementsAtMost, PackSum, ::testing::Values(4, 40));

/// Packs of statements whose throughput is the sum of what each of them says.
TEST_P(PackSum, LearnsWhatStatementsAddUpTo) {
  Rng rng(11);
  std::vector<TrainingRow> rows;
  for (int i = 0; i < 400; ++i) {
    TrainingRow& row = rows.emplace_back();
    double speed = 0;
    const auto statements = static_cast<std::size_t>(rng.between(1, GetParam()));
    for (std::size_t s = 0; s < statements; ++s)
      for (std::size_t f = 0; f < statement_feature_count; ++f) {
        row.sample.features.push_back(static_cast<float>(rng.unit()));
        if (f == 3) speed += row.sample.features.back() / GetParam();
      }
    row.sample.analytic_ns = 1000;
    row.relative_speed = speed;
    row.ns = 1000 / speed;
  }
  auto model = make_cost_model("pack-sum", 3);
  model->train(std::span(rows).first(300));
  const std::vector<TrainingRow> held_out(rows.begin() + 300, rows.end());
  const auto predictions = model->predict(samples_of(held_out));
  int agree = 0, pairs = 0;
  for (std::size_t a = 0; a < held_out.size(); ++a)
    for (std::size_t b = 0; b < a; ++b, ++pairs)
      agree += (predictions[a].log_ns < predictions[b].log_ns) == (held_out[a].ns < held_out[b].ns);
  EXPECT_GT(agree, 0.85 * pairs);
}

TEST(CostModel, RandomOnesDifferBySeedOnly) {
  const auto rows = synthetic_rows(3, 1);
  const auto samples = samples_of(rows);
  const auto a = make_cost_model("random", 1)->predict(samples), again = make_cost_model("random", 1)->predict(samples);
  const auto b = make_cost_model("random", 2)->predict(samples);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(a[i].log_ns, again[i].log_ns);
    EXPECT_NE(a[i].log_ns, b[i].log_ns);
  }
}

}  // namespace
}  // namespace tunesmith::tuner
