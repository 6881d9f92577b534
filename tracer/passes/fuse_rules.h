// Whether two groups of operators may become one kernel. The rules look at shapes and costs; that nothing
// has to run between the two groups is the caller's business.
//
// What joins what (producer -> consumer):
//   map -> map               same points, or the consumer reads each place once and nothing else reads it
//   map -> rows              prologue: read point by point
//   map -> contraction       pure affine movement that only the contraction reads
//   contraction -> map       epilogue over the same points; a transpose only at its end
//   rows -> map, rows        the same rows
// Nothing that is expensive is computed twice: see emit_kernel.h for values with several readers.
#pragma once

#include "tracer/passes/fuse_groups.h"

namespace tunesmith::tracer {

/// What the rules ask of the graph around a pair of groups.
struct FusionContext {
  const Graph& graph;
  const Placement& placement;
  /// Operators that read a value, through aliases too, in graph order; graph outputs count as one more use.
  struct Use {
    OpId reader;
    std::uint32_t operand;
    ValueId read_as;  // the value itself or an alias of it
  };
  std::vector<std::vector<std::vector<Use>>> uses;  // [operator][output]
  std::vector<std::vector<bool>> is_graph_output;   // through aliases too

  const std::vector<Use>& uses_of(ValueId value) const { return uses[index_of(value.op)][value.output]; }
  bool escapes(ValueId value) const { return is_graph_output[index_of(value.op)][value.output]; }
};
FusionContext make_context(const Graph& graph, const Placement& placement);

/// `consumer` reads at least one value of `producer`. REQUIRES: both are groups of the context's graph.
bool may_fuse(const FusionContext& context, const Group& producer, const Group& consumer);
/// The group of both. REQUIRES: may_fuse.
Group fused(const Group& producer, const Group& consumer);

}  // namespace tunesmith::tracer
