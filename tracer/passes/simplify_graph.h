// Local clean-up: operators that change nothing disappear, chains of reshapes and of transposes become one,
// zero padding before a convolution moves into it. Values stay bit-equal, save that -0 + 0 may keep its sign.
#pragma once

#include "tracer/graph.h"

namespace tunesmith::tracer {

/// Leaves the replaced operators in the graph without readers.
Graph simplify_graph(const Graph& graph);

}  // namespace tunesmith::tracer
