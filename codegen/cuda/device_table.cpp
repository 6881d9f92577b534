#include "codegen/cuda/device_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace tunesmith::codegen::cuda {
namespace {

CudaDevice device(std::string name, int major, int minor, int multiprocessors, int threads, int shared_kib, int l2_mib,
                  int memory_gib, double clock_ghz, double bandwidth_gb_s) {
  CudaDevice d;
  d.name = std::move(name);
  d.capability_major = major;
  d.capability_minor = minor;
  d.multiprocessors = multiprocessors;
  d.max_threads_per_block = 1024;
  d.threads_per_multiprocessor = threads;
  d.registers_per_multiprocessor = 65536;
  d.shared_bytes_per_block = static_cast<std::int64_t>(shared_kib - 1) << 10;  // 1 KiB of each block is the system's
  d.shared_bytes_per_multiprocessor = static_cast<std::int64_t>(shared_kib) << 10;
  d.l2_bytes = static_cast<std::int64_t>(l2_mib) << 20;
  d.memory_bytes = static_cast<std::int64_t>(memory_gib) << 30;
  d.clock_ghz = clock_ghz;
  d.bandwidth_gb_s = bandwidth_gb_s;
  return d;
}

}  // namespace

const std::vector<TypicalDevice>& typical_devices() {
  static const std::vector<TypicalDevice> all = {
      {"sm_80", device("A100 SXM", 8, 0, 108, 2048, 164, 40, 80, 1.41, 2039)},
      {"sm_86", device("RTX 3090", 8, 6, 82, 1536, 100, 6, 24, 1.695, 936)},
      {"sm_89", device("RTX 4090", 8, 9, 128, 1536, 100, 72, 24, 2.52, 1008)},
      {"sm_90", device("H100 SXM", 9, 0, 132, 2048, 228, 50, 80, 1.755, 3350)},
      {"sm_90a", device("H100 SXM", 9, 0, 132, 2048, 228, 50, 80, 1.755, 3350)},
      {"sm_100", device("B200", 10, 0, 148, 2048, 228, 126, 180, 1.965, 8000)},
      {"sm_120", device("RTX 5090", 12, 0, 170, 1536, 100, 96, 32, 2.407, 1792)},
  };
  return all;
}

int f32_operations_per_cycle(const CudaDevice& device) {
  const bool has_half_the_units = device.capability_major == 8 && device.capability_minor == 0;
  return has_half_the_units ? 128 : 256;
}

Expected<TypicalDevice, Error> choose_device(std::string_view architecture) {
  if (!architecture.empty()) {
    std::string known;
    for (const TypicalDevice& typical : typical_devices()) {
      if (typical.architecture == architecture) return typical;
      known += (known.empty() ? "" : ", ") + typical.architecture;
    }
    return Unexpected(make_error("no architecture '{}'; known are {}", architecture, known));
  }
  const auto driver = load_driver();
  if (!driver) return Unexpected(driver.error());
  const auto found = find_devices(*driver);
  if (!found) return Unexpected(found.error());
  return TypicalDevice{found->front().architecture(), found->front()};
}

}  // namespace tunesmith::codegen::cuda
