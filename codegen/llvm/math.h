// Math functions as emitted polynomials, at any vector width. f32 only: the other types and the functions
// that are not listed here go through libm, lane by lane.
//
// Error bounds, in units in the last place of the exact result, as checked by dense sweeps in the tests.
// Special values are exact: NaN stays NaN, exp(-inf) = 0, log(0) = -inf, log of a negative is NaN, overflow
// gives infinity. Denormal results may be flushed by at most their rounding.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include <string>

#include "codegen/llvm/math_bounds.h"
#include "ir/expr.h"

namespace tunesmith::codegen {

/// The value of `op` on a float or a vector of floats; null when `op` has no polynomial here. `has_avx512`: instructions of
/// AVX-512F may be used on vectors of 16.
llvm::Value* emit_math(llvm::IRBuilder<>& builder, ir::UnaryOp op, llvm::Value* x, bool has_avx512);

/// Name of libm's function for `op` ("" when there is none): "sin" for doubles, "sinf" for floats.
std::string libm_name(ir::UnaryOp op, bool is_double);

}  // namespace tunesmith::codegen
