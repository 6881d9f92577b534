#include "codegen/cuda/driver.h"

#include <fmt/format.h>

#include <array>

#include "codegen/cuda/library.h"

namespace tunesmith::codegen::cuda {
namespace {

constexpr int least_version = 12000;

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

std::string error_text(const DriverApi& driver, DriverResult code) {
  const char* name = nullptr;
  if (driver.error_name(code, &name) != success || name == nullptr) return fmt::format("error {}", code);
  return fmt::format("{} ({})", name, code);
}

/// Why cuInit failed, as something to act on.
Error init_error(const DriverApi& driver, DriverResult code) {
  switch (code) {
    case error_no_device: return make_error("the NVIDIA driver finds no GPU; is CUDA_VISIBLE_DEVICES empty?");
    case error_stub_library:
      return make_error("the libcuda that loads is the CUDA toolkit's stub; install an NVIDIA driver, or take the stub's folder "
                        "out of LD_LIBRARY_PATH");
    case error_system_driver_mismatch:
      return make_error("the NVIDIA libraries do not fit the kernel's driver; restart the machine, or install the same version "
                        "of both");
    default: return make_error("the NVIDIA driver does not start: {}", error_text(driver, code));
  }
}

}  // namespace

Expected<DriverApi, Error> load_driver() {
  const std::array<std::string, 1> names = {"libcuda.so.1"};
  auto library = Library::open(names);
  if (!library) return Unexpected(make_error("there is no NVIDIA driver: {}", library.error().message));
  DriverApi api;
  const char* missing = nullptr;
  auto find = [&](const char* name, auto*& function) {
    if (!library->find(name, function) && missing == nullptr) missing = name;
  };
  find("cuInit", api.init);
  find("cuDriverGetVersion", api.driver_version);
  find("cuGetErrorName", api.error_name);
  find("cuDeviceGetCount", api.device_count);
  find("cuDeviceGet", api.device_get);
  find("cuDeviceGetName", api.device_name);
  find("cuDeviceGetAttribute", api.device_attribute);
  find("cuDeviceTotalMem_v2", api.device_total_memory);
  if (missing != nullptr)
    return Unexpected(make_error("'{}' is not a driver of CUDA {} or newer: it has no {}", library->path(),
                                 version_text(least_version), missing));
  return api;
}

std::string CudaDevice::architecture() const {
  return fmt::format("sm_{}{}{}", capability_major, capability_minor, capability_major >= 9 ? "a" : "");
}

Expected<std::vector<CudaDevice>, Error> find_devices(const DriverApi& driver) {
  // The version is told without a GPU, and explains best why the rest does not work.
  int version = 0;
  if (driver.driver_version(&version) == success && version > 0 && version < least_version)
    return Unexpected(make_error("the NVIDIA driver is of CUDA {}; {} or newer is needed", version_text(version),
                                 version_text(least_version)));
  if (const DriverResult code = driver.init(0); code != success) return Unexpected(init_error(driver, code));
  int count = 0;
  if (const DriverResult code = driver.device_count(&count); code != success)
    return Unexpected(make_error("the NVIDIA driver does not count its GPUs: {}", error_text(driver, code)));
  if (count == 0) return Unexpected(init_error(driver, error_no_device));

  std::vector<CudaDevice> devices;
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    DriverResult failed = success;
    auto keep = [&](DriverResult code) { failed = failed == success ? code : failed; };
    DeviceHandle handle = 0;
    keep(driver.device_get(&handle, ordinal));
    std::array<char, 256> name{};
    if (failed == success) keep(driver.device_name(name.data(), name.size() - 1, handle));
    auto attribute = [&](Attribute which) {
      int value = 0;
      if (failed == success) keep(driver.device_attribute(&value, static_cast<int>(which), handle));
      return value;
    };
    CudaDevice device;
    device.name = name.data();
    device.capability_major = attribute(Attribute::capability_major);
    device.capability_minor = attribute(Attribute::capability_minor);
    device.multiprocessors = attribute(Attribute::multiprocessors);
    device.warp_size = attribute(Attribute::warp_size);
    device.max_threads_per_block = attribute(Attribute::max_threads_per_block);
    device.threads_per_multiprocessor = attribute(Attribute::threads_per_multiprocessor);
    device.registers_per_multiprocessor = attribute(Attribute::registers_per_multiprocessor);
    device.shared_bytes_per_block = attribute(Attribute::shared_bytes_per_block);
    device.shared_bytes_per_multiprocessor = attribute(Attribute::shared_bytes_per_multiprocessor);
    device.l2_bytes = attribute(Attribute::l2_bytes);
    device.clock_ghz = attribute(Attribute::clock_khz) * 1e-6;
    // Two transfers a clock.
    const double memory_clock_ghz = attribute(Attribute::memory_clock_khz) * 1e-6;
    device.bandwidth_gb_s = 2 * memory_clock_ghz * attribute(Attribute::memory_bus_bits) / 8;
    std::size_t bytes = 0;
    if (failed == success) keep(driver.device_total_memory(&bytes, handle));
    device.memory_bytes = static_cast<std::int64_t>(bytes);
    if (failed != success)
      return Unexpected(make_error("GPU {} does not answer: {}", ordinal, error_text(driver, failed)));
    devices.push_back(std::move(device));
  }
  return devices;
}

}  // namespace tunesmith::codegen::cuda
