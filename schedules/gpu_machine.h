// GpuMachine: what the space and its time model must know of a GPU. A plain value, filled by the caller from what the device
// says of itself, or from a table where there is none; the defaults describe an H100 (SXM).
#pragma once

#include <cstdint>

namespace tunesmith::schedules {

struct GpuMachine {
  int multiprocessors = 132;
  int warp_size = 32;
  int max_threads_per_block = 1024;
  int threads_per_multiprocessor = 2048;
  int registers_per_multiprocessor = 65536;
  int registers_per_thread = 255;
  std::int64_t shared_bytes_per_block = 227 << 10;
  std::int64_t shared_bytes_per_multiprocessor = 228 << 10;
  std::int64_t l2_bytes = 50 << 20;
  double clock_ghz = 1.755;
  /// Of one multiprocessor in a cycle.
  double f32_operations_per_cycle = 256;  // a fused multiply-add counts 2
  double shared_bytes_per_cycle = 128;
  double l2_bytes_per_cycle = 64;
  /// All together.
  double dram_gbps = 3350;
  double launch_ns = 3000;  // of one kernel behind another

  double peak_gflops() const { return multiprocessors * f32_operations_per_cycle * clock_ghz; }
};

}  // namespace tunesmith::schedules
