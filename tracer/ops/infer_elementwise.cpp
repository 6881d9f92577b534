#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "ir/support/error.h"
#include "tracer/ops/infer.h"
#include "tracer/ops/names.h"

namespace tunesmith::tracer {
namespace {

bool is_logic(ir::BinaryOp op) {
  return op == ir::BinaryOp::bit_and || op == ir::BinaryOp::bit_or || op == ir::BinaryOp::bit_xor;
}

void require_equal_dtypes(const TensorType& a, const TensorType& b) {
  if (a.dtype != b.dtype)
    throw_user_error("operands have different dtypes: {} and {}", ir::to_string(a.dtype),
                     ir::to_string(b.dtype));
}

DType dtype_attribute(const Attributes& attributes, std::string_view name) {
  const auto dtype = ir::dtype_from_string(attributes.get_text(name));
  if (!dtype) throw_user_error("unknown dtype '{}'", attributes.get_text(name));
  return *dtype;
}

}  // namespace

void require_one_of(std::string_view text, std::initializer_list<std::string_view> accepted,
                    std::string_view what) {
  if (std::ranges::find(accepted, text) == accepted.end())
    throw_user_error("unknown {} '{}'; accepted: {}", what, text, fmt::join(accepted, ", "));
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const std::int64_t* value = ir::as_int(shape[d]);
    text += fmt::format("{}{}", d > 0 ? ", " : "", value != nullptr ? std::to_string(*value) : "?");
  }
  return text + "]";
}

std::size_t checked_axis(std::int64_t axis, std::size_t rank) {
  const auto r = static_cast<std::int64_t>(rank);
  if (axis < -r || axis >= r) throw_user_error("axis {} is out of range for {} dimensions", axis, rank);
  return static_cast<std::size_t>(axis < 0 ? axis + r : axis);
}

Shape broadcast_shapes(const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()));
  for (std::size_t d = 0; d < result.size(); ++d) {
    const Dim x = d < a.size() ? a[a.size() - 1 - d] : Dim(1);
    const Dim y = d < b.size() ? b[b.size() - 1 - d] : Dim(1);
    Dim& out = result[result.size() - 1 - d];
    if (ir::is_int(x, 1))
      out = y;
    else if (ir::is_int(y, 1) || ir::equal(x, y))
      out = x;
    else
      throw_user_error("shapes {} and {} do not broadcast", to_string(a), to_string(b));
  }
  return result;
}

Types infer_unary(std::span<const TensorType> inputs, const Attributes& attributes) {
  const ir::UnaryOp op = unary_from_name(attributes.get_text("op"));
  const DType dtype = inputs[0].dtype;
  if (op == ir::UnaryOp::logical_not && dtype != DType::boolean)
    throw_user_error("logical_not takes bool, not {}", ir::to_string(dtype));
  const bool any_number = op == ir::UnaryOp::neg || op == ir::UnaryOp::abs || op == ir::UnaryOp::sign;
  const bool takes_float = op != ir::UnaryOp::bit_not && op != ir::UnaryOp::logical_not;
  const bool takes_integer = any_number || op == ir::UnaryOp::bit_not;
  const bool takes_bool = op == ir::UnaryOp::logical_not;
  if (ir::is_float(dtype) ? !takes_float : ir::is_integer(dtype) ? !takes_integer : !takes_bool)
    throw_user_error("{} does not take {}", attributes.get_text("op"), ir::to_string(dtype));
  const bool test = op == ir::UnaryOp::is_nan || op == ir::UnaryOp::is_inf;
  return {{test ? DType::boolean : dtype, inputs[0].shape}};
}

Types infer_binary(std::span<const TensorType> inputs, const Attributes& attributes) {
  const ir::BinaryOp op = binary_from_name(attributes.get_text("op"));
  require_equal_dtypes(inputs[0], inputs[1]);
  const DType dtype = inputs[0].dtype;
  const bool equality = op == ir::BinaryOp::eq || op == ir::BinaryOp::ne;
  if (dtype == DType::boolean && !is_logic(op) && !equality)
    throw_user_error("{} does not take bool", attributes.get_text("op"));
  if (ir::is_float(dtype) &&
      (is_logic(op) || op == ir::BinaryOp::shift_left || op == ir::BinaryOp::shift_right))
    throw_user_error("{} does not take {}", attributes.get_text("op"), ir::to_string(dtype));
  if (op == ir::BinaryOp::atan2 && !ir::is_float(dtype))
    throw_user_error("atan2 does not take {}", ir::to_string(dtype));
  return {
      {ir::is_comparison(op) ? DType::boolean : dtype, broadcast_shapes(inputs[0].shape, inputs[1].shape)}};
}

Types infer_where(std::span<const TensorType> inputs, const Attributes&) {
  if (inputs[0].dtype != DType::boolean)
    throw_user_error("the condition must be bool, not {}", ir::to_string(inputs[0].dtype));
  require_equal_dtypes(inputs[1], inputs[2]);
  return {{inputs[1].dtype,
           broadcast_shapes(inputs[0].shape, broadcast_shapes(inputs[1].shape, inputs[2].shape))}};
}

Types infer_cast(std::span<const TensorType> inputs, const Attributes& attributes) {
  return {{dtype_attribute(attributes, "to"), inputs[0].shape}};
}

Types infer_bit_cast(std::span<const TensorType> inputs, const Attributes& attributes) {
  const DType to = dtype_attribute(attributes, "to");
  if (ir::bit_width(to) != ir::bit_width(inputs[0].dtype))
    throw_user_error("{} and {} have different widths", ir::to_string(inputs[0].dtype), ir::to_string(to));
  return {{to, inputs[0].shape}};
}

}  // namespace tunesmith::tracer
