// Inputs that candidates are verified and timed on.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/host_tensor.h"
#include "ir/kernel.h"

namespace tunesmith::tuner {

/// Bumped when make_inputs gives other data: times depend on it.
inline constexpr int test_data_version = 1;

enum class Values : std::uint8_t {
  plain,    // uniform in [-1, 1), never zero: what is timed, for times depend on the data
  awkward,  // zeros of both signs, denormals, magnitudes up to 192 (4 in f16), long runs of one sign
};

/// Whether a kernel can be right on plain values and wrong on awkward ones: its stages do more than add, multiply and
/// compare (an exponential without its maximum taken off, a maximum that begins at zero).
bool depends_on_values(const ir::Kernel& kernel);

/// The kernel's inputs and constants in calling order, in physical layout. Integers are in [1, 8], so that they may divide; those
/// that index other buffers are spread over them where the index is the element itself (or counts from the
/// end), and 0 where it is computed. The same seed, the same data.
std::vector<ir::HostTensor> make_inputs(const ir::Kernel& kernel, std::uint64_t seed, Values values = Values::plain);

}  // namespace tunesmith::tuner
