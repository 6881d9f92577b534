// Limits: what the machine can do, measured: the roof that every result is compared with.
#pragma once

#include <cstdint>

#include "ir/kernel.h"
#include "tuner/environment.h"

namespace tunesmith::tuner {

struct Limits {
  double flops_per_ns = 0;   // f32 fused multiply-adds (2 each) in registers, all threads
  double bytes_per_ns = 0;   // DRAM copy with streaming stores, read + written bytes, all threads
  double cache_bytes_per_ns = 0;   // the same inside the L1 caches
  std::int64_t cache_bytes = 0;    // last-level cache: smaller arguments may be served from caches
  std::int32_t threads = 1;
};

/// Runs a register-only FMA kernel, a streaming copy larger than the last-level cache and a copy inside the L1 caches
/// on `environment.threads` threads; the best of several rounds each. Takes about a second.
Expected<Limits, Error> measure_limits(const Environment& environment);

/// Least time of a kernel in ns: max(flops / peak, argument bytes / bandwidth). Arguments that fit in the last-level cache
/// count with the bandwidth of the L1 cache: when they are warm, DRAM bounds nothing.
double limit_ns(const ir::Kernel& kernel, const Limits& limits);
/// Whether the operations, not the bytes, make that time.
bool is_compute_bound(const ir::Kernel& kernel, const Limits& limits);

}  // namespace tunesmith::tuner
