// Internal: simplification of i64 arithmetic by way of its affine form and intervals. Each function
// looks at one node whose operands are simple already and gives an equal one, or nullopt when it has
// nothing better. Thread safety: pure functions.
#pragma once

#include <optional>

#include "ir/affine.h"

namespace tunesmith::ir {

/// Sums, differences, negations and products: collects like terms, and joins quotients with their
/// remainders: x // c * c + x % c -> x.
std::optional<Expr> simplify_sum(const Expr& e);

/// floor_div and floor_mod of `dividend` by a positive constant. Splits off what the divisor divides, and
/// what is too small to matter: (i * 4 + j) // 8 -> i // 2 for j in [0, 4).
std::optional<Expr> simplify_quotient(const Expr& dividend, std::int64_t divisor, const VarRanges& ranges);
std::optional<Expr> simplify_remainder(const Expr& dividend, std::int64_t divisor, const VarRanges& ranges);

/// A comparison of i64 operands: decided by intervals, or brought to `a < b`, `a == b` or `a != b` with
/// like terms and common factors cancelled.
std::optional<Expr> simplify_comparison(const Binary& n, const VarRanges& ranges);

/// True when `condition` (comparisons of i64 joined by `and`) holds for all values in the ranges.
bool is_proved(const Expr& condition, const VarRanges& ranges);

}  // namespace tunesmith::ir
