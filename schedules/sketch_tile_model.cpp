#include "schedules/sketch_tile_model.h"

#include <algorithm>
#include <cmath>

#include "schedules/analytic_access.h"

namespace tunesmith::schedules {

using i64 = std::int64_t;

namespace {

constexpr double usable_cache = 0.9;
constexpr double hidden_overlap = 0.2;
constexpr double issue_width = 5;
constexpr double loop_instructions = 3;
constexpr double tile_overhead_cycles = 12;  // pointers, zeroing, loop entry of one register tile
constexpr double guard_slots = 2;            // compare and blend of a guarded vector load
constexpr double transpose_cycles = 0.5;     // per element of a transposing copy
constexpr double copy_cycles = 0.15;         // per element of a straight copy

i64 ceil_div(i64 a, i64 b) { return (a + b - 1) / b; }

struct ModelLoop {
  std::size_t axis = 0;
  i64 step = 1;
  i64 count = 1;
};

class TileModel {
 public:
  TileModel(const StageInfo& stage, const TilePoint& point, const Machine& machine, int threads)
      : s_(stage), p_(point), m_(machine), threads_(threads) {
    build_loops();
  }

  double time_ns() const {
    const double ns = 1 / m_.clock_ghz;
    const double compute = ns * compute_cycles(0, 1);
    const double memory = memory_ns();
    const double pack = ns * pack_cycles();
    double total = std::max(compute, memory) + hidden_overlap * std::min(compute, memory) + pack;
    if (threads_ > 1) total = total * share() + m_.parallel_launch_ns;
    return total;
  }

 private:
  void build_loops() {
    auto add = [&](std::size_t axis, i64 step, i64 count) {
      if (count > 1) loops_.push_back({axis, step, count});
    };
    for (std::size_t a : p_.outer) add(a, p_.block[a], ceil_div(s_.axes[a].extent, p_.block[a]));
    outer_loops_ = loops_.size();
    for (std::size_t a : p_.reduce) add(a, p_.block[a], ceil_div(s_.axes[a].extent, p_.block[a]));
    block_loops_ = loops_.size();
    for (std::size_t a : p_.inner) add(a, p_.tile[a], ceil_div(p_.block[a], p_.tile[a]));
    inner_loops_ = loops_.size();
    for (std::size_t a : p_.reduce) add(a, p_.tile[a], ceil_div(p_.block[a], p_.tile[a]));
    for (std::size_t a : p_.reduce) add(a, 1, p_.tile[a]);
    for (std::size_t a = 0; a < s_.spatial_count; ++a)
      if (a != p_.vector_axis) add(a, 1, p_.tile[a]);
    add(p_.vector_axis, 1, p_.tile[p_.vector_axis]);
  }

  i64 reduce_blocks() const {
    i64 count = 1;
    for (std::size_t a : p_.reduce) count *= ceil_div(s_.axes[a].extent, p_.block[a]);
    return count;
  }

  double share() const {
    double chunks = 1;
    for (std::size_t l = 0; l < outer_loops_; ++l) chunks *= static_cast<double>(loops_[l].count);
    return std::ceil(chunks / threads_) / chunks;
  }

  bool contiguous(std::size_t load) const {
    const AccessInfo& access = s_.loads[load];
    return p_.pack[load] != PackKind::none ||
           (!access.irregular[p_.vector_axis] && access.strides[p_.vector_axis] == 1);
  }

  /// Loads of one vector of columns (or broadcasts) that one step of the unrolled reduction takes. Vectors are kept
  /// from one unrolled step to the next; single elements are read again as operands.
  double loads_a_step(std::size_t load, const std::vector<i64>& sizes) const {
    const AccessInfo& access = s_.loads[load];
    const bool is_kept = access.uses(p_.vector_axis) && contiguous(load);
    std::vector<Walk> walks;
    double steps = 1;
    for (std::size_t a = 0; a < s_.spatial_count; ++a)
      if (a != p_.vector_axis && access.uses(a)) walks.push_back({access.strides[a], sizes[a], true});
    for (std::size_t a : p_.reduce) {
      if (!is_kept) continue;
      steps *= static_cast<double>(p_.tile[a]);
      if (access.uses(a)) walks.push_back({access.strides[a], p_.tile[a], true});
    }
    return distinct_places(walks) / steps;
  }

  /// Cycles of one register tile of the given sizes.
  double tile_cycles(const std::vector<i64>& sizes) const {
    const double vectors = vector_slots(sizes[p_.vector_axis], p_.lanes);
    const double active = static_cast<double>(std::min<i64>(sizes[p_.vector_axis], p_.lanes));
    double points = 1;
    for (std::size_t a = 0; a < s_.spatial_count; ++a)
      if (a != p_.vector_axis) points *= static_cast<double>(sizes[a]);
    double slots = points * vectors * s_.slots;
    double loads = 0;
    double unroll = 1;
    for (std::size_t a : p_.reduce) unroll *= static_cast<double>(p_.tile[a]);
    for (std::size_t l = 0; l < s_.loads.size(); ++l) {
      const double count = loads_a_step(l, sizes);
      const bool in_lanes = s_.loads[l].uses(p_.vector_axis);
      const std::int64_t stride = s_.loads[l].strides[p_.vector_axis];
      if (in_lanes && !contiguous(l) && !s_.loads[l].irregular[p_.vector_axis] && shuffled_vectors(stride) > 0) {
        slots += count * vectors * static_cast<double>(shuffled_vectors(stride));
        loads += count * vectors * static_cast<double>(shuffled_vectors(stride));
      } else if (in_lanes && !contiguous(l)) {
        slots += count * vectors * active * (s_.loads[l].irregular[p_.vector_axis] ? 6 : 1);
        loads += count * vectors * active;
      } else {
        loads += in_lanes ? count * vectors : count * 0.5;
      }
      if (!p_.load_slots.empty()) slots += count * vectors * p_.load_slots[l];
      if (s_.loads[l].is_guarded && p_.pack[l] == PackKind::none && !decides_guards(s_, p_, s_.loads[l]))
        slots += count * vectors * guard_slots;
    }
    const double issue = (slots + loads + loop_instructions / unroll) / issue_width;
    // The chains of the next tile start while those of this one wait.
    const double instructions = static_cast<double>(s_.reduce_points()) * std::max(1.0, slots + loads);
    const double latency = m_.fma_latency_cycles / std::max(1.0, m_.reorder_window / instructions);
    const double step = std::max({slots, loads / m_.loads_per_cycle, issue, latency});
    const double stores =
        points * vectors * (reduce_blocks() > 1 ? 2.0 * static_cast<double>(reduce_blocks()) : 1.0);
    return static_cast<double>(s_.reduce_points()) * step + stores +
           tile_overhead_cycles * static_cast<double>(reduce_blocks());
  }

  /// Full tiles and tails of every spatial axis from `axis` on.
  double compute_cycles(std::size_t axis, double repeats, std::vector<i64> sizes = {}) const {
    if (axis == s_.spatial_count) return repeats * tile_cycles(sizes);
    const i64 extent = s_.axes[axis].extent;
    const i64 tile = p_.tile[axis];
    double total = 0;
    sizes.push_back(tile);
    if (extent / tile > 0)
      total += compute_cycles(axis + 1, repeats * static_cast<double>(extent / tile), sizes);
    sizes.back() = extent % tile;
    if (extent % tile > 0) total += compute_cycles(axis + 1, repeats, sizes);
    return total;
  }

  Access walk_of(const AccessInfo& info, bool packed) const {
    Access access;
    access.element_bytes = info.element_bytes;
    i64 dense = 1;
    for (const ModelLoop& loop : loops_) {
      if (!info.uses(loop.axis)) {
        access.walks.push_back({});
      } else if (packed) {
        access.walks.push_back({0, loop.count});
      } else {
        access.walks.push_back({std::max<i64>(1, std::abs(info.strides[loop.axis])) * loop.step, loop.count});
      }
    }
    if (packed)  // dense: the innermost loop is contiguous
      for (std::size_t l = access.walks.size(); l-- > 0;)
        if (access.walks[l].varies()) {
          access.walks[l].stride = dense;
          dense *= access.walks[l].count;
        }
    return access;
  }

  double traffic(const Access& access, const std::vector<double>& touched, double capacity) const {
    std::size_t fits = touched.size();
    while (fits > 0 && touched[fits - 1] <= capacity * usable_cache) --fits;
    if (fits == 0) return footprint(access, 0, m_.line_bytes).bytes;
    double bytes = footprint(access, fits - 1, m_.line_bytes).bytes;
    for (std::size_t l = 0; l + 1 < fits; ++l) bytes *= static_cast<double>(loops_[l].count);
    return bytes;
  }

  double memory_ns() const {
    std::vector<Access> accesses;
    for (std::size_t l = 0; l < s_.loads.size(); ++l)
      accesses.push_back(walk_of(s_.loads[l], p_.pack[l] != PackKind::none));
    std::vector<double> bytes(loops_.size(), 0), sets(loops_.size(), 0);
    for (const Access& a : accesses)
      for (std::size_t d = 0; d < loops_.size(); ++d) {
        const Footprint here = footprint(a, d, m_.line_bytes);
        bytes[d] += here.bytes;
        sets[d] += here.set_bytes;
      }
    // The output is touched between the tiles only: it takes no room while a tile accumulates.
    const Access store = walk_of(s_.store, false);
    for (std::size_t d = 0; d < inner_loops_; ++d) {
      const double here = footprint(store, d, m_.line_bytes).bytes;
      bytes[d] += here;
      sets[d] += here;
    }
    const double out = static_cast<double>(s_.spatial_points()) * s_.store.element_bytes;
    const double passes = 2.0 * static_cast<double>(reduce_blocks());
    const bool block_stays =
        outer_loops_ < bytes.size() && bytes[outer_loops_] < usable_cache * static_cast<double>(m_.l2_bytes);
    const bool is_far = !bytes.empty() && bytes[0] > static_cast<double>(m_.l3_bytes);
    double l2 = passes * out;
    double l3 = block_stays ? 2 * out : passes * out;
    double dram = is_far ? 2 * out : 0;
    for (const Access& a : accesses) {
      const double run = sequential_run_bytes(a);
      l2 += traffic(a, sets, static_cast<double>(m_.l1_bytes));
      l3 += traffic(a, bytes, static_cast<double>(m_.l2_bytes)) * (1 + l3_jump_bytes / run);
      if (is_far) dram += traffic(a, bytes, static_cast<double>(m_.l3_bytes)) * (1 + dram_jump_bytes / run);
    }
    const double dram_gbps =
        threads_ > 1 ? std::min(m_.dram_gbps, m_.dram_all_gbps / threads_) : m_.dram_gbps;
    return std::max({l2 / m_.l2_gbps, l3 / m_.l3_gbps, dram / dram_gbps});
  }

  double pack_cycles() const {
    double cycles = 0;
    for (std::size_t l = 0; l < s_.loads.size(); ++l) {
      if (p_.pack[l] == PackKind::none || (p_.pack[l] == PackKind::root && s_.loads[l].is_constant)) continue;
      double elements = p_.pack[l] == PackKind::root ? static_cast<double>(s_.loads[l].elements) : 1;
      if (p_.pack[l] == PackKind::local)
        for (std::size_t d = 0; d < loops_.size(); ++d)
          if (d < block_loops_ || s_.loads[l].uses(loops_[d].axis))
            elements *= static_cast<double>(loops_[d].count);
      // The innermost place of the pack is the tile: the vector axis, or the axis that is broadcast.
      bool straight = false;
      for (std::size_t a = 0; a < s_.spatial_count; ++a)
        straight |= p_.tile[a] > 1 && !s_.loads[l].irregular[a] && s_.loads[l].strides[a] == 1;
      cycles += elements * (straight ? copy_cycles : transpose_cycles);
    }
    return cycles;
  }

  const StageInfo& s_;
  const TilePoint& p_;
  const Machine& m_;
  int threads_;
  std::vector<ModelLoop> loops_;
  std::size_t outer_loops_ = 0;
  std::size_t block_loops_ = 0;
  std::size_t inner_loops_ = 0;
};

}  // namespace

namespace {

/// Elements that several steps of an unrolled window read: the compiler loads each once and keeps it.
i64 shared_elements(const StageInfo& stage, const TilePoint& point) {
  i64 shared = 0;
  for (const AccessInfo& load : stage.loads) {
    if (load.uses(point.vector_axis)) continue;
    std::vector<Walk> walks;
    double steps = 1;
    for (std::size_t a = 0; a < stage.axes.size(); ++a) {
      if (a == point.vector_axis || point.tile[a] == 1 || !load.uses(a)) continue;
      walks.push_back({load.strides[a], point.tile[a], true});
      steps *= static_cast<double>(point.tile[a]);
    }
    const double places = distinct_places(walks);
    if (places < steps) shared += static_cast<i64>(places);
  }
  return shared;
}

/// Vectors that an outer step of an unrolled window reads and a later one reads again: the compiler loads each once, so
/// that all of them stay alive in between.
i64 kept_vectors(const StageInfo& stage, const TilePoint& point) {
  i64 kept = 0;
  for (const AccessInfo& load : stage.loads) {
    if (!load.uses(point.vector_axis)) continue;
    std::vector<Walk> inside;  // of the loops inside the step, from the innermost on
    for (std::size_t a = 0; a < stage.spatial_count; ++a)
      if (a != point.vector_axis && point.tile[a] > 1 && load.uses(a)) inside.push_back({load.strides[a], point.tile[a], true});
    double most = 0;
    for (std::size_t i = point.reduce.size(); i-- > 0;) {
      const std::size_t a = point.reduce[i];
      if (point.tile[a] == 1 || !load.uses(a)) continue;
      const double one_step = distinct_places(inside);
      inside.push_back({load.strides[a], point.tile[a], true});
      if (distinct_places(inside) < one_step * static_cast<double>(point.tile[a])) most = one_step;
    }
    kept += static_cast<i64>(most) * ceil_div(point.tile[point.vector_axis], point.lanes);
  }
  return kept;
}

}  // namespace

bool decides_guards(const StageInfo& stage, const TilePoint& point, const AccessInfo& load) {
  for (std::size_t a = stage.spatial_count; a < stage.axes.size(); ++a)
    if (load.uses(a) && point.tile[a] < stage.axes[a].extent) return false;
  return true;
}

bool keeps_vectors(const StageInfo& stage, const TilePoint& point) { return kept_vectors(stage, point) > 0; }

i64 registers_of(const StageInfo& stage, const TilePoint& point) {
  const i64 vectors = ceil_div(point.tile[point.vector_axis], point.lanes);
  i64 accumulators = vectors;
  for (std::size_t a = 0; a < stage.spatial_count; ++a)
    if (a != point.vector_axis) accumulators *= point.tile[a];
  i64 live = 1;
  for (const AccessInfo& load : stage.loads) {
    bool reused = false;
    for (std::size_t a = 0; a < stage.spatial_count; ++a)
      reused |= a != point.vector_axis && point.tile[a] > 1 && !load.uses(a);
    if (load.uses(point.vector_axis) && reused) live = std::max(live, vectors);
  }
  return accumulators + live + 1 + shared_elements(stage, point) + kept_vectors(stage, point);
}

double code_size_of(const StageInfo& stage, const TilePoint& point) {
  double size = 1;
  for (std::size_t a = 0; a < stage.axes.size(); ++a) {
    const i64 extent = stage.axes[a].extent;
    const double tile =
        static_cast<double>(a == point.vector_axis ? ceil_div(point.tile[a], point.lanes) : point.tile[a]);
    // A tail is a smaller copy; a ragged block repeats the copies inside it.
    double copies = 1;
    if (point.block[a] % point.tile[a] != 0 || (point.block[a] == extent && extent % point.tile[a] != 0))
      copies += 0.5;
    if (extent % point.block[a] != 0) copies += (extent % point.block[a]) % point.tile[a] != 0 ? 1.5 : 1;
    size *= tile * copies;
  }
  return size;
}

double estimate_tile_ns(const StageInfo& stage, const TilePoint& point, const Machine& machine, int threads) {
  return TileModel(stage, point, machine, threads).time_ns();
}

}  // namespace tunesmith::schedules
