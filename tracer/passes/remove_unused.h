// Drops operators that no output of the graph depends on. Inputs stay.
#pragma once

#include "tracer/graph.h"

namespace tunesmith::tracer {

Graph remove_unused(const Graph& graph);

}  // namespace tunesmith::tracer
