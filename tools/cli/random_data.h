// Random tensors for operands of which only type and shape are given.
#pragma once

#include "ir/host_tensor.h"
#include "ir/support/rng.h"
#include "tracer/graph.h"

namespace tunesmith::tools {

/// Uniform in [-1, 1) for floats, 0 or 1 for integers; the same state of `rng`, the same data. REQUIRES: a
/// static shape.
ir::HostTensor random_tensor(const tracer::TensorType& type, Rng& rng);

/// One tensor an input of the graph.
std::vector<ir::HostTensor> random_inputs(const tracer::Graph& graph, std::uint64_t seed);

}  // namespace tunesmith::tools
