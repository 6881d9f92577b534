// Folds factors and offsets that are constant per output channel into the weights and bias of the
// convolution or matrix product before them; this is what removes batch normalisation. Rounding changes as
// it does between any two orders of the same products.
#pragma once

#include "tracer/graph.h"

namespace tunesmith::tracer {

/// Leaves the replaced operators in the graph without readers.
Graph fold_scale(const Graph& graph);

}  // namespace tunesmith::tracer
