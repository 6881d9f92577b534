// The CUDA driver as a table of functions, looked for at run time: the real one, or a fake one in tests.
//
// Types and numbers are declared here as the driver's binary interface fixes them; a test holds them to cuda.h where that is
// installed. Thread safety: the driver's functions may be called from several threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::codegen::cuda {

using DriverResult = int;  // CUresult
using DeviceHandle = int;  // CUdevice

inline constexpr DriverResult success = 0;
inline constexpr DriverResult error_stub_library = 34;
inline constexpr DriverResult error_no_device = 100;
inline constexpr DriverResult error_system_driver_mismatch = 803;

enum class Attribute : int {  // CUdevice_attribute
  max_threads_per_block = 1,
  warp_size = 10,
  clock_khz = 13,
  multiprocessors = 16,
  memory_clock_khz = 36,
  memory_bus_bits = 37,
  l2_bytes = 38,
  threads_per_multiprocessor = 39,
  capability_major = 75,
  capability_minor = 76,
  shared_bytes_per_multiprocessor = 81,
  registers_per_multiprocessor = 82,
  shared_bytes_per_block = 97,  // where a kernel asks for it
};

/// Everything that this program calls of the driver.
struct DriverApi {
  DriverResult (*init)(unsigned flags) = nullptr;
  DriverResult (*driver_version)(int* version) = nullptr;  // 1000 * major + 10 * minor
  DriverResult (*error_name)(DriverResult code, const char** name) = nullptr;
  DriverResult (*device_count)(int* count) = nullptr;
  DriverResult (*device_get)(DeviceHandle* device, int ordinal) = nullptr;
  DriverResult (*device_name)(char* name, int size, DeviceHandle device) = nullptr;
  DriverResult (*device_attribute)(int* value, int attribute, DeviceHandle device) = nullptr;
  DriverResult (*device_total_memory)(std::size_t* bytes, DeviceHandle device) = nullptr;
};

/// libcuda.so.1 of the installed driver. The error says what is missing.
Expected<DriverApi, Error> load_driver();

/// What the schedule space and the analytic model know of a GPU.
struct CudaDevice {
  std::string name;
  int capability_major = 0, capability_minor = 0;
  int multiprocessors = 0;
  int warp_size = 32;
  int max_threads_per_block = 0;
  int threads_per_multiprocessor = 0;
  int registers_per_multiprocessor = 0;
  std::int64_t shared_bytes_per_block = 0;
  std::int64_t shared_bytes_per_multiprocessor = 0;
  std::int64_t l2_bytes = 0;
  std::int64_t memory_bytes = 0;
  double clock_ghz = 0;
  double bandwidth_gb_s = 0;  // by the memory clock and the bus; 0 where the driver does not tell

  /// To compile for, e.g. "sm_90a": with the instructions that only this generation has, where it has any.
  std::string architecture() const;
};

/// The GPUs that the process may use. The error says why there are none, and what a user can do.
Expected<std::vector<CudaDevice>, Error> find_devices(const DriverApi& driver);

}  // namespace tunesmith::codegen::cuda
