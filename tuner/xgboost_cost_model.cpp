// A small bagged ensemble of boosted trees on the logarithm of measured / analytic time, so that it helps from the
// first trials on and says how sure it is. What the analytic model gets wrong of a kernel as a whole is taken out first:
// the trees learn only what tells schedules apart. Further trees learn which candidates fail.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "ir/support/rng.h"
#include "tuner/boosted_trees.h"
#include "tuner/cost_model.h"
#include "tuner/features.h"

namespace tunesmith::tuner {
namespace {

constexpr std::size_t ensemble_size = 4;
constexpr std::size_t least_rows = 8;    // below: the mean of the residuals
constexpr double unsure = 0.3;           // deviation of a model without trees
constexpr double least_weight = 0.05;    // of slow candidates: what must be right is the order of the fast ones
constexpr double kernel_prior = 0.5;     // weight of the mean of all kernels in the mean of one
constexpr std::size_t least_failures = 2;
constexpr double least_validity = 0.02;  // no candidate is out of the question

bool is_failure(const TrainingRow& row) { return !std::isfinite(row.ns); }
double base_of(const Sample& sample) { return std::log(std::max(1.0, sample.analytic_ns)); }
double residual_of(const TrainingRow& row) { return std::log(row.ns) - base_of(row.sample); }
double weight_of(const TrainingRow& row) { return row.weight * std::max(least_weight, row.relative_speed); }

class XgboostCostModel final : public CostModel {
 public:
  explicit XgboostCostModel(std::uint64_t seed) : seed_(seed) {}

  void train(std::span<const TrainingRow> all) override {
    members_.clear();
    validity_.reset();
    std::vector<const TrainingRow*> rows;
    for (const TrainingRow& row : all)
      if (!is_failure(row)) rows.push_back(&row);
    find_means(rows);
    if (rows.size() < least_rows) return;
    Rng rng(seed_);
    for (std::size_t member = 0; member < ensemble_size; ++member) members_.push_back(fit(rows, rng));
    if (all.size() - rows.size() >= least_failures) validity_ = fit_validity(all, rng);
  }

  std::vector<Prediction> predict(std::span<const Sample> samples) const override {
    std::vector<Prediction> predictions;
    for (const Sample& sample : samples)
      predictions.push_back({base_of(sample) + mean_of(sample.kernel), members_.empty() ? unsure : 0});
    if (members_.empty()) return predictions;
    Table table{columns(), {}};
    for (const Sample& sample : samples) table.add(sample.features);
    std::vector<double> sums(samples.size()), squares(samples.size());
    for (const BoostedTrees& member : members_) {
      const std::vector<float> values = member.predict(table);
      for (std::size_t i = 0; i < samples.size(); ++i) {
        const auto value = static_cast<double>(values[i]);
        sums[i] += value / ensemble_size;
        squares[i] += value * value / ensemble_size;
      }
    }
    for (std::size_t i = 0; i < samples.size(); ++i) {
      predictions[i].log_ns += sums[i];
      predictions[i].deviation = std::sqrt(std::max(0.0, squares[i] - sums[i] * sums[i]));
    }
    if (!validity_) return predictions;
    const std::vector<float> chances = validity_->predict(table);
    for (std::size_t i = 0; i < samples.size(); ++i)
      predictions[i].validity = std::clamp(1 + static_cast<double>(chances[i]), least_validity, 1.0);
    return predictions;
  }

  std::vector<std::byte> save() const override {
    std::vector<std::byte> out;
    append(out, &mean_, sizeof mean_);
    for (const BoostedTrees& member : members_) append(out, member);
    if (validity_) append(out, *validity_);
    return out;
  }

  Expected<void, Error> load(std::span<const std::byte> bytes) override {
    auto damaged = [] { return Unexpected(make_error("the stored cost model is damaged")); };
    double mean = 0;
    if (bytes.size() < sizeof mean) return damaged();
    std::memcpy(&mean, bytes.data(), sizeof mean);
    bytes = bytes.subspan(sizeof mean);
    std::vector<BoostedTrees> members;
    while (!bytes.empty()) {
      std::uint64_t size = 0;
      if (bytes.size() < sizeof size) return damaged();
      std::memcpy(&size, bytes.data(), sizeof size);
      bytes = bytes.subspan(sizeof size);
      if (size > bytes.size()) return damaged();
      auto member = BoostedTrees::load(bytes.first(size), columns());
      if (!member) return damaged();
      members.push_back(std::move(*member));
      bytes = bytes.subspan(size);
    }
    if (members.size() > ensemble_size + 1) return damaged();
    validity_.reset();
    if (members.size() > ensemble_size) {
      validity_ = std::move(members.back());
      members.pop_back();
    }
    mean_ = mean;
    means_.clear();
    members_ = std::move(members);
    return {};
  }

 private:
  static std::size_t columns() { return feature_names().size(); }

  static void append(std::vector<std::byte>& out, const void* data, std::size_t size) {
    const std::size_t at = out.size();
    out.resize(at + size);
    std::memcpy(out.data() + at, data, size);
  }
  static void append(std::vector<std::byte>& out, const BoostedTrees& trees) {
    const std::vector<std::byte> bytes = trees.save();
    const std::uint64_t size = bytes.size();
    append(out, &size, sizeof size);
    append(out, bytes.data(), bytes.size());
  }

  /// Of the residuals, over all kernels and of each one, drawn towards the former where there are few rows.
  void find_means(const std::vector<const TrainingRow*>& rows) {
    struct Sum {
      double residuals = 0, weights = 0;
      void add(const TrainingRow& row) {
        residuals += weight_of(row) * residual_of(row);
        weights += weight_of(row);
      }
    };
    Sum all;
    std::unordered_map<std::uint64_t, Sum> kernels;
    for (const TrainingRow* row : rows) {
      all.add(*row);
      kernels[row->sample.kernel].add(*row);
    }
    mean_ = all.weights > 0 ? all.residuals / all.weights : 0;
    means_.clear();
    for (const auto& [kernel, sum] : kernels)
      means_[kernel] = (sum.residuals + kernel_prior * mean_) / (sum.weights + kernel_prior);
  }
  double mean_of(std::uint64_t kernel) const {
    const auto it = means_.find(kernel);
    return it == means_.end() ? mean_ : it->second;
  }

  /// Least squares of 1 for what ran and 0 for what failed estimates the chance between.
  static BoostedTrees fit_validity(std::span<const TrainingRow> rows, Rng& rng) {
    Table table{columns(), {}};
    std::vector<float> labels, weights;
    for (const TrainingRow& row : rows) {
      table.add(row.sample.features);
      labels.push_back(is_failure(row) ? -1 : 0);  // against 1, where the trees begin
      weights.push_back(static_cast<float>(row.weight));
    }
    return BoostedTrees::fit(table, labels, weights, {.seed = rng.next()});
  }

  /// Fitted to a bootstrap sample.
  BoostedTrees fit(const std::vector<const TrainingRow*>& rows, Rng& rng) const {
    Table table{columns(), {}};
    std::vector<float> labels, weights;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const TrainingRow& row = *rows[rng.below(rows.size())];
      table.add(row.sample.features);
      labels.push_back(static_cast<float>(residual_of(row) - mean_of(row.sample.kernel)));
      weights.push_back(static_cast<float>(weight_of(row)));
    }
    return BoostedTrees::fit(table, labels, weights, {.seed = rng.next()});
  }

  std::uint64_t seed_;
  double mean_ = 0;                                   // of the residuals
  std::unordered_map<std::uint64_t, double> means_;   // of those of each kernel
  std::vector<BoostedTrees> members_;
  std::optional<BoostedTrees> validity_;              // chance that a candidate runs, less 1
};

}  // namespace

std::unique_ptr<CostModel> make_xgboost_cost_model(std::uint64_t seed) {
  return std::make_unique<XgboostCostModel>(seed);
}

}  // namespace tunesmith::tuner
