// Random expressions for the property tests, and the seed that they start from.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "ir/affine.h"
#include "ir/evaluator.h"
#include "ir/support/env.h"
#include "ir/support/rng.h"

namespace tunesmith::ir::testing {

/// TUNESMITH_SEED where it is set; tests print it on failure by SCOPED_TRACE(seed_text()).
inline std::uint64_t seed() {
  const auto text = env_value("TUNESMITH_SEED");
  return text ? std::strtoull(text->c_str(), nullptr, 10) : 20240711;
}
inline std::string seed_text() { return fmt::format("TUNESMITH_SEED={}", seed()); }

inline const std::vector<Buffer> no_buffers;

/// Variables with ranges, and random i64 and boolean expressions over them.
class ExprGenerator {
 public:
  ExprGenerator(Rng& rng, VarTable& vars, int variables) : rng_(rng) {
    for (int v = 0; v < variables; ++v) {
      ids_.push_back(vars.add(fmt::format("v{}", v)));
      const std::int64_t low = rng.below(3) == 0 ? rng.between(-20, 5) : 0;
      ranges_[ids_.back()] = {low, low + rng.between(0, 30)};
    }
  }

  const VarRanges& ranges() const { return ranges_; }
  const std::vector<VarId>& ids() const { return ids_; }

  Expr index(int depth) {
    if (depth == 0)
      return rng_.below(4) == 0 ? Expr(rng_.between(-9, 40)) : var(ids_[rng_.below(ids_.size())]);
    switch (rng_.below(10)) {
      case 0:
      case 1: return index(depth - 1) + index(depth - 1);
      case 2: return index(depth - 1) - index(depth - 1);
      case 3: return index(depth - 1) * Expr(factor());
      case 4:
      case 5: return floor_div(index(depth - 1), factor());
      case 6:
      case 7: return floor_mod(index(depth - 1), factor());
      case 8:
        return rng_.below(2) ? min(index(depth - 1), index(depth - 1))
                             : max(index(depth - 1), index(depth - 1));
      default: return select(boolean(depth - 1), index(depth - 1), index(depth - 1));
    }
  }

  Expr boolean(int depth) {
    if (depth <= 0 || rng_.below(2)) {
      const auto op = static_cast<BinaryOp>(static_cast<int>(BinaryOp::eq) + rng_.between(0, 5));
      return binary(op, index(std::max(depth, 0)), index(std::max(depth, 0)));
    }
    switch (rng_.below(3)) {
      case 0: return logical_and(boolean(depth - 1), boolean(depth - 1));
      case 1: return logical_or(boolean(depth - 1), boolean(depth - 1));
      default: return logical_not(boolean(depth - 1));
    }
  }

  /// Gives every variable a value in its range.
  std::string choose_values(Evaluator& evaluator) {
    std::string text;
    for (VarId id : ids_) {
      const Interval range = ranges_.at(id);
      const std::int64_t value = rng_.between(range.min, range.max);
      evaluator.set_int(id, value);
      text += fmt::format("v{}={} ", index_of(id), value);
    }
    return text;
  }

 private:
  std::int64_t factor() {
    static constexpr std::int64_t usual[] = {1, 2, 3, 4, 6, 7, 8, 12, 14, 16};
    return usual[rng_.below(std::size(usual))];
  }
  Rng& rng_;
  std::vector<VarId> ids_;
  VarRanges ranges_;
};

}  // namespace tunesmith::ir::testing
