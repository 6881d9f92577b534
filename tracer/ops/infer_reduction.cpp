// Reductions, softmax, normalisations, running sums.
#include <algorithm>
#include <string_view>

#include "ir/support/error.h"
#include "tracer/ops/infer.h"

namespace tunesmith::tracer {
namespace {

void require_float(const TensorType& type, std::string_view what) {
  if (!ir::is_float(type.dtype))
    throw_user_error("{} is {}; floats are taken", what, ir::to_string(type.dtype));
}

void require_number(const TensorType& type) {
  if (type.dtype == DType::boolean) throw_user_error("the operand is bool; numbers are taken");
}

void require_reduction(std::string_view op, const TensorType& type) {
  require_one_of(op,
                 {"sum", "mean", "prod", "min", "max", "sum_square", "l1", "l2", "log_sum", "log_sum_exp"},
                 "reduction");
  require_number(type);
  const bool needs_float = op == "l2" || op == "log_sum" || op == "log_sum_exp";
  if (needs_float && !ir::is_float(type.dtype))
    throw_user_error("{} takes floats, not {}", op, ir::to_string(type.dtype));
}

}  // namespace

Types infer_reduce(std::span<const TensorType> inputs, const Attributes& attributes) {
  require_reduction(attributes.get_text("op"), inputs[0]);
  const std::size_t rank = inputs[0].shape.size();
  std::vector<bool> reduced(rank, attributes.get_ints("axes").empty());
  for (std::int64_t axis : attributes.get_ints("axes")) reduced[checked_axis(axis, rank)] = true;
  const bool keep = attributes.get_int("keepdims") != 0;
  Shape shape;
  for (std::size_t d = 0; d < rank; ++d) {
    if (!reduced[d])
      shape.push_back(inputs[0].shape[d]);
    else if (keep)
      shape.emplace_back(1);
  }
  return {{inputs[0].dtype, shape}};
}

Types infer_arg_reduce(std::span<const TensorType> inputs, const Attributes& attributes) {
  require_one_of(attributes.get_text("op"), {"min", "max"}, "arg-reduction");
  Shape shape = inputs[0].shape;
  const std::size_t axis = checked_axis(attributes.get_int("axis"), shape.size());
  if (ir::is_int(shape[axis], 0)) throw_user_error("axis {} of {} is empty", axis, to_string(shape));
  if (attributes.get_int("keepdims") != 0)
    shape[axis] = Dim(1);
  else
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return {{DType::i64, shape}};
}

Types infer_softmax(std::span<const TensorType> inputs, const Attributes& attributes) {
  require_float(inputs[0], "the operand");
  checked_axis(attributes.get_int("axis"), inputs[0].shape.size());
  return {inputs[0]};
}

Types infer_cumulate(std::span<const TensorType> inputs, const Attributes& attributes) {
  require_one_of(attributes.get_text("op"), {"sum", "prod"}, "running operation");
  require_number(inputs[0]);
  checked_axis(attributes.get_int("axis"), inputs[0].shape.size());
  return {inputs[0]};
}

Types infer_lrn(std::span<const TensorType> inputs, const Attributes& attributes) {
  require_float(inputs[0], "the operand");
  if (inputs[0].shape.size() < 2)
    throw_user_error("input {} has no channel axis", to_string(inputs[0].shape));
  if (attributes.get_int("size") < 1 || attributes.get_int("size") > std::int64_t{1} << 30)
    throw_user_error("size={}; accepted: 1 to 2^30", attributes.get_int("size"));
  return {inputs[0]};
}

Types infer_norm(std::span<const TensorType> inputs, const Attributes& attributes) {
  const Shape& shape = inputs[0].shape;
  require_float(inputs[0], "the operand");
  const std::size_t axis = checked_axis(attributes.get_int("axis"), shape.size());
  const Shape rows(shape.begin() + static_cast<std::ptrdiff_t>(axis), shape.end());
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    require_float(inputs[i], i == 1 ? "the scale" : "the bias");
    const Shape joined = broadcast_shapes(rows, inputs[i].shape);
    if (!std::ranges::equal(joined, rows, ir::equal))
      throw_user_error("scale or bias {} does not fit to the normalised {}", to_string(inputs[i].shape),
                       to_string(rows));
  }
  return {inputs[0]};
}

Types infer_group_norm(std::span<const TensorType> inputs, const Attributes& attributes) {
  require_float(inputs[0], "the operand");
  if (inputs[0].shape.size() < 2)
    throw_user_error("input {} has no channel axis", to_string(inputs[0].shape));
  const Dim channels = inputs[0].shape[1];
  const std::int64_t groups = attributes.get_int("groups");
  const std::int64_t count = to_ints({channels})[0];
  if (groups < 1 || groups > std::max<std::int64_t>(1, count) || count % groups != 0)
    throw_user_error("groups={} does not divide {} channels", groups, to_string(inputs[0].shape));
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    require_float(inputs[i], i == 1 ? "the scale" : "the bias");
    if (inputs[i].shape.size() != 1 || !ir::equal(inputs[i].shape[0], channels))
      throw_user_error("scale or bias {} does not fit to input {}", to_string(inputs[i].shape),
                       to_string(inputs[0].shape));
  }
  return {inputs[0]};
}

}  // namespace tunesmith::tracer
