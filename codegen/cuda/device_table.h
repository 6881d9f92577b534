// Devices that stand for their architecture where the machine has none: so that kernels can be scheduled and compiled for a
// GPU that is elsewhere. Figures of NVIDIA's data sheets and of the CUDA programming guide's table of technical specifications.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codegen/cuda/driver.h"

namespace tunesmith::codegen::cuda {

struct TypicalDevice {
  std::string architecture;  // "sm_90a"
  CudaDevice device;
};
const std::vector<TypicalDevice>& typical_devices();

/// f32 operations of one multiprocessor in a cycle, a fused multiply-add counting 2.
int f32_operations_per_cycle(const CudaDevice& device);

/// The first GPU of this machine, or the one that stands for `architecture` where that is given. The error says what there is.
Expected<TypicalDevice, Error> choose_device(std::string_view architecture);

}  // namespace tunesmith::codegen::cuda
