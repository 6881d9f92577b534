// Integer arithmetic with the width and sign of a dtype, shared by constant folding, the interpreter and models of nests,
// so that they cannot differ. Values travel as i64; u64 uses the same bits.
#pragma once

#include <cstdint>
#include <optional>

#include "ir/expr.h"

namespace tunesmith::ir {

/// `value` reduced to the width of an integer or boolean dtype (boolean: value != 0).
std::int64_t wrap_integer(DType dtype, std::int64_t value);

/// The operator on two values of `dtype` (integer or boolean), wrapped. nullopt: division by zero, or
/// an operator that integers do not have (atan2). A shift by the width or more gives what shifting one
/// by one would give.
std::optional<std::int64_t> integer_binary(BinaryOp op, DType dtype, std::int64_t a, std::int64_t b);

/// floor(a / b) and the remainder with the sign of b. REQUIRES: b != 0.
std::int64_t floor_div_i64(std::int64_t a, std::int64_t b);
std::int64_t floor_mod_i64(std::int64_t a, std::int64_t b);

}  // namespace tunesmith::ir
