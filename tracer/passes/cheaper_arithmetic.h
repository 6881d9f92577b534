// Replaces arithmetic by cheaper arithmetic of the same value up to rounding:
//   pow(x, 2) -> x * x, pow(x, 3) -> x * x * x, pow(x, 0.5) -> sqrt(x)
//   x / c -> x * (1 / c)                       c constant
//   x / y -> x * (1 / y)                       y much smaller than x (a value a row)
//   (x * c) * d -> x * (c * d)                 c and d constant
//   matmul(x * c, y) -> matmul(x, y) * c       c a constant scalar, reshapes and transposes between
// so that factors meet where fold_scale or an epilogue takes them up. f32 and f64 only: narrower types would
// show the rounding.
#pragma once

#include "tracer/graph.h"

namespace tunesmith::tracer {

/// Leaves the replaced operators in the graph without readers.
Graph cheaper_arithmetic(const Graph& graph);

}  // namespace tunesmith::tracer
