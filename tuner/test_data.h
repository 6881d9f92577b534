// Inputs that candidates are verified and timed on.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/host_tensor.h"
#include "ir/kernel.h"

namespace tunesmith::tuner {

/// The kernel's inputs and constants in calling order, in physical layout. Floats are uniform in [-1, 1) (random data,
/// never zeros: timing depends on it); integers that index other buffers stay inside them. The same seed, the same data.
std::vector<ir::HostTensor> make_inputs(const ir::Kernel& kernel, std::uint64_t seed);

}  // namespace tunesmith::tuner
