#include "tracer/op_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ir/support/error.h"
#include "tracer/ops/infer.h"
#include "tracer/ops/lower.h"
#include "tracer/ops/reference.h"
#include "tracer/ops/reference_util.h"

namespace tunesmith::tracer {
namespace {

using enum FusionKind;

// In the order of OpKind.
constexpr std::array<OpRow, op_kind_count> table = {{
    {OpKind::input, "input", leaf, 0, 0, nullptr, nullptr, nullptr},
    {OpKind::constant, "constant", leaf, 0, 0, nullptr, nullptr, nullptr},
    {OpKind::unary, "unary", map, 1, 1, infer_unary, reference_unary, lower_unary},
    {OpKind::binary, "binary", map, 2, 2, infer_binary, reference_binary, lower_binary},
    {OpKind::where, "where", map, 3, 3, infer_where, reference_where, lower_where},
    {OpKind::cast, "cast", map, 1, 1, infer_cast, reference_cast, lower_cast},
    {OpKind::bit_cast, "bit_cast", map, 1, 1, infer_bit_cast, reference_bit_cast, lower_bit_cast},
    {OpKind::reshape, "reshape", map, 1, 1, infer_reshape, reference_reshape, lower_reshape},
    {OpKind::transpose, "transpose", map, 1, 1, infer_transpose, reference_transpose, lower_transpose},
    {OpKind::expand, "expand", map, 1, 1, infer_expand, reference_expand, lower_expand},
    {OpKind::concat, "concat", map, 1, -1, infer_concat, reference_concat, lower_concat},
    {OpKind::slice, "slice", map, 1, 1, infer_slice, reference_slice, lower_slice},
    {OpKind::pad, "pad", map, 1, 1, infer_pad, reference_pad, lower_pad},
    {OpKind::tile, "tile", map, 1, 1, infer_tile, reference_tile, lower_tile},
    {OpKind::gather, "gather", map, 2, 2, infer_gather, reference_gather, lower_gather},
    {OpKind::gather_elements, "gather_elements", map, 2, 2, infer_gather_elements, reference_gather_elements,
     lower_gather_elements},
    {OpKind::gather_nd, "gather_nd", map, 2, 2, infer_gather_nd, reference_gather_nd, lower_gather_nd},
    {OpKind::iota, "iota", map, 0, 0, infer_iota, reference_iota, lower_iota},
    {OpKind::resize, "resize", map, 1, 1, infer_resize, reference_resize, lower_resize},
    {OpKind::matmul, "matmul", contraction, 2, 2, infer_matmul, reference_matmul, lower_matmul},
    {OpKind::conv, "conv", contraction, 2, 3, infer_conv, reference_conv, lower_conv},
    {OpKind::conv_transpose, "conv_transpose", contraction, 2, 3, infer_conv_transpose,
     reference_conv_transpose, lower_conv_transpose},
    {OpKind::winograd_input, "winograd_input", contraction, 1, 1, infer_winograd_input,
     reference_winograd_input, lower_winograd_input},
    {OpKind::winograd_output, "winograd_output", contraction, 1, 1, infer_winograd_output,
     reference_winograd_output, lower_winograd_output},
    {OpKind::pool, "pool", contraction, 1, 1, infer_pool, reference_pool, lower_pool},
    {OpKind::reduce, "reduce", rows, 1, 1, infer_reduce, reference_reduce, lower_reduce},
    {OpKind::arg_reduce, "arg_reduce", rows, 1, 1, infer_arg_reduce, reference_arg_reduce, lower_arg_reduce},
    {OpKind::softmax, "softmax", rows, 1, 1, infer_softmax, reference_softmax, lower_softmax},
    {OpKind::log_softmax, "log_softmax", rows, 1, 1, infer_softmax, reference_log_softmax, lower_log_softmax},
    {OpKind::layer_norm, "layer_norm", rows, 1, 3, infer_norm, reference_layer_norm, lower_layer_norm},
    {OpKind::rms_norm, "rms_norm", rows, 1, 2, infer_norm, reference_rms_norm, lower_rms_norm},
    {OpKind::group_norm, "group_norm", rows, 1, 3, infer_group_norm, reference_group_norm, lower_group_norm},
    {OpKind::lrn, "lrn", contraction, 1, 1, infer_lrn, reference_lrn, lower_lrn},
    {OpKind::cumulate, "cumulate", host, 1, 1, infer_cumulate, reference_cumulate, nullptr},
    {OpKind::scatter_elements, "scatter_elements", host, 3, 3, infer_scatter, reference_scatter_elements,
     nullptr},
    {OpKind::scatter_nd, "scatter_nd", host, 3, 3, infer_scatter, reference_scatter_nd, nullptr},
    {OpKind::top_k, "top_k", host, 1, 1, infer_top_k, reference_top_k, nullptr},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < table.size(); ++i)
    if (static_cast<std::size_t>(table[i].kind) != i) return false;
  return true;
}
static_assert(in_order(), "rows must stand in the order of OpKind");

/// An input fits when dtype and rank agree, and every extent that is a number.
void require_fits(const HostTensor& tensor, const Op& input) {
  const TensorType& type = input.outputs[0];
  bool fits = tensor.dtype() == type.dtype && tensor.shape().size() == type.shape.size();
  for (std::size_t d = 0; fits && d < type.shape.size(); ++d)
    fits = ir::as_int(type.shape[d]) == nullptr || ir::is_int(type.shape[d], tensor.shape()[d]);
  if (!fits)
    throw_user_error("input '{}' is {} {}, the graph takes {} {}", input.name, ir::to_string(tensor.dtype()),
                     to_string(to_shape(tensor.shape())), ir::to_string(type.dtype), to_string(type.shape));
}

}  // namespace

const OpRow& op_row(OpKind kind) { return table.at(static_cast<std::size_t>(kind)); }

std::vector<HostTensor> evaluate_op(OpKind kind, std::span<const HostTensor> operands,
                                    const Attributes& attributes) {
  const OpRow& row = op_row(kind);
  std::vector<HostTensor> empty;
  for (const TensorType& type : row.infer(types_of(operands), attributes)) {
    const std::vector<std::int64_t> shape = to_ints(type.shape);
    if (std::ranges::find(shape, 0) == shape.end()) return row.reference(operands, attributes);
    empty.emplace_back(type.dtype, shape);
  }
  return empty;  // nothing to compute, however long the other axes are
}

std::vector<HostTensor> evaluate_op(const Op& op, std::span<const HostTensor> operands) {
  try {
    return evaluate_op(op.kind, operands, op.attributes);
  } catch (const UserError& error) {
    throw UserError(fmt::format("{}: {}", describe(op.kind, op.name), error.what()));
  }
}

std::vector<HostTensor> evaluate_reference(const Graph& graph, std::span<const HostTensor> inputs) {
  if (inputs.size() != graph.inputs().size())
    throw_user_error("the graph takes {} inputs, {} were given", graph.inputs().size(), inputs.size());
  std::vector<std::vector<HostTensor>> values(graph.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    require_fits(inputs[i], graph.op(graph.inputs()[i]));
    values[index_of(graph.inputs()[i])] = {inputs[i]};
  }
  for (std::size_t i = 0; i < graph.size(); ++i) {
    const Op& op = graph.ops()[i];
    if (op.kind == OpKind::input) continue;
    if (op.kind == OpKind::constant) {
      values[i] = {op.data};
      continue;
    }
    std::vector<HostTensor> operands;
    for (const ValueId input : op.inputs) operands.push_back(values[index_of(input.op)].at(input.output));
    values[i] = evaluate_op(op, operands);
  }
  std::vector<HostTensor> outputs;
  for (const Graph::Output& output : graph.outputs())
    outputs.push_back(values[index_of(output.value.op)].at(output.value.output));
  return outputs;
}

}  // namespace tunesmith::tracer
