// Cuts a graph into groups of operators, one kernel each.
//
// Greedy and deterministic: operators are visited in order; each joins the groups of its producers, the
// latest first, where the rules of fuse_rules.h allow it and no other group would have to run in between.
// Invariants of the result: every operator that is neither a leaf nor an alias is in exactly one group;
// groups are in an order in which they can run; operators inside a group are in graph order.
#pragma once

#include <vector>

#include "tracer/graph.h"
#include "tracer/passes/choose_layouts.h"
#include "tracer/passes/op_traits.h"

namespace tunesmith::tracer {

struct Group {
  std::vector<OpId> ops;
  FusionKind kind = FusionKind::map;
  /// kind == contraction: the operator that the others surround; kind == rows: the first row operator.
  OpId anchor{};
};

/// `fuse == false`: one group an operator.
std::vector<Group> make_groups(const Graph& graph, const Placement& placement, bool fuse);

}  // namespace tunesmith::tracer
