// Internal: what one scalar operation gives, for every dtype. The interpreter and the tests of the
// rewrite rules use it; integers defer to integer_ops.h. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>

#include "ir/expr.h"

namespace tunesmith::ir {

/// A scalar of any dtype: `f` for floats, `i` for integers and booleans (u64 by its bits).
union Scalar {
  std::int64_t i;
  double f;
};

/// Rounds a double to a value of the float dtype. f16 and bf16 round by way of f32.
double round_to(DType dtype, double value);

/// nullopt: integer division by zero. REQUIRES: has_operator(op, dtype).
std::optional<Scalar> scalar_binary(BinaryOp op, DType dtype, Scalar a, Scalar b);
Scalar scalar_unary(UnaryOp op, DType dtype, Scalar a);
/// From floats to integers as store_double does it; 8-bit floats saturate.
Scalar scalar_cast(DType to, DType from, Scalar a);
Scalar scalar_bit_cast(DType to, DType from, Scalar a);

/// Which operators a dtype has: transcendental ones are for floats, bitwise ones for integers.
bool has_operator(UnaryOp op, DType dtype);
bool has_operator(BinaryOp op, DType dtype);

}  // namespace tunesmith::ir
