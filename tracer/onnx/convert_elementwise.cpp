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

/// Before operator set 7 the second operand's axes lie at `axis` of the first's (at its end without one).
ValueId second_operand(const Node& n) {
  if (n.integer("broadcast", 0) == 0) return n.input(1);
  const std::vector<std::int64_t> first = n.dims(0);
  std::vector<std::int64_t> shape = n.dims(1);
  const auto room = static_cast<std::int64_t>(first.size()) - static_cast<std::int64_t>(shape.size());
  const std::int64_t axis = n.integer("axis", room);
  if (axis < 0 || axis > room) n.refuse("attribute 'axis' is {}; accepted: 0 to {}", axis, room);
  shape.resize(shape.size() + static_cast<std::size_t>(room - axis), 1);
  return ops::reshape(n.graph(), n.input(1), shape);
}

template <BinaryOp op>
Values binary(const Node& n) {
  return {ops::binary(n.graph(), op, n.input(0), second_operand(n))};
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

/// A power of two without a sign, from a value rounded up (the default), down or to the nearest.
ValueId to_power_of_two(const Node& n, ValueId x) {
  Graph& g = n.graph();
  const std::string mode = n.text("round_mode", "up");
  if (mode != "up" && mode != "down" && mode != "nearest")
    n.refuse("attribute 'round_mode' is '{}'; accepted: up, down, nearest", mode);
  if (mode == "nearest") return x;
  constexpr double below_exponent = 0x7fffff, exponent = 0x7f800000;  // bits of an f32
  const ValueId value = ops::cast(g, x, DType::f32);
  ValueId bits = ops::bit_cast(g, value, DType::i32);
  if (mode == "up") bits = ops::binary(g, BinaryOp::add, bits, ops::scalar(g, DType::i32, below_exponent));
  bits = ops::binary(g, BinaryOp::bit_and, bits, ops::scalar(g, DType::i32, exponent));
  const ValueId normal = ops::binary(g, BinaryOp::gt, value, ops::scalar(g, DType::f32, 0x1p-127));
  return ops::where(g, normal, ops::bit_cast(g, bits, DType::f32), value);
}

ValueId cast_to(const Node& n, DType to) {
  Graph& g = n.graph();
  ValueId x = n.input(0);
  const bool from_float = ir::is_float(g.type(x).dtype);
  if (to == DType::f8e8m0 && from_float) x = to_power_of_two(n, x);
  if (to == DType::f4e2m1 && from_float)  // has no NaN: the standard's data say -0
    x = ops::where(g, ops::unary(g, UnaryOp::is_nan, x), ops::scalar_like(g, x, -0.0), x);
  return ops::cast(g, x, to, n.integer("saturate", 1) != 0);
}

Values cast(const Node& n) {
  return {cast_to(n, dtype_of(static_cast<std::int32_t>(n.required_integer("to"))))};
}

Values cast_like(const Node& n) { return {cast_to(n, n.type(1).dtype)}; }

Values bit_cast(const Node& n) {
  return {
      ops::bit_cast(n.graph(), n.input(0), dtype_of(static_cast<std::int32_t>(n.required_integer("to"))))};
}

/// Bounds are attributes up to opset 10, operands after.
Values clip(const Node& n) {
  Graph& g = n.graph();
  std::optional<ValueId> low = n.optional_input(1), high = n.optional_input(2);
  if (n.has("min")) low = ops::scalar_like(g, n.input(0), n.real("min", 0));
  if (n.has("max")) high = ops::scalar_like(g, n.input(0), n.real("max", 0));
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
/// Before operator set 7 a slope of one dimension is one a channel.
Values prelu(const Node& n) {
  ValueId slope = n.input(1);
  if (n.opset() < 7 && n.rank(1) == 1 && n.dims(1)[0] != 1) {
    if (n.rank(0) < 2) n.refuse("operand 0 has {} dimensions; a slope a channel needs 2 or more", n.rank(0));
    std::vector<std::int64_t> shape(n.rank(0) - 1, 1);
    shape[0] = n.dims(1)[0];
    slope = ops::reshape(n.graph(), slope, shape);
  }
  return {ops::prelu(n.graph(), n.input(0), slope)};
}
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

/// In inference mode, and where nothing is dropped: the operand, and a mask of ones.
Values dropout(const Node& n) {
  if (n.opset() < 7 && n.integer("is_test", 0) == 0) n.refuse("attribute 'is_test' is 0; accepted: 1");
  const bool training = n.opset() >= 12 && n.has_input(2) && n.constant_bool(n.input(2), "training_mode");
  if (training && (!n.has_input(1) || n.constant_float(1, "ratio") != 0))
    n.refuse("training mode is not supported");
  n.ignore(1);  // the ratio
  const ValueId x = n.input(0);
  if (n.output_count() < 2) return {x};
  const DType mask = n.opset() >= 10 ? DType::boolean : n.type(0).dtype;
  return {x, ops::expand(n.graph(), ops::scalar(n.graph(), mask, 1), n.dims(0))};
}

constexpr std::string_view old_broadcast = "axis<7 broadcast<7";

constexpr Conversion table[] = {
    {"Abs", 1, "", unary<UnaryOp::abs>},
    {"Acos", 7, "", unary<UnaryOp::acos>},
    {"Acosh", 9, "", unary<UnaryOp::acosh>},
    {"Add", 1, old_broadcast, binary<BinaryOp::add>},
    {"And", 1, old_broadcast, binary<BinaryOp::bit_and>},
    {"Asin", 7, "", unary<UnaryOp::asin>},
    {"Asinh", 9, "", unary<UnaryOp::asinh>},
    {"Atan", 7, "", unary<UnaryOp::atan>},
    {"Atanh", 9, "", unary<UnaryOp::atanh>},
    {"BitCast", 26, "to", bit_cast},
    {"BitShift", 11, "direction", bit_shift},
    {"BitwiseAnd", 18, "", binary<BinaryOp::bit_and>},
    {"BitwiseNot", 18, "", unary<UnaryOp::bit_not>},
    {"BitwiseOr", 18, "", binary<BinaryOp::bit_or>},
    {"BitwiseXor", 18, "", binary<BinaryOp::bit_xor>},
    {"Cast", 1, "to saturate@19 round_mode@24", cast},
    {"CastLike", 15, "saturate@19 round_mode@24", cast_like},
    {"Ceil", 1, "", unary<UnaryOp::ceil>},
    {"Celu", 12, "alpha", celu},
    {"Clip", 1, "min<11 max<11 #1@11 #2@11", clip},
    {"Cos", 7, "", unary<UnaryOp::cos>},
    {"Cosh", 9, "", unary<UnaryOp::cosh>},
    {"Div", 1, old_broadcast, binary<BinaryOp::div>},
    {"Dropout", 1, "is_test<7 ratio<12 seed@12 #1@12 #2@12", dropout},
    {"Elu", 1, "alpha", elu},
    {"Equal", 1, old_broadcast, binary<BinaryOp::eq>},
    {"Erf", 9, "", unary<UnaryOp::erf>},
    {"Exp", 1, "", unary<UnaryOp::exp>},
    {"Floor", 1, "", unary<UnaryOp::floor>},
    {"Gelu", 20, "approximate", gelu},
    {"Greater", 1, old_broadcast, binary<BinaryOp::gt>},
    {"GreaterOrEqual", 12, "", binary<BinaryOp::ge>},
    {"HardSigmoid", 1, "alpha beta", hard_sigmoid},
    {"HardSwish", 14, "", plain<ops::hard_swish>},
    {"Identity", 1, "", identity},
    {"IsInf", 10, "detect_negative detect_positive", is_inf},
    {"IsNaN", 9, "", unary<UnaryOp::is_nan>},
    {"LeakyRelu", 1, "alpha", leaky_relu},
    {"Less", 1, old_broadcast, binary<BinaryOp::lt>},
    {"LessOrEqual", 12, "", binary<BinaryOp::le>},
    {"Log", 1, "", unary<UnaryOp::log>},
    {"Max", 1, "", extremum<BinaryOp::max>},
    {"Mean", 1, "", mean},
    {"Min", 1, "", extremum<BinaryOp::min>},
    {"Mish", 18, "", plain<ops::mish>},
    {"Mod", 10, "fmod", mod},
    {"Mul", 1, old_broadcast, binary<BinaryOp::mul>},
    {"Neg", 1, "", unary<UnaryOp::neg>},
    {"Not", 1, "", unary<UnaryOp::logical_not>},
    {"Or", 1, old_broadcast, binary<BinaryOp::bit_or>},
    {"PRelu", 1, "", prelu},
    {"Pow", 1, old_broadcast, pow},
    {"Reciprocal", 1, "", unary<UnaryOp::reciprocal>},
    {"Relu", 1, "", plain<ops::relu>},
    {"Round", 11, "", unary<UnaryOp::round_even>},
    {"Selu", 1, "alpha gamma", selu},
    {"Shrink", 9, "bias lambd", shrink},
    {"Sigmoid", 1, "", unary<UnaryOp::sigmoid>},
    {"Sign", 9, "", unary<UnaryOp::sign>},
    {"Sin", 7, "", unary<UnaryOp::sin>},
    {"Sinh", 9, "", unary<UnaryOp::sinh>},
    {"Softplus", 1, "", plain<ops::softplus>},
    {"Softsign", 1, "", plain<ops::softsign>},
    {"Sqrt", 1, "", unary<UnaryOp::sqrt>},
    {"Sub", 1, old_broadcast, binary<BinaryOp::sub>},
    {"Sum", 1, "", variadic<BinaryOp::add>},
    {"Swish", 24, "alpha", swish},
    {"Tan", 7, "", unary<UnaryOp::tan>},
    {"Tanh", 1, "", unary<UnaryOp::tanh>},
    {"ThresholdedRelu", 10, "alpha", thresholded_relu},
    {"Where", 9, "", where},
    {"Xor", 1, old_broadcast, binary<BinaryOp::bit_xor>},
};

}  // namespace

std::span<const Conversion> elementwise_conversions() { return table; }

}  // namespace tunesmith::tracer
