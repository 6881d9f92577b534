// Extent: how many iterations a loop has, as far as lowering knows. Internal to the room.
//
// Blocks make extents that take a few values only (the whole block and the rest): such an extent keeps the
// list, so that a loop that needs a constant can be lowered once for each value. Thread safety: values.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/expr.h"

namespace tunesmith::schedules {

struct Extent {
  ir::Expr expr;                     // null: not known yet
  std::vector<std::int64_t> values;  // all that it may be, ascending; empty: anything up to `max`
  std::int64_t max = 0;

  bool is_known() const { return static_cast<bool>(expr); }
  bool is_constant() const { return values.size() == 1; }
  /// Nothing but the upper bound is known.
  bool is_open() const { return values.empty(); }
};

Extent constant_extent(std::int64_t value);
/// `expr` is one of `values` (any order, at least one).
Extent extent_of(ir::Expr expr, std::vector<std::int64_t> values);
Extent open_extent(ir::Expr expr, std::int64_t max);

/// ceil(a / factor)
Extent ceil_div(const Extent& a, std::int64_t factor);
Extent product(const Extent& a, const Extent& b);
/// Elements from the first to the last of `count` elements that are `step` apart, each `width` wide.
Extent span(const Extent& count, std::int64_t step, const Extent& width);
/// The larger end of two ranges that start at 0 and at `shift`: max(a, shift + b).
Extent joined(const Extent& a, std::int64_t shift, const Extent& b);

}  // namespace tunesmith::schedules
