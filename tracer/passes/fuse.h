// Cuts a graph into fused kernels: groups of operators, each lowered to one step.
#pragma once

#include "tracer/passes/choose_layouts.h"
#include "tracer/program.h"

namespace tunesmith::tracer {

/// REQUIRES: static shapes; a placement of the same graph.
Program fuse(Graph graph, const Placement& placement, const FuseOptions& options);

}  // namespace tunesmith::tracer
