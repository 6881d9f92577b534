#include "tuner/boosted_trees.h"

#include <xgboost/c_api.h>

#include <array>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "ir/support/check.h"

namespace tunesmith::tuner {
namespace {

void check_xgboost(int status) { TS_CHECK(status == 0, XGBGetLastError()); }

class Matrix {
 public:
  explicit Matrix(const Table& table) {
    TS_CHECK(table.columns > 0 && table.values.size() == table.rows() * table.columns, "a table of whole rows");
    check_xgboost(XGDMatrixCreateFromMat(table.values.data(), table.rows(), table.columns,
                                         std::numeric_limits<float>::quiet_NaN(), &handle_));
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

/// The histogram method with 32 bins: fastest, and best in rank, for hundreds to thousands of rows.
BoosterHandle make_booster(const Matrix* train, const TreeOptions& options) {
  DMatrixHandle matrix = train != nullptr ? train->get() : nullptr;
  BoosterHandle booster = nullptr;
  check_xgboost(XGBoosterCreate(train != nullptr ? &matrix : nullptr, train != nullptr ? 1 : 0, &booster));
  const std::array<std::pair<const char*, std::string>, 11> parameters = {{
      {"tree_method", "hist"},
      {"max_bin", "32"},
      {"max_depth", std::to_string(options.depth)},
      {"eta", std::to_string(options.learning_rate)},
      {"lambda", "1"},
      {"min_child_weight", "1"},
      {"objective", "reg:squarederror"},
      {"nthread", "1"},
      {"base_score", "0"},
      {"verbosity", "0"},
      {"seed", std::to_string(options.seed % 1000000007)},
  }};
  for (const auto& [name, value] : parameters) check_xgboost(XGBoosterSetParam(booster, name, value.c_str()));
  return booster;
}

std::vector<float> predict_matrix(BoosterHandle booster, const Matrix& matrix, std::size_t rows) {
  bst_ulong count = 0;
  const float* values = nullptr;
  check_xgboost(XGBoosterPredict(booster, matrix.get(), 0, 0, 0, &count, &values));
  TS_CHECK(count == rows, "one prediction a row");
  return {values, values + count};
}

}  // namespace

void Table::add(std::span<const float> row) {
  TS_CHECK(row.size() == columns, "a row with another number of columns");
  values.insert(values.end(), row.begin(), row.end());
}

BoostedTrees::~BoostedTrees() {
  if (handle_ != nullptr) XGBoosterFree(handle_);
}
BoostedTrees::BoostedTrees(BoostedTrees&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
BoostedTrees& BoostedTrees::operator=(BoostedTrees&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

BoostedTrees BoostedTrees::fit(const Table& rows, const std::vector<float>& labels, const std::vector<float>& weights,
                               const TreeOptions& options) {
  TS_CHECK(labels.size() == rows.rows() && weights.size() == rows.rows(), "a label and a weight a row");
  Matrix matrix(rows);
  matrix.set("label", labels);
  matrix.set("weight", weights);
  BoostedTrees trees(make_booster(&matrix, options));
  for (int round = 0; round < options.rounds; ++round)
    check_xgboost(XGBoosterUpdateOneIter(trees.handle_, round, matrix.get()));
  return trees;
}

BoostedTrees BoostedTrees::fit_sums(const Table& rows, const std::vector<std::size_t>& pack_sizes,
                                    const std::vector<float>& labels, const std::vector<float>& weights,
                                    const TreeOptions& options) {
  TS_CHECK(std::accumulate(pack_sizes.begin(), pack_sizes.end(), std::size_t{0}) == rows.rows(), "packs of all rows");
  TS_CHECK(labels.size() == pack_sizes.size() && weights.size() == labels.size(), "a label and a weight a pack");
  const Matrix matrix(rows);
  BoostedTrees trees(make_booster(&matrix, options));
  std::vector<float> gradients(rows.rows()), hessians(rows.rows());
  for (int round = 0; round < options.rounds; ++round) {
    const std::vector<float> scores = predict_matrix(trees.handle_, matrix, rows.rows());
    std::size_t first = 0;
    for (std::size_t p = 0; p < pack_sizes.size(); first += pack_sizes[p++]) {
      float sum = 0;
      for (std::size_t i = first; i < first + pack_sizes[p]; ++i) sum += scores[i];
      for (std::size_t i = first; i < first + pack_sizes[p]; ++i) {
        gradients[i] = 2 * weights[p] * (sum - labels[p]);
        // All rows of the pack move at once: each takes its part of the step, or long packs overshoot without end.
        hessians[i] = 2 * weights[p] * static_cast<float>(pack_sizes[p]);
      }
    }
    check_xgboost(
        XGBoosterBoostOneIter(trees.handle_, matrix.get(), gradients.data(), hessians.data(), gradients.size()));
  }
  return trees;
}

std::vector<float> BoostedTrees::predict(const Table& rows) const {
  return rows.rows() == 0 ? std::vector<float>() : predict_matrix(handle_, Matrix(rows), rows.rows());
}

std::vector<std::byte> BoostedTrees::save() const {
  bst_ulong length = 0;
  const char* bytes = nullptr;
  check_xgboost(XGBoosterSaveModelToBuffer(handle_, R"({"format": "ubj"})", &length, &bytes));
  const auto* first = reinterpret_cast<const std::byte*>(bytes);
  return {first, first + length};
}

std::optional<BoostedTrees> BoostedTrees::load(std::span<const std::byte> bytes, std::size_t columns) {
  BoostedTrees trees(make_booster(nullptr, {}));
  if (XGBoosterLoadModelFromBuffer(trees.handle_, bytes.data(), bytes.size()) != 0) return std::nullopt;
  bst_ulong features = 0;
  if (XGBoosterGetNumFeature(trees.handle_, &features) != 0 || features != columns) return std::nullopt;
  return trees;
}

}  // namespace tunesmith::tuner
