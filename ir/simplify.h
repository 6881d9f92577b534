// Algebraic simplifier, driven by one table of rewrite rules that the tests fuzz (simplify_rules.h).
//
// i64 arithmetic is taken to be exact: expressions that overflow may change their value. Other integer
// dtypes wrap and are left alone. Thread safety: pure functions.
#pragma once

#include <span>
#include <string_view>

#include "ir/affine.h"
#include "ir/stmt.h"

namespace tunesmith::ir {

/// An equal expression, usually smaller. Float arithmetic is never reassociated. `ranges` lets it
/// resolve floor_div, floor_mod, min, max and comparisons of variables with known ranges.
Expr simplify(const Expr& e, const VarRanges& ranges = {});
/// Simplifies all expressions (loop extents give the ranges), drops dead branches and empty loops,
/// turns loops of extent 1 into substitutions.
Stmt simplify(const Stmt& s, VarRanges ranges = {});

}  // namespace tunesmith::ir
