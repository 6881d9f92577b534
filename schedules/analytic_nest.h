// The statements of a nest with the loops around them: what the analytic model counts.
//
// Thread safety: pure function; the result is used by one thread.
#pragma once

#include <map>
#include <vector>

#include "ir/loop_nest.h"
#include "schedules/analytic_access.h"
#include "schedules/machine.h"

namespace tunesmith::schedules {

/// One store and everything that it computes.
struct Body {
  std::vector<LoopInfo> loops;     // outermost first
  std::vector<std::size_t> nodes;  // loop nodes of `loops`
  std::vector<Access> accesses;
  std::size_t group = 0;
  double slots = 0;
  double flops = 0;
  int element_bytes = 4;  // widest value: decides the lanes
  bool is_accumulation = false;
  bool to_temporary = false;
  double probability = 1;
};

/// A loop of the nest with the bytes that one execution of it touches, by buffer.
struct LoopNode {
  std::map<ir::BufferId, Footprint> touched;
  double bytes = 0;
  double set_bytes = 0;
};

/// Refers to the nest and the machine, which must outlive it.
struct NestBodies {
  const ir::LoopNest& nest;
  const Machine& machine;
  int threads = 1;
  Prober prober;
  std::vector<Body> bodies{};
  std::vector<LoopNode> nodes{};
  std::size_t group_count = 1;  // groups: statements below one innermost serial or parallel loop
  double launches = 0;          // of parallel loops
  double parallel_chunks = 0;
  double imbalance = 0;
};
/// The bodies of `nest.body`; `prepare` runs once in the life of a model and does not count.
NestBodies collect_bodies(const ir::LoopNest& nest, const Machine& machine, int threads);

}  // namespace tunesmith::schedules
