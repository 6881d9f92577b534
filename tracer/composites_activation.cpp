// Activations. `max(a, b)` is `a > b ? a : b`, so that the constant stands first wherever a NaN of x has to
// survive.
#include <cmath>
#include <limits>
#include <numbers>

#include "ir/support/error.h"
#include "tracer/composites.h"
#include "tracer/composites_util.h"

namespace tunesmith::tracer::ops {

using ir::BinaryOp;
using ir::UnaryOp;

namespace {

ValueId at_least(Graph& graph, ValueId x, double low) {
  return binary(graph, BinaryOp::max, scalar_like(graph, x, low), x);
}

ValueId at_most(Graph& graph, ValueId x, double high) {
  return binary(graph, BinaryOp::min, scalar_like(graph, x, high), x);
}

/// exp(x) - 1 where x < 0 and 0 elsewhere: large x must not become inf * 0.
ValueId expm1_below_zero(Graph& graph, ValueId x) {
  return unary(graph, UnaryOp::expm1, at_most(graph, x, 0));
}

ValueId softplus_of(Graph& graph, ValueId x) {
  const ValueId magnitude = unary(graph, UnaryOp::abs, x);
  const ValueId tail =
      unary(graph, UnaryOp::log1p, unary(graph, UnaryOp::exp, unary(graph, UnaryOp::neg, magnitude)));
  return add(graph, at_least(graph, x, 0), tail);
}

ValueId hard_sigmoid_of(Graph& graph, ValueId x, double alpha, double beta) {
  return at_most(graph, at_least(graph, add(graph, mul(graph, x, alpha), beta), 0), 1);
}

ValueId gelu_of(Graph& graph, ValueId x, GeluForm form) {
  ValueId inner;
  if (form == GeluForm::erf) {
    inner = unary(graph, UnaryOp::erf, mul(graph, x, 1 / std::numbers::sqrt2));
  } else {
    const ValueId cubic = mul(graph, mul(graph, mul(graph, x, x), x), 0.044715);
    const double root = std::sqrt(2 / std::numbers::pi);
    inner = unary(graph, UnaryOp::tanh, mul(graph, add(graph, x, cubic), root));
  }
  return mul(graph, mul(graph, x, 0.5), add(graph, inner, 1));
}

}  // namespace

ValueId relu(Graph& graph, ValueId x) { return at_least(graph, x, 0); }

ValueId prelu(Graph& graph, ValueId x, ValueId slope) {
  return where(graph, less(graph, x, 0), mul(graph, x, slope), x);
}

ValueId leaky_relu(Graph& graph, ValueId x, double slope) {
  return prelu(graph, x, scalar_like(graph, x, slope));
}

ValueId thresholded_relu(Graph& graph, ValueId x, double threshold) {
  const ValueId low = binary(graph, BinaryOp::le, x, scalar_like(graph, x, threshold));
  return where(graph, low, scalar_like(graph, x, 0), x);
}

ValueId elu(Graph& graph, ValueId x, double alpha) {
  return in_wide(graph, x, [&](ValueId v) {
    return where(graph, less(graph, v, 0), mul(graph, expm1_below_zero(graph, v), alpha), v);
  });
}

ValueId celu(Graph& graph, ValueId x, double alpha) {
  return in_wide(graph, x, [&](ValueId v) {
    const ValueId below = mul(graph, expm1_below_zero(graph, mul(graph, v, 1 / alpha)), alpha);
    return where(graph, less(graph, v, 0), below, v);
  });
}

ValueId selu(Graph& graph, ValueId x, double alpha, double gamma) {
  return in_wide(graph, x, [&](ValueId v) { return mul(graph, elu(graph, v, alpha), gamma); });
}

ValueId sigmoid(Graph& graph, ValueId x) { return unary(graph, UnaryOp::sigmoid, x); }

ValueId hard_sigmoid(Graph& graph, ValueId x, double alpha, double beta) {
  return in_wide(graph, x, [&](ValueId v) { return hard_sigmoid_of(graph, v, alpha, beta); });
}

ValueId hard_swish(Graph& graph, ValueId x) {
  return in_wide(graph, x, [&](ValueId v) { return mul(graph, v, hard_sigmoid_of(graph, v, 1.0 / 6, 0.5)); });
}

ValueId silu(Graph& graph, ValueId x, double alpha) {
  return in_wide(graph, x, [&](ValueId v) {
    return mul(graph, v, sigmoid(graph, alpha == 1 ? v : mul(graph, v, alpha)));
  });
}

ValueId gelu(Graph& graph, ValueId x, GeluForm form) {
  return in_wide(graph, x, [&](ValueId v) { return gelu_of(graph, v, form); });
}

ValueId softplus(Graph& graph, ValueId x) {
  return in_wide(graph, x, [&](ValueId v) { return softplus_of(graph, v); });
}

ValueId softsign(Graph& graph, ValueId x) {
  return in_wide(graph, x,
                 [&](ValueId v) { return div(graph, v, add(graph, unary(graph, UnaryOp::abs, v), 1)); });
}

ValueId mish(Graph& graph, ValueId x) {
  return in_wide(
      graph, x, [&](ValueId v) { return mul(graph, v, unary(graph, UnaryOp::tanh, softplus_of(graph, v))); });
}

ValueId shrink(Graph& graph, ValueId x, double bias, double lambda) {
  // Integers are compared and moved as floats, as the bounds need not be whole.
  const DType dtype = graph.type(x).dtype;
  const ValueId v = cast(graph, x, ir::is_float(dtype) ? wide_dtype(dtype) : DType::f64);
  const ValueId inner =
      where(graph, greater(graph, v, lambda), add(graph, v, -bias), scalar_like(graph, v, 0));
  return cast(graph, where(graph, less(graph, v, -lambda), add(graph, v, bias), inner), dtype);
}

ValueId clip(Graph& graph, ValueId x, std::optional<ValueId> low, std::optional<ValueId> high) {
  if (low) x = binary(graph, BinaryOp::max, *low, x);
  if (high) x = binary(graph, BinaryOp::min, *high, x);
  return x;
}

ValueId clip(Graph& graph, ValueId x, double low, double high) {
  return clip(graph, x, scalar_like(graph, x, low), scalar_like(graph, x, high));
}

}  // namespace tunesmith::tracer::ops
