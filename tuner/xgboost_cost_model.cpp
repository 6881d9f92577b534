// XGBoost through its C API. Parameters as measured for this size of data: histogram method, 32 bins, depth 4; one
// thread, because only a fixed thread count is reproducible. Row and feature counts are checked here: the library
// silently accepts wrong ones.
#include <xgboost/c_api.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "ir/support/check.h"
#include "ir/support/rng.h"
#include "tuner/cost_model.h"
#include "tuner/features.h"

namespace tunesmith::tuner {
namespace {

constexpr std::size_t ensemble_size = 4;
constexpr int boosting_rounds = 50;
constexpr std::size_t least_rows = 8;  // below: the mean of the residuals

void check_xgboost(int status) { TS_CHECK(status == 0, XGBGetLastError()); }

class Matrix {
 public:
  Matrix(std::span<const float> values, std::size_t rows, std::size_t columns) {
    TS_CHECK(values.size() == rows * columns, "feature matrix of another size");
    check_xgboost(XGDMatrixCreateFromMat(values.data(), rows, columns, std::numeric_limits<float>::quiet_NaN(), &handle_));
  }
  ~Matrix() { XGDMatrixFree(handle_); }
  Matrix(const Matrix&) = delete;
  Matrix& operator=(const Matrix&) = delete;

  void set(const char* field, const std::vector<float>& values) {
    check_xgboost(XGDMatrixSetFloatInfo(handle_, field, values.data(), values.size()));
  }
  DMatrixHandle get() const { return handle_; }

 private:
  DMatrixHandle handle_ = nullptr;
};

class Booster {
 public:
  explicit Booster(const Matrix* train, std::uint64_t seed) {
    DMatrixHandle matrix = train != nullptr ? train->get() : nullptr;
    check_xgboost(XGBoosterCreate(train != nullptr ? &matrix : nullptr, train != nullptr ? 1 : 0, &handle_));
    const std::string seed_text = std::to_string(seed % 1000000007);
    const std::array<std::pair<const char*, const char*>, 11> parameters = {{
        {"tree_method", "hist"},
        {"max_bin", "32"},
        {"max_depth", "4"},
        {"eta", "0.15"},
        {"lambda", "1"},
        {"min_child_weight", "1"},
        {"objective", "reg:squarederror"},
        {"nthread", "1"},
        {"base_score", "0"},
        {"verbosity", "0"},
        {"seed", seed_text.c_str()},
    }};
    for (const auto& [name, value] : parameters) check_xgboost(XGBoosterSetParam(handle_, name, value));
  }
  ~Booster() {
    if (handle_ != nullptr) XGBoosterFree(handle_);
  }
  Booster(Booster&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Booster& operator=(Booster&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  BoosterHandle get() const { return handle_; }

 private:
  BoosterHandle handle_ = nullptr;
};

class XgboostCostModel final : public CostModel {
 public:
  explicit XgboostCostModel(std::uint64_t seed) : seed_(seed) {}

  void train(std::span<const TrainingRow> rows) override {
    boosters_.clear();
    double sum = 0, weights = 0;
    for (const TrainingRow& row : rows) {
      sum += row.weight * row.log_residual;
      weights += row.weight;
    }
    mean_ = weights > 0 ? sum / weights : 0;
    if (rows.size() < least_rows) return;
    Rng rng(seed_);
    for (std::size_t member = 0; member < ensemble_size; ++member) boosters_.push_back(fit(rows, rng));
  }

  std::vector<Prediction> predict(std::span<const std::vector<float>> rows) const override {
    std::vector<Prediction> predictions(rows.size(), {mean_, boosters_.empty() ? 0.3 : 0.0});
    if (boosters_.empty() || rows.empty()) return predictions;
    const Matrix matrix(flat(rows), rows.size(), columns());
    std::vector<double> squares(rows.size(), 0.0);
    for (Prediction& p : predictions) p.log_residual = 0;
    for (const Booster& booster : boosters_) {
      bst_ulong count = 0;
      const float* values = nullptr;
      check_xgboost(XGBoosterPredict(booster.get(), matrix.get(), 0, 0, 0, &count, &values));
      TS_CHECK(count == rows.size(), "one prediction a row");
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const double value = mean_ + static_cast<double>(values[i]);
        predictions[i].log_residual += value / ensemble_size;
        squares[i] += value * value / ensemble_size;
      }
    }
    for (std::size_t i = 0; i < rows.size(); ++i)
      predictions[i].deviation =
          std::sqrt(std::max(0.0, squares[i] - predictions[i].log_residual * predictions[i].log_residual));
    return predictions;
  }

  std::vector<std::byte> save() const override {
    std::vector<std::byte> out;
    append(out, &mean_, sizeof mean_);
    for (const Booster& booster : boosters_) {
      bst_ulong length = 0;
      const char* bytes = nullptr;
      check_xgboost(XGBoosterSaveModelToBuffer(booster.get(), R"({"format": "ubj"})", &length, &bytes));
      const std::uint64_t size = length;
      append(out, &size, sizeof size);
      append(out, bytes, length);
    }
    return out;
  }

  Expected<void, Error> load(std::span<const std::byte> bytes) override {
    auto damaged = [] { return Unexpected(make_error("the stored cost model is damaged")); };
    double mean = 0;
    if (bytes.size() < sizeof mean) return damaged();
    std::memcpy(&mean, bytes.data(), sizeof mean);
    bytes = bytes.subspan(sizeof mean);
    std::vector<Booster> boosters;
    while (!bytes.empty()) {
      std::uint64_t size = 0;
      if (bytes.size() < sizeof size) return damaged();
      std::memcpy(&size, bytes.data(), sizeof size);
      bytes = bytes.subspan(sizeof size);
      if (size > bytes.size()) return damaged();
      Booster booster(nullptr, seed_);
      if (XGBoosterLoadModelFromBuffer(booster.get(), bytes.data(), size) != 0) return damaged();
      bst_ulong features = 0;
      if (XGBoosterGetNumFeature(booster.get(), &features) != 0 || features != columns()) return damaged();
      boosters.push_back(std::move(booster));
      bytes = bytes.subspan(size);
    }
    mean_ = mean;
    boosters_ = std::move(boosters);
    return {};
  }

 private:
  static std::size_t columns() { return feature_names().size(); }

  static std::vector<float> flat(std::span<const std::vector<float>> rows) {
    std::vector<float> values;
    values.reserve(rows.size() * columns());
    for (const std::vector<float>& row : rows) {
      TS_CHECK(row.size() == columns(), "row with another number of features");
      values.insert(values.end(), row.begin(), row.end());
    }
    return values;
  }

  static void append(std::vector<std::byte>& out, const void* data, std::size_t size) {
    const std::size_t at = out.size();
    out.resize(at + size);
    std::memcpy(out.data() + at, data, size);
  }

  /// One member: fitted to a bootstrap sample.
  Booster fit(std::span<const TrainingRow> rows, Rng& rng) const {
    std::vector<std::vector<float>> sample;
    std::vector<float> labels, weights;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const TrainingRow& row = rows[rng.below(rows.size())];
      sample.push_back(row.features);
      labels.push_back(static_cast<float>(row.log_residual - mean_));
      weights.push_back(row.weight);
    }
    Matrix matrix(flat(sample), sample.size(), columns());
    matrix.set("label", labels);
    matrix.set("weight", weights);
    Booster booster(&matrix, rng.next());
    for (int round = 0; round < boosting_rounds; ++round)
      check_xgboost(XGBoosterUpdateOneIter(booster.get(), round, matrix.get()));
    return booster;
  }

  std::uint64_t seed_;
  double mean_ = 0;
  std::vector<Booster> boosters_;
};

}  // namespace

std::unique_ptr<CostModel> make_xgboost_cost_model(std::uint64_t seed) {
  return std::make_unique<XgboostCostModel>(seed);
}

}  // namespace tunesmith::tuner
