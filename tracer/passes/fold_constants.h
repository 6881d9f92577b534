// Replaces operators whose inputs are all constants by their value, computed by the reference.
//
// A value that would be much larger than what it is made of (an expanded scalar) stays an operator: it costs
// less to compute than to read.
#pragma once

#include "tracer/graph.h"

namespace tunesmith::tracer {

Graph fold_constants(const Graph& graph);

}  // namespace tunesmith::tracer
