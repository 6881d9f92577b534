#include "schedules/sketch_chain.h"

#include <algorithm>
#include <cmath>

#include "schedules/sketch_emit.h"

namespace tunesmith::schedules {

using ir::LoopKind;
using i64 = std::int64_t;

namespace {

constexpr double load_slots = 0.5;
constexpr double tile_overhead_cycles = 10;  // loop entries of one stage of one tile

LoopId loop_of(std::size_t stage, std::size_t axis) {
  return axis_loop(static_cast<StageIndex>(stage), static_cast<std::uint32_t>(axis));
}

/// For each member of a chain: the axis of the last member that each of its own axes is, where every reader
/// agrees.
class SharedAxes {
 public:
  SharedAxes(const KernelInfo& info, const StageGroup& group) : axes_(info.stages.size()) {
    const StageInfo& last = info.stages[group.anchor];
    for (std::size_t a = 0; a < last.spatial_count; ++a) axes_[group.anchor].push_back(a);
    for (std::size_t i = group.prologue.size(); i-- > 0;) join(info, group.prologue[i]);
  }

  /// Axis of `stage` that is axis `a` of the last member.
  std::optional<std::size_t> axis_of(std::size_t stage, std::size_t a) const {
    const auto found = std::ranges::find(axes_[stage], std::optional(a));
    if (found == axes_[stage].end()) return std::nullopt;
    return static_cast<std::size_t>(found - axes_[stage].begin());
  }

 private:
  void join(const KernelInfo& info, std::size_t member) {
    const StageInfo& stage = info.stages[member];
    bool first = true;
    for (std::size_t reader : stage.consumers)
      for (const AccessInfo& load : info.stages[reader].loads) {
        if (load.buffer != stage.stage->outputs[0]) continue;
        std::vector<std::optional<std::size_t>> seen;
        for (const auto& axis : load.dim_axis)
          seen.push_back(axis && *axis < axes_[reader].size() ? axes_[reader][*axis] : std::nullopt);
        if (first) axes_[member] = seen;
        for (std::size_t d = 0; d < seen.size(); ++d)
          if (axes_[member][d] != seen[d]) axes_[member][d] = std::nullopt;
        first = false;
      }
  }

  std::vector<std::vector<std::optional<std::size_t>>> axes_;
};

class ChainSketch : public GroupSketch {
 public:
  ChainSketch(const RuleContext& context, const StageGroup& group)
      : info_(context.info),
        machine_(context.machine),
        threads_(context.threads),
        group_(group),
        last_(context.info.stages[group.anchor]),
        unit_(*last_.unit_axis()) {
    members_ = group.prologue;
    members_.push_back(group.anchor);
    find_rows();
    int widest = 1;
    for (std::size_t m : members_) widest = std::max(widest, info_.stages[m].widest_bytes);
    lanes_ = std::max(1, machine_.lanes(widest));
    add_knobs();
  }

  /// False where no tile is smaller than the whole.
  bool has_tiles() const { return !rows_.empty() || block_; }

  const std::string& name() const override { return name_; }
  std::span<const Knob> knobs() const override { return knobs_; }
  bool feasible(std::span<const i64> values) const override {
    const i64 block = value(values, block_, 0);
    return block == 0 || (block % values[0] == 0 && block < last_.axes[unit_].extent);
  }

  double estimate_ns(std::span<const i64> values) const override {
    const double tiles = tile_count(values);
    double cycles = 0;
    double outside_bytes = 0;
    for (std::size_t m : members_) {
      const StageInfo& stage = info_.stages[m];
      double sides = 1;
      for (std::size_t a = 0; a < stage.spatial_count; ++a)
        if (stage.picks[a]) sides *= static_cast<double>(stage.axes[a].extent);
      const double slots = (stage.slots + load_slots * static_cast<double>(stage.loads.size())) / sides;
      cycles += static_cast<double>(stage.spatial_points()) / lanes_ * (slots + 1);
      cycles += tiles * tile_overhead_cycles;
      for (const AccessInfo& load : stage.loads)
        if (load.is_input) outside_bytes = std::max(outside_bytes, bytes_of(load));
    }
    const double out = bytes_of(last_.store);
    const double threads = is_parallel(values) ? threads_ : 1;
    const bool far = outside_bytes + out > static_cast<double>(machine_.l3_bytes);
    const double near =
        far ? std::min(machine_.dram_gbps, machine_.dram_all_gbps / threads) : machine_.l3_gbps;
    const double memory = (outside_bytes + 2 * out) / near;
    const double compute = cycles / machine_.clock_ghz;
    double time = std::max(compute, memory) + 0.2 * std::min(compute, memory);
    if (is_parallel(values)) time = time * std::ceil(tiles / threads) / tiles + machine_.parallel_launch_ns;
    return time;
  }

  void emit(std::span<const i64> values, Schedule& schedule) const override {
    Emitter e(info_, schedule);
    std::vector<LoopId> tiles;
    for (std::size_t a : rows_) tiles.push_back(loop_of(group_.anchor, a));
    LoopId vector = loop_of(group_.anchor, unit_);
    i64 span = last_.axes[unit_].extent;
    if (const i64 block = value(values, block_, 0); block != 0) {
      e.split(vector, block);
      tiles.push_back(vector.outer());
      vector = vector.inner();
      span = block;
    }
    std::vector<LoopId> order = tiles;
    place(e, group_.anchor, vector, span, values, order);
    LoopId at = tiles.back();
    if (is_parallel(values)) {
      at = e.fuse(tiles);
      e.annotate(at, LoopKind::parallel);
    }
    for (std::size_t i = group_.prologue.size(); i-- > 0;) {
      const std::size_t m = group_.prologue[i];
      e.compute_at(static_cast<StageIndex>(m), at, ir::Scope::local);
      const auto unit = info_.stages[m].unit_axis();
      if (!unit) continue;
      std::vector<LoopId> inside;
      const bool is_blocked = unit_is_shared_ && shared_unit(m) == unit;
      const i64 extent = is_blocked ? span : info_.stages[m].axes[*unit].extent;
      place(e, m, loop_of(m, *unit), extent, values, inside);
    }
  }

 private:
  static double bytes_of(const AccessInfo& access) {
    return static_cast<double>(access.elements) * access.element_bytes;
  }
  i64 value(std::span<const i64> values, std::optional<std::size_t> knob, i64 otherwise) const {
    return knob ? values[*knob] : otherwise;
  }
  bool is_parallel(std::span<const i64> values) const { return value(values, par_, 0) != 0; }
  double tile_count(std::span<const i64> values) const {
    double tiles = 1;
    for (std::size_t a : rows_) tiles *= static_cast<double>(last_.axes[a].extent);
    const i64 block = value(values, block_, 0);
    if (block != 0)
      tiles *= std::ceil(static_cast<double>(last_.axes[unit_].extent) / static_cast<double>(block));
    return tiles;
  }
  std::optional<std::size_t> shared_unit(std::size_t member) const { return shared_.axis_of(member, unit_); }

  /// Axes that all members share and that pick nothing anywhere; the unit axis apart.
  void find_rows() {
    for (std::size_t a = 0; a < last_.spatial_count; ++a) {
      const bool shared = std::ranges::all_of(members_, [&](std::size_t m) {
        const auto own = shared_.axis_of(m, a);
        return own && !info_.stages[m].picks[*own] &&
               info_.stages[m].axes[*own].extent == last_.axes[a].extent;
      });
      if (!shared) continue;
      if (a == unit_)
        unit_is_shared_ = true;
      else
        rows_.push_back(a);
    }
  }

  void add_knobs() {
    const i64 extent = last_.axes[unit_].extent;
    std::vector<i64> widths;
    for (i64 vectors : {1, 2, 4})
      if (vectors == 1 || vectors * lanes_ <= extent) widths.push_back(vectors * lanes_);
    knobs_.push_back({"width", std::move(widths), false});
    auto add = [&](const char* name, std::vector<i64> domain, bool structural) {
      knobs_.push_back({name, std::move(domain), structural});
      return knobs_.size() - 1;
    };
    std::vector<i64> blocks;
    if (!rows_.empty()) blocks.push_back(0);
    for (i64 vectors : {1, 2, 4, 8, 16})
      if (unit_is_shared_ && vectors * lanes_ < extent) blocks.push_back(vectors * lanes_);
    if (!blocks.empty()) block_ = add("block", std::move(blocks), false);
    unroll_ = add("unroll", {0, 1}, true);
    if (threads_ > 1) par_ = add("par", {1, 0}, true);
  }

  /// Orders the loops of a stage inside `order`: the rest of its axes, vectors of the unit axis, what picks
  /// sides, one vector.
  void place(Emitter& e, std::size_t index, LoopId vector, i64 span, std::span<const i64> values,
             std::vector<LoopId> order) const {
    const StageInfo& stage = info_.stages[index];
    std::vector<LoopId> unrolled;
    for (std::size_t a = 0; a < stage.spatial_count; ++a) {
      const bool is_row =
          std::ranges::any_of(rows_, [&](std::size_t row) { return shared_.axis_of(index, row) == a; });
      if (a == *stage.unit_axis() || is_row) continue;
      const bool whole = value(values, unroll_, 0) != 0 && stage.axes[a].extent <= largest_unrolled;
      (stage.picks[a] || whole ? unrolled : order).push_back(loop_of(index, a));
    }
    if (span > values[0]) {
      e.split(vector, values[0]);
      order.push_back(vector.outer());
      vector = vector.inner();
    }
    order.insert(order.end(), unrolled.begin(), unrolled.end());
    order.push_back(vector);
    e.reorder(order);
    for (const LoopId& loop : unrolled) e.annotate(loop, LoopKind::unroll);
    e.annotate(vector, LoopKind::vectorize);
  }

  static constexpr i64 largest_unrolled = 8;

  const KernelInfo& info_;
  const Machine& machine_;
  int threads_;
  StageGroup group_;
  const StageInfo& last_;
  std::size_t unit_;
  SharedAxes shared_{info_, group_};
  int lanes_ = 16;
  std::vector<std::size_t> members_;
  std::vector<std::size_t> rows_;  // axes of the last member
  bool unit_is_shared_ = false;
  std::vector<Knob> knobs_;
  std::optional<std::size_t> block_, unroll_, par_;
  std::string name_ = "chain";
};

/// Some member is read at several places at once: to compute it where it is read would repeat work.
bool is_read_again(const KernelInfo& info, const StageGroup& group) {
  return std::ranges::any_of(group.prologue, [&](std::size_t p) {
    return std::ranges::any_of(info.stages[p].consumers, [&](std::size_t reader) {
      return std::ranges::count(info.stages[reader].loads, info.stages[p].stage->outputs[0],
                                &AccessInfo::buffer) > 1;
    });
  });
}

}  // namespace

GroupSketches chain_rule(const RuleContext& context, const StageGroup& group) {
  GroupSketches result;
  if (!context.info.stages[group.anchor].unit_axis() || !is_read_again(context.info, group)) return result;
  auto sketch = std::make_unique<ChainSketch>(context, group);
  if (sketch->has_tiles()) result.push_back(std::move(sketch));
  return result;
}

}  // namespace tunesmith::schedules
