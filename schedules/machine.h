// Machine: what the space and the analytic model must know of a CPU. A plain value, filled by the
// caller from the target's description and measured bandwidths; the defaults describe a Zen 4 core.
#pragma once

#include <cstdint>

namespace tunesmith::schedules {

/// Bandwidths are what one core reaches by itself unless the name says otherwise.
struct Machine {
  int cores = 2;
  int vector_bytes = 64;
  int vector_registers = 32;
  double clock_ghz = 3.58;
  /// Floating-point operations of one core in a cycle, in f32 fused multiply-adds (each counts 2).
  double flops_per_cycle = 32;
  double loads_per_cycle = 1;   // full-width vector loads
  double stores_per_cycle = 1;  // full-width vector stores
  int fma_latency_cycles = 4;
  int reorder_window = 256;  // instructions that wait for operands side by side

  std::int64_t line_bytes = 64;
  std::int64_t page_bytes = 4096;
  std::int64_t l1_bytes = 32 << 10;
  std::int64_t l2_bytes = 1 << 20;
  /// What one kernel can count on of the cache that all cores, and other programs, share: half of it.
  std::int64_t l3_bytes = 16 << 20;

  double l1_gbps = 175;
  double l2_gbps = 111;
  double l3_gbps = 80;
  double dram_gbps = 24;
  double dram_stream_gbps = 35;  // copy with non-temporal stores
  double dram_all_gbps = 36;     // all cores together

  /// Cost of one fork and join of a parallel loop.
  double parallel_launch_ns = 1000;

  int lanes(int element_bytes) const { return vector_bytes / element_bytes; }
  double peak_gflops() const { return clock_ghz * flops_per_cycle; }
};

}  // namespace tunesmith::schedules
