// Replaces convolutions by Winograd's algorithm where that is estimated to be faster: constant 3x3 weights,
// stride 1, an output that tiles of 4x4 or 2x2 cover. Rounding changes by more than reassociation
// (tracer/ops/winograd.h states how much): for fast numerics only.
#pragma once

#include "tracer/graph.h"

namespace tunesmith::tracer {

/// Leaves the replaced operators in the graph without readers. REQUIRES: static shapes.
Graph choose_winograd(const Graph& graph);

}  // namespace tunesmith::tracer
