// Chooses the order in memory of every value, and finds the values that need no memory of their own.
//
// Networks of convolutions run channels-last between their inputs and outputs: values that convolutions,
// pooling, resizing and the maps between them exchange are stored with dimension 1 innermost, where that
// moves fewer bytes than it costs (readers that need row-major data count against it). Everything else is
// row-major, and so are inputs and outputs of the graph and of host operators. A conversion happens inside
// the kernel that reads or writes.
#pragma once

#include <map>

#include "tracer/graph.h"

namespace tunesmith::tracer {

struct Placement {
  /// Values that are not row-major: a permutation each.
  std::map<ValueId, ir::Layout> layouts;
  /// Reshapes and transposes that are the same bytes as their operand.
  std::map<ValueId, ValueId> alias_of;

  ir::Layout layout_of(ValueId value) const;
  bool is_alias(ValueId value) const { return alias_of.contains(value); }
  ValueId storage_of(ValueId value) const;
};

/// `channels_last == false`: every value is row-major. REQUIRES: static shapes.
Placement choose_layouts(const Graph& graph, bool channels_last);

}  // namespace tunesmith::tracer
