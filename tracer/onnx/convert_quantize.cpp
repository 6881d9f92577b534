// Quantisation: integers with a scale and a zero point, per tensor, along one axis or per block.
#include "tracer/composites.h"
#include "tracer/onnx/node.h"
#include "tracer/onnx/tensor_proto.h"
#include "tracer/onnx/window.h"

namespace tunesmith::tracer {
namespace {

using ir::BinaryOp;
using Values = std::vector<ValueId>;
using Ints = std::vector<std::int64_t>;

/// Where the scales and zero points of an operand lie: along `axis`, one for each `block` of elements (0: one
/// for each element).
struct Layout {
  std::int64_t axis = 0;
  std::int64_t block = 0;
};

/// A scale or zero point as an operand that broadcasts to data of `shape`: scalars as they are, vectors along
/// the axis, blocks repeated.
ValueId aligned(const Node& n, ValueId value, const Ints& shape, Layout layout) {
  Graph& g = n.graph();
  const Ints own = to_ints(g.type(value).shape);
  if (own.empty() || (own.size() == 1 && own[0] == 1 && layout.block == 0)) return ops::reshape(g, value, {});
  const auto rank = static_cast<std::int64_t>(shape.size());
  if (layout.axis < -rank || layout.axis >= rank)
    n.refuse("axis {} is out of range for {} dimensions", layout.axis, rank);
  const auto axis = static_cast<std::size_t>(layout.axis < 0 ? layout.axis + rank : layout.axis);
  if (layout.block == 0) {
    if (own.size() != 1) n.refuse("scales of {} dimensions need attribute 'block_size'", own.size());
    Ints target(shape.size(), 1);
    target[axis] = own[0];
    return ops::reshape(g, value, target);
  }
  if (own.size() != shape.size() || layout.block < 0 || own[axis] * layout.block < shape[axis])
    n.refuse("{} blocks of attribute 'block_size' {} do not cover {} elements",
             own.size() > axis ? own[axis] : 0, layout.block, shape[axis]);
  const auto behind = static_cast<std::ptrdiff_t>(axis) + 1;
  Ints split = own, repeated = own, joined = own;
  split.insert(split.begin() + behind, 1);
  repeated.insert(repeated.begin() + behind, layout.block);
  joined[axis] *= layout.block;
  const ValueId spread = ops::reshape(g, ops::expand(g, ops::reshape(g, value, split), repeated), joined);
  if (joined[axis] == shape[axis]) return spread;
  return ops::slice_axis(g, spread, static_cast<std::int64_t>(axis), 0, shape[axis]);
}

ValueId dequantized(const Node& n, ValueId x, ValueId scale, std::optional<ValueId> zero, Layout layout) {
  Graph& g = n.graph();
  const Ints shape = to_ints(g.type(x).shape);
  const DType dtype = g.type(scale).dtype;
  ValueId value = ops::cast(g, x, DType::f32);
  if (zero)
    value = ops::binary(g, BinaryOp::sub, value, ops::cast(g, aligned(n, *zero, shape, layout), DType::f32));
  value = ops::binary(g, BinaryOp::mul, value, ops::cast(g, aligned(n, scale, shape, layout), DType::f32));
  return ops::cast(g, value, dtype);
}

struct QuantizedForm {
  DType dtype = DType::u8;
  Layout layout = {};
  bool saturate = true;
  DType division = DType::f32;  // the type in which the operand is divided by the scale
};

/// Round to even, add the zero point, cut to the integer type's range.
ValueId quantized(const Node& n, ValueId x, ValueId scale, std::optional<ValueId> zero,
                  const QuantizedForm& form) {
  Graph& g = n.graph();
  const auto& [dtype, layout, saturate, division] = form;
  const Ints shape = to_ints(g.type(x).shape);
  ValueId value = ops::binary(g, BinaryOp::div, ops::cast(g, x, division),
                              ops::cast(g, aligned(n, scale, shape, layout), division));
  if (ir::is_float(dtype)) return ops::cast(g, value, dtype, saturate);
  value = ops::cast(g, value, DType::f32);
  value = ops::unary(g, ir::UnaryOp::round_even, value);
  if (zero)
    value = ops::binary(g, BinaryOp::add, value, ops::cast(g, aligned(n, *zero, shape, layout), DType::f32));
  return ops::cast(g, ops::clip(g, value, ir::lowest(dtype), ir::highest(dtype)), dtype);
}

Layout layout_of(const Node& n) { return {n.integer("axis", 1), n.integer("block_size", 0)}; }

Values dequantize_linear(const Node& n) {
  const ValueId y = dequantized(n, n.input(0), n.input(1), n.optional_input(2), layout_of(n));
  const auto dtype = static_cast<std::int32_t>(n.integer("output_dtype", 0));
  return {dtype == 0 ? y : ops::cast(n.graph(), y, dtype_of(dtype))};
}

/// The type of the division: what `precision` says, else the scale's where it is one to compute in.
DType division_dtype(const Node& n) {
  const std::int64_t given = n.integer("precision", 0);
  const DType dtype = given == 0 ? n.type(1).dtype : dtype_of(static_cast<std::int32_t>(given));
  const bool computes = dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::f32;
  if (!computes && given != 0)
    n.refuse("attribute 'precision' is {}; accepted: 1 (f32), 10 (f16), 16 (bf16)", given);
  return computes ? dtype : DType::f32;
}

Values quantize_linear(const Node& n) {
  QuantizedForm form{DType::u8, layout_of(n), n.integer("saturate", 1) != 0, division_dtype(n)};
  if (n.has_input(2))
    form.dtype = n.type(2).dtype;
  else if (n.integer("output_dtype", 0) != 0)
    form.dtype = dtype_of(static_cast<std::int32_t>(n.integer("output_dtype", 0)));
  return {quantized(n, n.input(0), n.input(1), n.optional_input(2), form)};
}

Values dynamic_quantize_linear(const Node& n) {
  Graph& g = n.graph();
  const ValueId x = n.input(0), zero = ops::scalar(g, DType::f32, 0);
  const ValueId high = ops::binary(g, BinaryOp::max, ops::reduce(g, "max", x), zero);
  const ValueId low = ops::binary(g, BinaryOp::min, ops::reduce(g, "min", x), zero);
  const ValueId scale = ops::binary(g, BinaryOp::div, ops::binary(g, BinaryOp::sub, high, low),
                                    ops::scalar(g, DType::f32, 255));
  const ValueId place = ops::unary(g, ir::UnaryOp::neg, ops::binary(g, BinaryOp::div, low, scale));
  const ValueId point =
      ops::cast(g, ops::unary(g, ir::UnaryOp::round_even, ops::clip(g, place, 0, 255)), DType::u8);
  return {quantized(n, x, scale, point, {}), scale, point};
}

/// Where a quantised operand stands among the inputs of its node.
struct Operand {
  std::size_t data = 0, zero = 0;
  std::int64_t axis = 0;  // of its zero points and scales
};

/// Two operands less their zero points, whose product is exact: sums of i32.
struct Factors {
  ValueId a, b;
};

/// Bytes as they are where no zero point moves them, else i32.
Factors centred(const Node& n, const Operand& a, const Operand& b) {
  Graph& g = n.graph();
  for (const Operand& x : {a, b}) {
    const DType dtype = n.type(x.data).dtype;
    if (dtype != DType::i8 && dtype != DType::u8)
      n.refuse("operand {} is {}; accepted: i8, u8", x.data, ir::to_string(dtype));
    if (n.has_input(x.zero) && n.type(x.zero).dtype != dtype)
      n.refuse("the zero point of operand {} is {}, the operand {}", x.data, ir::to_string(n.type(x.zero).dtype),
               ir::to_string(dtype));
  }
  auto moves = [&](const Operand& x) {
    if (!n.has_input(x.zero)) return false;
    const auto known = n.known(n.input(x.zero));
    if (!known) return true;
    for (std::int64_t i = 0; i < known->size(); ++i)
      if (known->int_at(i) != 0) return true;
    return false;
  };
  const bool a_moves = moves(a), b_moves = moves(b);
  if (!a_moves && !b_moves) return {n.input(a.data), n.input(b.data)};
  auto less_zero = [&](const Operand& operand, bool moved) {
    const ValueId x = ops::cast(g, n.input(operand.data), DType::i32);
    if (!moved) return x;
    const ValueId zero = aligned(n, n.input(operand.zero), n.dims(operand.data), {operand.axis});
    return ops::binary(g, BinaryOp::sub, x, ops::cast(g, zero, DType::i32));
  };
  return {less_zero(a, a_moves), less_zero(b, b_moves)};
}

std::int64_t row_axis(const Node& n) { return static_cast<std::int64_t>(n.rank(0)) - 2; }

Values matmul_integer(const Node& n) {
  const auto [a, b] = centred(n, {0, 2, row_axis(n)}, {1, 3, -1});
  return {ops::matmul(n.graph(), a, b)};
}

Values conv_integer(const Node& n) {
  const auto [x, w] = centred(n, {0, 2, 1}, {1, 3, 0});
  return {ops::conv(n.graph(), x, w, std::nullopt, conv_options(n, 1))};
}

/// What an exact sum of products stands for: times both scales, in f32, then to the output's scale.
ValueId requantized(const Node& n, ValueId sum, ValueId a_scale, ValueId b_scale, std::int64_t axis) {
  Graph& g = n.graph();
  const ValueId scale =
      ops::binary(g, BinaryOp::mul, ops::cast(g, a_scale, DType::f32), ops::cast(g, b_scale, DType::f32));
  const ValueId y = ops::binary(g, BinaryOp::mul, ops::cast(g, sum, DType::f32), scale);
  return quantized(n, y, n.input(6), n.input(7), {n.type(7).dtype, {axis}});
}

Values qlinear_matmul(const Node& n) {
  Graph& g = n.graph();
  const Operand a{0, 2, row_axis(n)}, b{3, 5, -1};
  if (ir::is_float(n.type(a.data).dtype) || ir::is_float(n.type(b.data).dtype)) {  // eight-bit floats
    const ValueId x = dequantized(n, n.input(0), n.input(1), n.input(2), {a.axis});
    const ValueId y = dequantized(n, n.input(3), n.input(4), n.input(5), {b.axis});
    const ValueId sum = ops::matmul(g, ops::cast(g, x, DType::f32), ops::cast(g, y, DType::f32));
    return {quantized(n, sum, n.input(6), n.input(7), {n.type(7).dtype, {-1}})};
  }
  const auto [x, y] = centred(n, a, b);
  return {requantized(n, ops::matmul(g, x, y), aligned(n, n.input(1), n.dims(0), {a.axis}),
                      aligned(n, n.input(4), n.dims(3), {b.axis}), -1)};
}

Values qlinear_conv(const Node& n) {
  Graph& g = n.graph();
  const auto [x, w] = centred(n, {0, 2, 1}, {3, 5, 0});
  ValueId sum = ops::conv(g, x, w, std::nullopt, conv_options(n, 3));
  const Ints shape = to_ints(g.type(sum).shape);
  // The bias is in units of the product of the scales: an integer like the sum.
  if (n.has_input(8)) sum = ops::binary(g, BinaryOp::add, sum, aligned(n, n.input(8), shape, {1}));
  return {requantized(n, sum, ops::reshape(g, n.input(1), {}), aligned(n, n.input(4), shape, {1}), 1)};
}

constexpr std::string_view conv_attributes = "auto_pad dilations group kernel_shape pads strides";
constexpr Conversion table[] = {
    {"ConvInteger", 10, conv_attributes, conv_integer},
    {"DequantizeLinear", 10, "axis@13 block_size@21 output_dtype@23", dequantize_linear},
    {"DynamicQuantizeLinear", 11, "", dynamic_quantize_linear},
    {"MatMulInteger", 10, "", matmul_integer},
    {"QLinearConv", 10, conv_attributes, qlinear_conv},
    {"QLinearMatMul", 10, "", qlinear_matmul},
    {"QuantizeLinear", 10, "axis@13 block_size@21 output_dtype@21 precision@23 saturate@19", quantize_linear},
};

}  // namespace

std::span<const Conversion> quantize_conversions() { return table; }

}  // namespace tunesmith::tracer
