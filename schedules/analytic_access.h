// How an access walks memory: strides over the loops around it, and the bytes that a part of those loops
// touches. Part of the analytic model.
//
// Strides are found by probing the index expression at points of each loop, so that fused and split
// variables (floor_div, floor_mod, lets) need no algebra. Thread safety: a Prober is used by one thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ir/loop_nest.h"

namespace tunesmith::schedules {

/// A loop around a statement.
struct LoopInfo {
  ir::VarId var{};
  std::int64_t extent = 1;  // largest trip count
  double trips = 1;         // mean trip count of one execution (of one thread, for parallel loops)
  ir::LoopKind kind = ir::LoopKind::serial;
  double probability = 1;  // share of the iterations of the parent that run this loop (guards)
};

/// Distinct values that one loop makes an index take: `count` values `stride` elements apart.
struct Walk {
  std::int64_t stride = 0;
  std::int64_t count = 1;
  bool is_regular = true;  // index = origin + stride * loop variable

  bool varies() const { return count > 1; }
};

/// A load or store, seen from the loops around its statement (outermost first).
struct Access {
  ir::BufferId buffer{};
  int element_bytes = 4;
  bool is_store = false;
  bool streaming = false;
  bool fetches_ahead = false;
  bool data_dependent = false;  // the index contains a load
  bool is_transposed = false;   // rows are loaded and transposed in registers: `walks` are those of the rows
  std::vector<Walk> walks;      // one a loop
  std::uint64_t index_hash = 0;
};

/// Different places that the walks reach together: unrolled loops over a sliding window share most of their loads.
/// REQUIRES: regular walks.
double distinct_places(std::span<const Walk> walks);

struct Footprint {
  double bytes = 0;      // whole cache lines
  double set_bytes = 0;  // the same, grown where a power-of-two stride leaves cache sets unused
};
/// Bytes that the loops [first, walks.size()) touch.
Footprint footprint(const Access& access, std::size_t first, std::int64_t line_bytes);

/// Bytes that an access walks in one direction before it jumps further than the prefetchers follow: a few
/// streams side by side count as one.
double sequential_run_bytes(const Access& access);
/// What a byte from a far level costs more when runs are short: as if each jump moved so many bytes.
inline constexpr double dram_jump_bytes = 768;
inline constexpr double l3_jump_bytes = 64;

/// Port slots of the vectors of `extent` elements: the last one is narrowed, and half a vector takes half.
double vector_slots(std::int64_t extent, std::int64_t lanes);

/// Vectors that are loaded and shuffled for one vector of lanes `stride` elements apart; 0: too far, a gather.
inline std::int64_t shuffled_vectors(std::int64_t stride) {
  const std::int64_t distance = stride < 0 ? -stride : stride;
  return distance <= 4 ? distance : 0;
}

/// Evaluates index expressions at points of the loop variables.
class Prober {
 public:
  explicit Prober(std::size_t variables) : values_(variables, 0), lets_(variables) {}

  void set(ir::VarId var, std::int64_t value) { values_[index_of(var)] = value; }
  std::int64_t get(ir::VarId var) const { return values_[index_of(var)]; }
  /// REQUIRES: `value` outlives the prober's use of `var`.
  void bind(ir::VarId var, const ir::Expr& value) { lets_[index_of(var)] = value; }
  void unbind(ir::VarId var) { lets_[index_of(var)] = {}; }

  std::int64_t eval(const ir::Expr& e) const;
  /// True when a load was met since the last call: its value counts as 0.
  bool take_data_dependence();
  /// How `index` varies with a loop variable, all other variables as they are set.
  Walk walk(const ir::Expr& index, ir::VarId var, std::int64_t extent);
  /// Share of the points of the loops at which `condition` holds.
  double probability(const ir::Expr& condition, std::span<const LoopInfo> loops);
  /// Mean value of an index expression over the loops.
  double mean(const ir::Expr& e, std::span<const LoopInfo> loops);

 private:
  bool depends(const ir::Expr& e, ir::VarId var) const;

  std::vector<std::int64_t> values_;
  std::vector<ir::Expr> lets_;
  mutable bool met_load_ = false;
};

}  // namespace tunesmith::schedules
