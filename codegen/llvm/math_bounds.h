// Error bounds of the emitted math functions; math.h has what they mean.
#pragma once

#include "ir/expr.h"

namespace tunesmith::codegen {

struct MathBound {
  ir::UnaryOp op;
  double ulp;
};
inline constexpr MathBound math_bounds[] = {
    {ir::UnaryOp::exp, 1.5}, {ir::UnaryOp::log, 1.5},     {ir::UnaryOp::tanh, 2.5},
    {ir::UnaryOp::erf, 3.5}, {ir::UnaryOp::sigmoid, 3.0},
};

}  // namespace tunesmith::codegen
