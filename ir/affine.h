// Affine view of index expressions: sum of coefficient * term + constant, and interval bounds.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ir/expr.h"

namespace tunesmith::ir {

/// A term is a variable or a non-affine sub-expression (floor_div, floor_mod, load, …) taken whole.
struct AffineTerm {
  Expr term;
  std::int64_t coefficient = 0;
};
struct Affine {
  std::vector<AffineTerm> terms;  // in order of first appearance; no zero coefficients
  std::int64_t constant = 0;
  bool is_exact = true;  // false: a coefficient or the constant wrapped; equal to the expression still, but modulo 2^64

  /// Coefficient of a plain variable (0 when it does not appear by itself).
  std::int64_t coefficient(VarId id) const;
  /// True when `id` appears inside a non-affine term.
  bool hides(VarId id) const;
};
/// Always succeeds on index expressions: what is not affine becomes a term of its own.
Affine to_affine(const Expr& index);
Expr to_expr(const Affine& affine);

/// Inclusive range of an index expression.
struct Interval {
  std::int64_t min = 0;
  std::int64_t max = 0;
};
using VarRanges = std::unordered_map<VarId, Interval>;
/// Bounds of `index` with each variable in its range; nullopt when a variable has none or the form is
/// not understood (loads).
std::optional<Interval> bounds(const Expr& index, const VarRanges& ranges);

}  // namespace tunesmith::ir
