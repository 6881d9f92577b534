// Analytic time model of a loop nest on a CPU: no measurement, thousands of nests a second.
//
// Counts vector operations, loads and stores of each innermost body, and for every access the bytes that
// must come from each level of the memory hierarchy, by the working set of the loops around it. The time
// is the slowest of the ports and levels, plus what cannot overlap (packs, launches), on the busiest
// thread. A generic walk: it works for any nest, hand-written schedules included.
// Thread safety: pure functions.
#pragma once

#include <cstdint>

#include "ir/loop_nest.h"
#include "schedules/machine.h"

namespace tunesmith::schedules {

struct AnalyticCost {
  double time_ns = 0;  // the estimate; the terms below explain it

  // Time of each resource on the busiest thread, as if it were the only limit.
  double fma_ns = 0;    // arithmetic: vector operations through the floating-point ports
  double load_ns = 0;   // load ports
  double store_ns = 0;  // store ports
  double l1_ns = 0;     // traffic between level and the one inside it
  double l2_ns = 0;
  double l3_ns = 0;
  double dram_ns = 0;
  double latency_ns = 0;   // dependent chains that are too short of independent accumulators
  double overhead_ns = 0;  // loop control, prologues
  double pack_ns = 0;  // part of time_ns spent in statements without arithmetic (copies into staged buffers)
  double launch_ns = 0;   // fork and join of parallel loops
  double tail_waste = 0;  // fraction of vector lanes that compute nothing
  double imbalance = 0;   // busiest thread over the mean, minus 1

  // Structure, for learned models.
  double vector_ops = 0;
  double vector_loads = 0;
  double scalar_loads = 0;
  double vector_stores = 0;
  double gathers = 0;
  double bytes_touched = 0;
  double spilled_registers = 0;  // live vector values over the register file, at the worst body
  double live_registers = 0;
  double code_size = 0;  // instructions of the fully unrolled bodies
  double max_stride_bytes = 0;
  double l1_footprint = 0;  // bytes of the innermost tile's working set over the L1 size
  double l2_footprint = 0;
  double parallel_chunks = 0;
};

/// REQUIRES: a verified nest without symbols.
AnalyticCost analytic_cost(const ir::LoopNest& nest, const Machine& machine, int threads);

}  // namespace tunesmith::schedules
