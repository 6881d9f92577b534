#include "tracer/passes/fold_constants.h"

#include <algorithm>

#include "tracer/op_table.h"
#include "tracer/passes/rebuild.h"

namespace tunesmith::tracer {

namespace {

constexpr std::size_t always_small_bytes = std::size_t{256} << 10;
constexpr std::size_t allowed_growth = 4;

std::size_t output_bytes(const Op& op) {
  std::size_t total = 0;
  for (const TensorType& type : op.outputs) {
    std::size_t bytes = ir::size_bytes(type.dtype);
    for (std::int64_t extent : to_ints(type.shape)) bytes *= static_cast<std::size_t>(extent);
    total += bytes;
  }
  return total;
}

bool can_fold(const GraphRebuilder& rebuild, const Graph& result, const Op& op) {
  if (op.kind == OpKind::input || op.kind == OpKind::constant) return false;
  if (!std::ranges::all_of(op.outputs, [](const TensorType& type) { return is_static(type.shape); }))
    return false;
  std::size_t input_bytes = 0;
  for (ValueId input : op.inputs) {
    const Op& source = result.op(rebuild(input));
    if (source.kind != OpKind::constant) return false;
    input_bytes += source.data.byte_size();
  }
  return output_bytes(op) <= std::max(always_small_bytes, allowed_growth * input_bytes);
}

}  // namespace

Graph fold_constants(const Graph& graph) {
  GraphRebuilder rebuild(graph);
  for (std::uint32_t i = 0; i < graph.size(); ++i) {
    const Op& op = graph.op(OpId{i});
    if (!can_fold(rebuild, rebuild.graph(), op)) {
      rebuild.copy(OpId{i});
      continue;
    }
    std::vector<HostTensor> inputs;
    for (ValueId input : op.inputs) inputs.push_back(rebuild.graph().op(rebuild(input)).data);
    const auto results = evaluate_op(op, inputs);
    for (std::uint32_t o = 0; o < results.size(); ++o)
      rebuild.replace({OpId{i}, o}, rebuild.graph().add_constant(results[o], op.name));
  }
  return std::move(rebuild).finish();
}

}  // namespace tunesmith::tracer
