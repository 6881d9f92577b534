#include "tracer/passes/remove_unused.h"

#include "tracer/passes/rebuild.h"

namespace tunesmith::tracer {

Graph remove_unused(const Graph& graph) {
  std::vector<bool> used(graph.size(), false);
  for (const Graph::Output& output : graph.outputs()) used[index_of(output.value.op)] = true;
  for (std::size_t i = graph.size(); i-- > 0;) {
    const Op& op = graph.ops()[i];
    if (op.kind == OpKind::input) used[i] = true;
    if (!used[i]) continue;
    for (ValueId input : op.inputs) used[index_of(input.op)] = true;
  }
  GraphRebuilder rebuild(graph);
  for (std::uint32_t i = 0; i < graph.size(); ++i)
    if (used[i]) rebuild.copy(OpId{i});
  return std::move(rebuild).finish();
}

}  // namespace tunesmith::tracer
