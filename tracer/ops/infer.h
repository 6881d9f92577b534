// Shape and dtype rules of the operators, one function a kind; the operator table points at them.
//
// Attributes, by kind (lists have one entry an axis unless said otherwise; axes may be negative):
//   unary {op}, binary {op}: names of ir::UnaryOp and ir::BinaryOp; operands of binary and where broadcast as
//   in NumPy cast {to, saturate}, bit_cast {to}: dtype names; saturate matters to 8-bit floats reshape
//   {shape}: no symbols, no -1      transpose {perm}      expand {shape}: the result's shape concat {axis}
//   tile {repeats}        iota {shape, axis, dtype}: counts along `axis` slice {starts, sizes, steps}:
//   element i of the result is element starts + i * steps pad {pads, mode, value}: pads = begin of each axis,
//   then end of each axis, negative crops; mode constant, reflect,
//     edge or wrap; value is a float
//   gather {axis}, gather_elements {axis}, gather_nd {batch_dims}: indices count from the end where negative
//   resize {sizes, scales, mode, coordinates, nearest, cubic_a, exclude_outside, antialias, extrapolation,
//   roi}: see resize.h matmul: NumPy's matmul, batches broadcast   conv, conv_transpose {strides, dilations,
//   pads, groups} one entry a spatial
//     axis, pads = begin, then end; conv_transpose also {output_padding}
//   pool {op: max|average|lp, kernel, strides, dilations, pads, ceil_mode, count_include_pad, p,
//   with_indices, column_major} reduce {op: sum|mean|prod|min|max|sum_square|l1|l2|log_sum|log_sum_exp, axes
//   (empty: all), keepdims} arg_reduce {op: min|max, axis, keepdims, select_last} softmax, log_softmax {axis}
//   layer_norm, rms_norm {axis, epsilon}: over axis and all behind it; x, scale, bias group_norm {groups,
//   epsilon}: x [N, C, …], scale [C], bias [C]     lrn {size, alpha, beta, bias} cumulate {op: sum|prod,
//   axis, exclusive, reverse}   scatter_elements {axis, reduction}, scatter_nd {reduction}: reduction
//     none, add, mul, min or max   top_k {axis, k, largest}: values and i64 indices, sorted
#pragma once

#include <span>
#include <vector>

#include "tracer/graph.h"

namespace tunesmith::tracer {

using Types = std::vector<TensorType>;

Types infer_unary(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_binary(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_where(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_cast(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_bit_cast(std::span<const TensorType> inputs, const Attributes& attributes);

Types infer_reshape(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_transpose(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_expand(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_concat(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_slice(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_pad(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_tile(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_gather(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_gather_elements(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_gather_nd(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_iota(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_resize(std::span<const TensorType> inputs, const Attributes& attributes);

Types infer_matmul(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_conv(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_conv_transpose(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_pool(std::span<const TensorType> inputs, const Attributes& attributes);

Types infer_reduce(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_arg_reduce(std::span<const TensorType> inputs, const Attributes& attributes);
/// softmax, log_softmax, layer_norm, rms_norm, group_norm, lrn, cumulate: the type of the first operand.
Types infer_rows(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_norm(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_group_norm(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_scatter(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_top_k(std::span<const TensorType> inputs, const Attributes& attributes);

/// NumPy broadcasting of two shapes; throws a UserError that names both.
Shape broadcast_shapes(const Shape& a, const Shape& b);
/// `axis` counted from the front; throws a UserError when it is out of [-rank, rank).
std::size_t checked_axis(std::int64_t axis, std::size_t rank);
std::string to_string(const Shape& shape);

}  // namespace tunesmith::tracer
