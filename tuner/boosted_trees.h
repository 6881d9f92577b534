// BoostedTrees: gradient-boosted regression trees, XGBoost's C API as values.
//
// Row and feature counts are checked here: the library silently accepts wrong ones. One thread, because only a fixed
// thread count is reproducible. Movable; predict() is const and may be called by several threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace tunesmith::tuner {

/// Row-major numbers.
struct Table {
  std::size_t columns = 0;
  std::vector<float> values;

  std::size_t rows() const { return columns == 0 ? 0 : values.size() / columns; }
  /// REQUIRES: `columns` numbers.
  void add(std::span<const float> row);
};

struct TreeOptions {
  int rounds = 50;
  int depth = 4;
  double learning_rate = 0.15;
  std::uint64_t seed = 1;
};

class BoostedTrees {
 public:
  ~BoostedTrees();
  BoostedTrees(BoostedTrees&& other) noexcept;
  BoostedTrees& operator=(BoostedTrees&& other) noexcept;

  /// Least squares of a label a row.
  static BoostedTrees fit(const Table& rows, const std::vector<float>& labels, const std::vector<float>& weights,
                          const TreeOptions& options);
  /// Least squares of a label a pack: what a pack's rows predict is summed. `pack_sizes` in the order of the rows.
  static BoostedTrees fit_sums(const Table& rows, const std::vector<std::size_t>& pack_sizes,
                               const std::vector<float>& labels, const std::vector<float>& weights,
                               const TreeOptions& options);

  /// One number a row. REQUIRES: as many columns as were fitted.
  std::vector<float> predict(const Table& rows) const;

  std::vector<std::byte> save() const;
  /// nullopt: the bytes are damaged, or of trees over another number of columns.
  static std::optional<BoostedTrees> load(std::span<const std::byte> bytes, std::size_t columns);

 private:
  explicit BoostedTrees(void* handle) : handle_(handle) {}
  void* handle_ = nullptr;
};

}  // namespace tunesmith::tuner
