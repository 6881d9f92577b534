// Elementwise operators and activations.
#include <limits>

#include "tracer/composites.h"
#include "tracer/onnx/node.h"
#include "tracer/onnx/tensor_proto.h"

namespace tunesmith::tracer {
namespace {

using ir::BinaryOp;
using ir::UnaryOp;
using Values = std::vector<ValueId>;

template <UnaryOp op>
Values unary(const Node& n) {
  return {ops::unary(n.graph(), op, n.input(0))};
}

template <BinaryOp op>
Values binary(const Node& n) {
  return {ops::binary(n.graph(), op, n.input(0), n.input(1))};
}

template <BinaryOp op>
Values variadic(const Node& n) {
  ValueId value = n.input(0);
  for (std::size_t i = 1; i < n.input_count(); ++i) value = ops::binary(n.graph(), op, value, n.input(i));
  return {value};
}

Values mean(const Node& n) {
  const ValueId sum = variadic<BinaryOp::add>(n)[0];
  return {ops::binary(n.graph(), BinaryOp::div, sum,
                      ops::scalar_like(n.graph(), sum, static_cast<double>(n.input_count())))};
}

/// Min and Max keep a NaN of either side.
template <BinaryOp op>
Values extremum(const Node& n) {
  Graph& g = n.graph();
  ValueId value = n.input(0);
  for (std::size_t i = 1; i < n.input_count(); ++i) {
    const ValueId next = ops::binary(g, op, value, n.input(i));
    value = ir::is_float(g.type(value).dtype)
                ? ops::where(g, ops::unary(g, UnaryOp::is_nan, value), value, next)
                : next;
  }
  return {value};
}

Values mod(const Node& n) {
  const bool c_style = n.integer("fmod", 0) != 0 || ir::is_float(n.type(0).dtype);
  return {ops::binary(n.graph(), c_style ? BinaryOp::mod : BinaryOp::floor_mod, n.input(0), n.input(1))};
}

/// The exponent may have another type than the base; the result has the base's.
Values pow(const Node& n) {
  Graph& g = n.graph();
  const DType base = n.type(0).dtype, exponent = n.type(1).dtype;
  if (base == exponent) return binary<BinaryOp::pow>(n);
  if (ir::is_float(base)) return {ops::binary(g, BinaryOp::pow, n.input(0), ops::cast(g, n.input(1), base))};
  const DType wide = ir::is_float(exponent) ? DType::f64 : DType::i64;
  const ValueId power =
      ops::binary(g, BinaryOp::pow, ops::cast(g, n.input(0), wide), ops::cast(g, n.input(1), wide));
  return {ops::cast(g, power, base)};
}

Values bit_shift(const Node& n) {
  const std::string direction = n.text("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    n.refuse("attribute 'direction' is '{}'; accepted: LEFT, RIGHT", direction);
  return {ops::binary(n.graph(), direction == "LEFT" ? BinaryOp::shift_left : BinaryOp::shift_right,
                      n.input(0), n.input(1))};
}

Values is_inf(const Node& n) {
  Graph& g = n.graph();
  const ValueId x = n.input(0);
  const ValueId infinite = ops::unary(g, UnaryOp::is_inf, x);
  const bool negative = n.integer("detect_negative", 1) != 0, positive = n.integer("detect_positive", 1) != 0;
  if (negative && positive) return {infinite};
  const ValueId zero = ops::scalar_like(g, x, 0);
  const ValueId side = ops::binary(g, positive ? BinaryOp::gt : BinaryOp::lt, x, zero);
  if (!negative && !positive)
    return {ops::binary(g, BinaryOp::bit_and, infinite, ops::unary(g, UnaryOp::logical_not, infinite))};
  return {ops::binary(g, BinaryOp::bit_and, infinite, side)};
}

Values where(const Node& n) { return {ops::where(n.graph(), n.input(0), n.input(1), n.input(2))}; }

Values identity(const Node& n) { return {n.input(0)}; }

Values cast(const Node& n) {
  return {ops::cast(n.graph(), n.input(0), dtype_of(static_cast<std::int32_t>(n.required_integer("to"))),
                    n.integer("saturate", 1) != 0)};
}

Values cast_like(const Node& n) {
  return {ops::cast(n.graph(), n.input(0), n.type(1).dtype, n.integer("saturate", 1) != 0)};
}

Values bit_cast(const Node& n) {
  return {
      ops::bit_cast(n.graph(), n.input(0), dtype_of(static_cast<std::int32_t>(n.required_integer("to"))))};
}

/// Bounds are attributes up to opset 10, operands after.
Values clip(const Node& n) {
  Graph& g = n.graph();
  std::optional<ValueId> low = n.optional_input(1), high = n.optional_input(2);
  if (n.opset() < 11) {
    if (n.has("min")) low = ops::scalar_like(g, n.input(0), n.real("min", 0));
    if (n.has("max")) high = ops::scalar_like(g, n.input(0), n.real("max", 0));
  }
  return {ops::clip(g, n.input(0), low, high)};
}

template <ValueId (*f)(Graph&, ValueId)>
Values plain(const Node& n) {
  return {f(n.graph(), n.input(0))};
}

Values leaky_relu(const Node& n) { return {ops::leaky_relu(n.graph(), n.input(0), n.real("alpha", 0.01))}; }
Values thresholded_relu(const Node& n) {
  return {ops::thresholded_relu(n.graph(), n.input(0), n.real("alpha", 1.0))};
}
Values prelu(const Node& n) { return {ops::prelu(n.graph(), n.input(0), n.input(1))}; }
Values elu(const Node& n) { return {ops::elu(n.graph(), n.input(0), n.real("alpha", 1.0))}; }
Values celu(const Node& n) { return {ops::celu(n.graph(), n.input(0), n.real("alpha", 1.0))}; }
Values selu(const Node& n) {
  return {ops::selu(n.graph(), n.input(0), n.real("alpha", 1.67326319217681884765625),
                    n.real("gamma", 1.05070102214813232421875))};
}
Values hard_sigmoid(const Node& n) {
  return {ops::hard_sigmoid(n.graph(), n.input(0), n.real("alpha", 0.2), n.real("beta", 0.5))};
}
Values swish(const Node& n) { return {ops::silu(n.graph(), n.input(0), n.real("alpha", 1.0))}; }
Values shrink(const Node& n) {
  return {ops::shrink(n.graph(), n.input(0), n.real("bias", 0.0), n.real("lambd", 0.5))};
}
Values gelu(const Node& n) {
  const std::string form = n.text("approximate", "none");
  if (form != "none" && form != "tanh")
    n.refuse("attribute 'approximate' is '{}'; accepted: none, tanh", form);
  return {ops::gelu(n.graph(), n.input(0), form == "tanh" ? ops::GeluForm::tanh : ops::GeluForm::erf)};
}

/// In inference mode: the operand, and a mask of ones.
Values dropout(const Node& n) {
  if (n.opset() >= 12 && n.has_input(2) && n.constant(2, "training_mode").int_at(0) != 0)
    n.refuse("training mode is not supported");
  const ValueId x = n.input(0);
  if (n.output_count() < 2) return {x};
  const DType mask = n.opset() >= 10 ? DType::boolean : n.type(0).dtype;
  return {x, ops::expand(n.graph(), ops::scalar(n.graph(), mask, 1), n.dims(0))};
}

constexpr Conversion table[] = {
    {"Abs", "", unary<UnaryOp::abs>},
    {"Acos", "", unary<UnaryOp::acos>},
    {"Acosh", "", unary<UnaryOp::acosh>},
    {"Add", "", binary<BinaryOp::add>},
    {"And", "", binary<BinaryOp::bit_and>},
    {"Asin", "", unary<UnaryOp::asin>},
    {"Asinh", "", unary<UnaryOp::asinh>},
    {"Atan", "", unary<UnaryOp::atan>},
    {"Atanh", "", unary<UnaryOp::atanh>},
    {"BitCast", "to", bit_cast},
    {"BitShift", "direction", bit_shift},
    {"BitwiseAnd", "", binary<BinaryOp::bit_and>},
    {"BitwiseNot", "", unary<UnaryOp::bit_not>},
    {"BitwiseOr", "", binary<BinaryOp::bit_or>},
    {"BitwiseXor", "", binary<BinaryOp::bit_xor>},
    {"Cast", "to saturate round_mode", cast},
    {"CastLike", "saturate round_mode", cast_like},
    {"Ceil", "", unary<UnaryOp::ceil>},
    {"Celu", "alpha", celu},
    {"Clip", "min max", clip},
    {"Cos", "", unary<UnaryOp::cos>},
    {"Cosh", "", unary<UnaryOp::cosh>},
    {"Div", "", binary<BinaryOp::div>},
    {"Dropout", "ratio seed", dropout},
    {"Elu", "alpha", elu},
    {"Equal", "", binary<BinaryOp::eq>},
    {"Erf", "", unary<UnaryOp::erf>},
    {"Exp", "", unary<UnaryOp::exp>},
    {"Floor", "", unary<UnaryOp::floor>},
    {"Gelu", "approximate", gelu},
    {"Greater", "", binary<BinaryOp::gt>},
    {"GreaterOrEqual", "", binary<BinaryOp::ge>},
    {"HardSigmoid", "alpha beta", hard_sigmoid},
    {"HardSwish", "", plain<ops::hard_swish>},
    {"Identity", "", identity},
    {"IsInf", "detect_negative detect_positive", is_inf},
    {"IsNaN", "", unary<UnaryOp::is_nan>},
    {"LeakyRelu", "alpha", leaky_relu},
    {"Less", "", binary<BinaryOp::lt>},
    {"LessOrEqual", "", binary<BinaryOp::le>},
    {"Log", "", unary<UnaryOp::log>},
    {"Max", "", extremum<BinaryOp::max>},
    {"Mean", "", mean},
    {"Min", "", extremum<BinaryOp::min>},
    {"Mish", "", plain<ops::mish>},
    {"Mod", "fmod", mod},
    {"Mul", "", binary<BinaryOp::mul>},
    {"Neg", "", unary<UnaryOp::neg>},
    {"Not", "", unary<UnaryOp::logical_not>},
    {"Or", "", binary<BinaryOp::bit_or>},
    {"PRelu", "", prelu},
    {"Pow", "", pow},
    {"Reciprocal", "", unary<UnaryOp::reciprocal>},
    {"Relu", "", plain<ops::relu>},
    {"Round", "", unary<UnaryOp::round_even>},
    {"Selu", "alpha gamma", selu},
    {"Shrink", "bias lambd", shrink},
    {"Sigmoid", "", unary<UnaryOp::sigmoid>},
    {"Sign", "", unary<UnaryOp::sign>},
    {"Sin", "", unary<UnaryOp::sin>},
    {"Sinh", "", unary<UnaryOp::sinh>},
    {"Softplus", "", plain<ops::softplus>},
    {"Softsign", "", plain<ops::softsign>},
    {"Sqrt", "", unary<UnaryOp::sqrt>},
    {"Sub", "", binary<BinaryOp::sub>},
    {"Sum", "", variadic<BinaryOp::add>},
    {"Swish", "alpha", swish},
    {"Tan", "", unary<UnaryOp::tan>},
    {"Tanh", "", unary<UnaryOp::tanh>},
    {"ThresholdedRelu", "alpha", thresholded_relu},
    {"Where", "", where},
    {"Xor", "", binary<BinaryOp::bit_xor>},
};

}  // namespace

std::span<const Conversion> elementwise_conversions() { return table; }

}  // namespace tunesmith::tracer
