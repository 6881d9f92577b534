// Inputs that candidates are verified and timed on.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/host_tensor.h"
#include "ir/kernel.h"

namespace tunesmith::tuner {

/// Bumped when make_inputs gives other data: times depend on it.
inline constexpr int test_data_version = 1;

/// The kernel's inputs and constants in calling order, in physical layout. Floats are uniform in [-1, 1)
/// (random data, never zeros: timing depends on it). Integers are in [1, 8], so that they may divide; those
/// that index other buffers are spread over them where the index is the element itself (or counts from the
/// end), and 0 where it is computed. The same seed, the same data.
std::vector<ir::HostTensor> make_inputs(const ir::Kernel& kernel, std::uint64_t seed);

}  // namespace tunesmith::tuner
