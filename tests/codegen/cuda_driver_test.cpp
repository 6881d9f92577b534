// The driver behind a fake table of functions: what is found, and what is said where something is missing.
#include "codegen/cuda/driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#if __has_include(<cuda.h>)
#include <cuda.h>
#endif

namespace tunesmith::codegen::cuda {
namespace {

using ::testing::HasSubstr;

/// What the fake driver answers; a table of plain functions has no other place for it.
struct Answers {
  int version = 13000;
  DriverResult init = success;
  DriverResult attribute = success;
  int devices = 2;
} answers;

DriverApi fake_driver() {
  DriverApi api;
  api.init = [](unsigned) { return answers.init; };
  api.driver_version = [](int* version) { return *version = answers.version, success; };
  api.error_name = [](DriverResult code, const char** name) {
    *name = code == 999 ? "CUDA_ERROR_UNKNOWN" : nullptr;
    return code == 999 ? success : 1;
  };
  api.device_count = [](int* count) { return *count = answers.devices, success; };
  api.device_get = [](DeviceHandle* device, int ordinal) { return *device = ordinal + 40, success; };
  api.device_name = [](char* name, int size, DeviceHandle device) {
    std::strncpy(name, device == 40 ? "Big GPU" : "Small GPU", static_cast<std::size_t>(size));
    return success;
  };
  api.device_attribute = [](int* value, int attribute, DeviceHandle device) {
    switch (static_cast<Attribute>(attribute)) {
      case Attribute::capability_major: *value = device == 40 ? 9 : 8; break;
      case Attribute::capability_minor: *value = device == 40 ? 0 : 6; break;
      case Attribute::multiprocessors: *value = 132; break;
      case Attribute::memory_clock_khz: *value = 2'000'000; break;
      case Attribute::memory_bus_bits: *value = 5120; break;
      default: *value = attribute; break;
    }
    return answers.attribute;
  };
  api.device_total_memory = [](std::size_t* bytes, DeviceHandle) { return *bytes = std::size_t{80} << 30, success; };
  return api;
}

class CudaDriver : public ::testing::Test {
 protected:
  CudaDriver() { answers = {}; }
  static std::string error() {
    const auto devices = find_devices(fake_driver());
    return devices ? "" : devices.error().message;
  }
};

TEST_F(CudaDriver, TellsItsDevices) {
  const auto devices = find_devices(fake_driver());
  ASSERT_TRUE(devices) << devices.error().message;
  ASSERT_EQ(devices->size(), 2u);
  EXPECT_EQ(devices->at(0).name, "Big GPU");
  EXPECT_EQ(devices->at(0).architecture(), "sm_90a");
  EXPECT_EQ(devices->at(0).multiprocessors, 132);
  EXPECT_EQ(devices->at(0).l2_bytes, static_cast<int>(Attribute::l2_bytes));
  EXPECT_EQ(devices->at(0).memory_bytes, std::int64_t{80} << 30);
  EXPECT_NEAR(devices->at(0).bandwidth_gb_s, 2560, 1e-6);
  EXPECT_EQ(devices->at(1).architecture(), "sm_86");
}

TEST_F(CudaDriver, SaysWhatToDoAboutWhatIsMissing) {
  answers.init = error_no_device;
  EXPECT_THAT(error(), HasSubstr("finds no GPU"));
  answers.init = error_stub_library;
  EXPECT_THAT(error(), HasSubstr("stub"));
  answers.init = error_system_driver_mismatch;
  EXPECT_THAT(error(), HasSubstr("do not fit"));
  answers.init = 999;
  EXPECT_THAT(error(), HasSubstr("CUDA_ERROR_UNKNOWN (999)"));
  answers.init = 12345;
  EXPECT_THAT(error(), HasSubstr("12345"));
  answers = {};
  answers.devices = 0;
  EXPECT_THAT(error(), HasSubstr("finds no GPU"));
}

TEST_F(CudaDriver, RefusesOldOnes) {
  answers.version = 11080;
  EXPECT_THAT(error(), HasSubstr("of CUDA 11.8; 12.0 or newer"));
}

TEST_F(CudaDriver, NamesADeviceThatDoesNotAnswer) {
  answers.attribute = 999;
  EXPECT_THAT(error(), HasSubstr("GPU 0 does not answer: CUDA_ERROR_UNKNOWN"));
}

#if __has_include(<cuda.h>)
TEST(CudaAbi, IsThatOfTheHeader) {
  EXPECT_EQ(static_cast<int>(error_stub_library), CUDA_ERROR_STUB_LIBRARY);
  EXPECT_EQ(static_cast<int>(error_no_device), CUDA_ERROR_NO_DEVICE);
  EXPECT_EQ(static_cast<int>(error_system_driver_mismatch), CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
  const std::pair<Attribute, int> attributes[] = {
      {Attribute::max_threads_per_block, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK},
      {Attribute::warp_size, CU_DEVICE_ATTRIBUTE_WARP_SIZE},
      {Attribute::clock_khz, CU_DEVICE_ATTRIBUTE_CLOCK_RATE},
      {Attribute::multiprocessors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT},
      {Attribute::memory_clock_khz, CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE},
      {Attribute::memory_bus_bits, CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH},
      {Attribute::l2_bytes, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE},
      {Attribute::threads_per_multiprocessor, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR},
      {Attribute::capability_major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR},
      {Attribute::capability_minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR},
      {Attribute::shared_bytes_per_multiprocessor, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR},
      {Attribute::registers_per_multiprocessor, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR},
      {Attribute::shared_bytes_per_block, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN}};
  for (const auto& [ours, theirs] : attributes) EXPECT_EQ(static_cast<int>(ours), theirs);
  static_assert(sizeof(CUresult) == sizeof(DriverResult) && sizeof(CUdevice) == sizeof(DeviceHandle));
}
#endif

}  // namespace
}  // namespace tunesmith::codegen::cuda
