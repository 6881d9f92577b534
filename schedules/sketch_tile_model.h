// A register tile of a reduction as numbers, and a quick guess of its time. The same quantities as the
// analytic model of loop nests, computed from the tile sizes without building the nest.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "schedules/machine.h"
#include "schedules/sketch_structure.h"

namespace tunesmith::schedules {

enum class PackKind : std::uint8_t {
  none,
  local,  // copied for each cache block, by the thread that uses it
  root,   // copied whole before the loops; a constant once, before the first run
};

/// Loops of the tile, outermost first: `outer` spatial axes in steps of their block, blocks of the reduction
/// axes, `inner` spatial axes in steps of their tile, `reduce` axes, the register tile itself.
struct TilePoint {
  std::size_t vector_axis = 0;
  int lanes = 16;
  std::vector<std::int64_t> tile;   // one an axis of the stage; of reduction axes: the unroll
  std::vector<std::int64_t> block;  // one an axis, at least the tile, at most the extent
  std::vector<std::size_t> outer;
  std::vector<std::size_t> inner;
  std::vector<std::size_t> reduce;
  std::vector<PackKind> pack;  // one a load of the stage
  /// Operations to recompute an element at each load of it (stages that were inlined); empty: none.
  std::vector<double> load_slots;
};

/// All steps of the reduction axes that move the load are unrolled: what guards it is decided, or stands outside of the tile.
bool decides_guards(const StageInfo& stage, const TilePoint& point, const AccessInfo& load);
/// Steps of an unrolled window read vectors that later steps read again.
bool keeps_vectors(const StageInfo& stage, const TilePoint& point);
/// Vector values that the tile keeps alive.
std::int64_t registers_of(const StageInfo& stage, const TilePoint& point);
/// Vector instructions of all copies of the unrolled body: the full tile and its tails.
double code_size_of(const StageInfo& stage, const TilePoint& point);
/// Nanoseconds of the whole stage on the busiest of `threads`.
double estimate_tile_ns(const StageInfo& stage, const TilePoint& point, const Machine& machine, int threads);

}  // namespace tunesmith::schedules
