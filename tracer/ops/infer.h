// Shape and dtype rules of the operators, one function a kind; the operator table points at them. build.h
// fills the attributes in. Pure functions; they throw a UserError that names the operand or attribute at
// fault.
//
// Attributes, by kind (lists have one entry an axis unless said otherwise; axes may be negative):
// - unary {op}, binary {op}: names of ir::UnaryOp and ir::BinaryOp. Operands of binary and where broadcast as
//   in NumPy.
// - cast {to, saturate}, bit_cast {to}: dtype names; saturate matters to 8-bit floats.
// - reshape {shape}: one entry may be -1, what is left (and may be symbolic).
// - transpose {perm}: axis d of the result is axis perm[d] of the operand.
// - expand {shape}: the result's shape; -1: the operand's own extent.
// - concat {axis}, tile {repeats}.
// - slice {starts, sizes, steps}: element i of the result is element starts + i * steps; size -1 with start 0
//   and step 1: the whole axis.
// - pad {pads, mode, value}: pads = before each axis, then after each axis, negative crops; mode constant,
//   reflect, edge or wrap; value is a float.
// - gather {axis}, gather_elements {axis}, gather_nd {batch_dims}: indices count from the end where negative.
//   REQUIRES: each within [-extent, extent) of its axis. The reference refuses others; compiled code, which
//   looks at no index before, reads the element that is nearest.
// - iota {shape, axis, dtype}: counts along `axis`.
// - resize {sizes, scales, mode, coordinates, nearest, cubic_a, exclude_outside, antialias, extrapolation,
//   roi}: see resize.h.
// - matmul {}: NumPy's matmul, batches broadcast; bytes are summed in i32.
// - conv {strides, dilations, pads, groups}: one entry a spatial axis, pads = before each, then after each;
//   conv_transpose also {output_padding}.
// - winograd_input {tile, pads}, winograd_output {tile}: see winograd.h.
// - pool {op: max | average | lp, kernel, strides, dilations, pads, ceil_mode, count_include_pad, p,
//   with_indices, column_major}: pads are 0 or more; a window of padding only has the largest
//   element -inf at place -1.
// - reduce {op: sum | mean | prod | min | max | sum_square | l1 | l2 | log_sum | log_sum_exp, axes (empty:
//   all), keepdims}.
// - arg_reduce {op: min | max, axis, keepdims, select_last}: passes over NaNs; 0 where there is nothing else.
// - softmax {axis}, log_softmax {axis}.
// - layer_norm {axis, epsilon}, rms_norm {axis, epsilon}: over axis and all behind it; x, scale, bias.
// - group_norm {groups, epsilon}: x [N, C, …], scale [C], bias [C].
// - lrn {size, alpha, beta, bias}: across axis 1.
// - cumulate {op: sum | prod, axis, exclusive, reverse}.
// - scatter_elements {axis, reduction}, scatter_nd {reduction}: none, add, mul, min or max.
// - top_k {axis, k, largest}: values in order and their places (i64).
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
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
Types infer_winograd_input(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_winograd_output(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_pool(std::span<const TensorType> inputs, const Attributes& attributes);

Types infer_reduce(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_arg_reduce(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_softmax(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_lrn(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_cumulate(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_norm(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_group_norm(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_scatter(std::span<const TensorType> inputs, const Attributes& attributes);
Types infer_top_k(std::span<const TensorType> inputs, const Attributes& attributes);

/// NumPy broadcasting of two shapes; throws a UserError that names both.
Shape broadcast_shapes(const Shape& a, const Shape& b);
/// `axis` counted from the front; throws a UserError when it is out of [-rank, rank).
std::size_t checked_axis(std::int64_t axis, std::size_t rank);
/// Throws a UserError that lists what is accepted.
void require_one_of(std::string_view text, std::initializer_list<std::string_view> accepted,
                    std::string_view what);
/// Symbolic extents are printed as "?".
std::string to_string(const Shape& shape);

}  // namespace tunesmith::tracer
