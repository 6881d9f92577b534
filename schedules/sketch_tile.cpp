#include "schedules/sketch_tile.h"

#include <algorithm>
#include <cmath>

#include "schedules/sketch_emit.h"
#include "schedules/sketch_tile_plan.h"

namespace tunesmith::schedules {

using ir::LoopKind;
using i64 = std::int64_t;

namespace {

/// Loops of one axis after it is split: steps of the block, steps of the tile, the tile.
struct AxisLoops {
  std::optional<LoopId> outer, inner, tile;
};

/// How the stages before the reduction are computed.
enum class Prologue : std::uint8_t { root, inlined, at_block };

class TileSketch : public GroupSketch {
 public:
  TileSketch(const RuleContext& context, const StageGroup& group, TilePlan plan, Prologue prologue,
             std::string name)
      : info_(context.info),
        machine_(context.machine),
        threads_(context.threads),
        group_(group),
        stage_(context.info.stages[group.anchor]),
        plan_(std::move(plan)),
        prologue_(prologue),
        name_(std::move(name)) {
    knobs_.assign(plan_.knobs().begin(), plan_.knobs().end());
    if (threads_ > 1) knobs_.push_back({"par", {1, 0}, true});
  }

  const std::string& name() const override { return name_; }
  std::span<const Knob> knobs() const override { return knobs_; }
  bool feasible(std::span<const i64> values) const override { return plan_.feasible(own(values)); }

  double estimate_ns(std::span<const i64> values) const override {
    const int threads = is_parallel(values) ? threads_ : 1;
    TilePoint point = plan_.point(own(values));
    if (prologue_ == Prologue::inlined)
      for (const AccessInfo& load : stage_.loads) point.load_slots.push_back(recompute_slots(load, point));
    return estimate_tile_ns(stage_, point, machine_, threads) + side_stages_ns(threads);
  }

  void emit(std::span<const i64> values, Schedule& schedule) const override {
    Emitter emitter(info_, schedule);
    Emission(*this, plan_.point(own(values)), is_parallel(values), emitter).run();
  }

 private:
  std::span<const i64> own(std::span<const i64> values) const { return values.first(plan_.knobs().size()); }
  bool is_parallel(std::span<const i64> values) const { return threads_ > 1 && values.back() != 0; }

  /// Operations of the inlined stage that produces what `load` reads. Guards cost extra masks, in those tiles only
  /// that touch an end of an axis (partition.h).
  double recompute_slots(const AccessInfo& load, const TilePoint& point) const {
    for (std::size_t p : group_.prologue) {
      const StageInfo& producer = info_.stages[p];
      if (producer.store.buffer != load.buffer) continue;
      const bool is_padding = std::ranges::any_of(producer.loads, &AccessInfo::is_guarded);
      if (is_padding && decides_guards(stage_, point, load)) return 0;
      return is_padding ? (producer.slots + 1) * border_share(load, point) : producer.slots + 1;
    }
    return 0;
  }

  /// Share of the tiles that lie at an end of an axis along which `load` slides.
  double border_share(const AccessInfo& load, const TilePoint& point) const {
    double inside = 1;
    for (std::size_t a = 0; a < stage_.spatial_count; ++a) {
      if (a == point.vector_axis || stage_.axes[a].extent == 1 || !load.uses(a)) continue;
      const double tiles = std::ceil(static_cast<double>(stage_.axes[a].extent) / static_cast<double>(point.tile[a]));
      inside *= std::max(0.0, 1 - 2 / tiles);
    }
    return 1 - inside;
  }

  /// Copies of the prologue through memory, and the epilogue's extra operands.
  double side_stages_ns(int threads) const {
    double ns = 0;
    for (std::size_t p : group_.prologue) {
      const StageInfo& stage = info_.stages[p];
      const double points = static_cast<double>(stage.spatial_points());
      const double bytes = 2.0 * points * stage.store.element_bytes;
      if (prologue_ == Prologue::root) ns += (bytes / machine_.l3_gbps + points * 0.1) / threads;
      if (prologue_ == Prologue::at_block) ns += (bytes / machine_.l1_gbps + points * 0.1) / threads;
    }
    for (std::size_t e : group_.epilogue) {
      const StageInfo& stage = info_.stages[e];
      const double vectors = static_cast<double>(stage.spatial_points()) / machine_.lanes(stage.widest_bytes);
      ns += vectors * stage.slots / machine_.clock_ghz / threads;
    }
    return ns;
  }

  /// Writes the steps of one point.
  class Emission {
   public:
    Emission(const TileSketch& sketch, TilePoint point, bool parallel, Emitter& emitter)
        : k_(sketch),
          p_(std::move(point)),
          parallel_(parallel),
          e_(emitter),
          self_(static_cast<StageIndex>(sketch.group_.anchor)),
          loops_(sketch.stage_.axes.size()) {}

    void run() {
      if (k_.prologue_ == Prologue::inlined)
        for (std::size_t i = k_.group_.prologue.size(); i-- > 0;)
          e_.compute_inline(static_cast<StageIndex>(k_.group_.prologue[i]));
      split_axes();
      order_loops();
      if (k_.prologue_ == Prologue::root)
        for (std::size_t p : k_.group_.prologue) root_map(p);
      if (k_.prologue_ == Prologue::at_block && block_loop_)
        for (std::size_t i = k_.group_.prologue.size(); i-- > 0;) place_map(k_.group_.prologue[i]);
      place_packs();
      e_.accumulate(self_, *tile_loop_);
      place_epilogue();
    }

   private:
    i64 extent(std::size_t axis) const { return k_.stage_.axes[axis].extent; }

    void split_axes() {
      const StageInfo& s = k_.stage_;
      for (std::size_t a = 0; a < s.axes.size(); ++a) {
        LoopId loop = axis_loop(self_, static_cast<std::uint32_t>(a));
        AxisLoops& l = loops_[a];
        const bool blocked = p_.block[a] < extent(a);
        if (p_.block[a] == 1 && extent(a) > 1) {  // every step is a block of its own
          l.outer = loop;
          continue;
        }
        if (blocked) {
          e_.split(loop, p_.block[a]);
          l.outer = loop.outer();
          loop = loop.inner();
        }
        if (p_.tile[a] == 1) {
          l.inner = loop;
        } else if (p_.tile[a] < p_.block[a]) {
          e_.split(loop, p_.tile[a]);
          l.inner = loop.outer();
          l.tile = loop.inner();
        } else {
          l.tile = loop;
        }
      }
      // The tile needs a loop to live in.
      const bool has_outside =
          std::ranges::any_of(p_.outer, [&](std::size_t a) { return loops_[a].outer.has_value(); }) ||
          std::ranges::any_of(p_.inner, [&](std::size_t a) { return loops_[a].inner.has_value(); });
      if (!has_outside) {
        AxisLoops& v = loops_[p_.vector_axis];
        const LoopId whole = v.tile ? *v.tile : axis_loop(self_, static_cast<std::uint32_t>(p_.vector_axis));
        e_.split(whole, p_.tile[p_.vector_axis]);
        v.inner = whole.outer();
        v.tile = whole.inner();
      }
      if (!loops_[p_.vector_axis].tile) {  // a tile of one column
        AxisLoops& v = loops_[p_.vector_axis];
        v.tile = v.inner ? v.inner : v.outer;
        (v.inner ? v.inner : v.outer).reset();
      }
    }

    void order_loops() {
      std::vector<LoopId> order;
      std::vector<LoopId> outer;
      for (std::size_t a : p_.outer)
        if (loops_[a].outer) outer.push_back(*loops_[a].outer);
      order = outer;
      for (std::size_t a : p_.reduce)
        if (loops_[a].outer) order.push_back(*loops_[a].outer);
      const std::size_t inner_from = order.size();
      for (std::size_t a : p_.inner)
        if (loops_[a].inner) order.push_back(*loops_[a].inner);
      tile_loop_ = order.empty() ? std::nullopt : std::optional(order.back());
      for (std::size_t a : p_.reduce)
        if (loops_[a].inner) order.push_back(*loops_[a].inner);
      for (std::size_t a : p_.reduce)
        if (loops_[a].tile) order.push_back(*loops_[a].tile);
      for (std::size_t a = 0; a < k_.stage_.spatial_count; ++a)
        if (a != p_.vector_axis && loops_[a].tile) order.push_back(*loops_[a].tile);
      order.push_back(*loops_[p_.vector_axis].tile);
      // Axes of one point that no loop list mentions stay where they are.
      e_.reorder(order);
      annotate_tile();
      finish_outer(outer, inner_from, order);
    }

    void annotate_tile() {
      for (std::size_t a = 0; a < loops_.size(); ++a)
        if (a != p_.vector_axis && loops_[a].tile) e_.annotate(*loops_[a].tile, LoopKind::unroll);
      e_.annotate(*loops_[p_.vector_axis].tile, LoopKind::vectorize);
    }

    void finish_outer(const std::vector<LoopId>& outer, std::size_t inner_from,
                      const std::vector<LoopId>& order) {
      reduction_blocked_ = inner_from > outer.size();
      if (outer.empty()) {
        if (reduction_blocked_) block_loop_ = order[inner_from - 1];
        return;
      }
      const bool tile_is_outer = tile_loop_ == outer.back();
      LoopId last = outer.back();
      if (parallel_) {
        last = e_.fuse(outer);
        e_.annotate(last, LoopKind::parallel);
      }
      if (tile_is_outer) tile_loop_ = last;
      outer_loop_ = last;
      block_loop_ = reduction_blocked_ ? order[inner_from - 1] : last;
    }

    /// A map of its own before the reduction: rows in parallel, vectors along the unit axis.
    void root_map(std::size_t index) {
      const StageInfo& s = k_.info_.stages[index];
      const auto stage = static_cast<StageIndex>(index);
      const auto unit = s.unit_axis();
      std::vector<LoopId> rows;
      for (std::size_t a = 0; a < s.spatial_count; ++a)
        if (a != unit) rows.push_back(axis_loop(stage, static_cast<std::uint32_t>(a)));
      if (unit) {
        std::vector<LoopId> order = rows;
        const LoopId v = axis_loop(stage, static_cast<std::uint32_t>(*unit));
        order.push_back(v);
        e_.reorder(order);
        e_.vectorize(v, s.axes[*unit].extent, k_.machine_.lanes(s.widest_bytes));
      }
      if (parallel_ && !rows.empty()) e_.annotate(e_.fuse(rows), LoopKind::parallel);
    }

    void place_map(std::size_t index) {
      const StageInfo& s = k_.info_.stages[index];
      const auto stage = static_cast<StageIndex>(index);
      e_.compute_at(stage, *block_loop_, ir::Scope::local);
      if (const auto unit = s.unit_axis())
        e_.vectorize(axis_loop(stage, static_cast<std::uint32_t>(*unit)), s.axes[*unit].extent,
                     k_.machine_.lanes(s.widest_bytes));
    }

    void place_packs() {
      for (std::size_t l = 0; l < p_.pack.size(); ++l) {
        if (p_.pack[l] == PackKind::none) continue;
        const bool whole = p_.pack[l] == PackKind::root;
        if (!whole && !block_loop_) continue;
        place_pack(k_.stage_.loads[l], whole);
      }
    }

    /// Panels as wide as the tile: (blocks of the tiled dimension, the other dimensions, one tile).
    void place_pack(const AccessInfo& load, bool whole) {
      ir::Layout layout;
      std::vector<std::size_t> blocked;
      auto is_tiled = [&](std::size_t d) {
        const auto axis = load.dim_axis[d];
        return axis && !k_.stage_.axes[*axis].is_reduction && p_.tile[*axis] > 1;
      };
      for (std::size_t d = 0; d < load.dim_axis.size(); ++d)
        if (is_tiled(d)) blocked.push_back(d);
      for (std::size_t d : blocked) layout.order.push_back({static_cast<std::int32_t>(d), 0});
      for (std::size_t d = 0; d < load.dim_axis.size(); ++d)
        if (!is_tiled(d)) layout.order.push_back({static_cast<std::int32_t>(d), 0});
      for (std::size_t d : blocked)
        layout.order.push_back({static_cast<std::int32_t>(d), p_.tile[*load.dim_axis[d]]});
      const StageIndex copy =
          e_.stage_buffer(load.buffer, self_, whole ? std::nullopt : block_loop_, std::move(layout));
      order_pack(load, copy, blocked, whole && parallel_);
    }

    /// The copy walks panel by panel, in vectors along the innermost panel. Where the source is contiguous along
    /// another dimension, a few steps of it are unrolled: their strided loads become rows transposed in registers.
    void order_pack(const AccessInfo& load, StageIndex copy, const std::vector<std::size_t>& blocked,
                    bool parallel) {
      std::vector<LoopId> order, panels;
      for (std::size_t d : blocked) {
        const LoopId loop = axis_loop(copy, static_cast<std::uint32_t>(d));
        e_.split(loop, p_.tile[*load.dim_axis[d]]);
        order.push_back(loop.outer());
        panels.push_back(loop.inner());
      }
      const bool contiguous = !blocked.empty() && is_unit(load, blocked.back());
      std::optional<LoopId> steps;
      for (std::size_t d = 0; d < load.dim_axis.size(); ++d) {
        if (std::ranges::find(blocked, d) != blocked.end()) continue;
        LoopId loop = axis_loop(copy, static_cast<std::uint32_t>(d));
        if (!contiguous && !panels.empty() && is_unit(load, d)) {
          e_.split(loop, p_.lanes);
          steps = loop.inner();
          loop = loop.outer();
        }
        order.push_back(loop);
      }
      if (steps) order.push_back(*steps);
      order.insert(order.end(), panels.begin(), panels.end());
      e_.reorder(order);
      if (parallel) e_.annotate(order.front(), LoopKind::parallel);
      if (panels.empty()) return;
      if (steps) e_.annotate(*steps, LoopKind::unroll);
      e_.annotate(panels.back(), contiguous || steps ? LoopKind::vectorize : LoopKind::unroll);
    }

    /// The dimension is one axis, along which the source is contiguous.
    static bool is_unit(const AccessInfo& load, std::size_t dim) {
      const auto axis = load.dim_axis[dim];
      return axis && !load.irregular[*axis] && load.strides[*axis] == 1;
    }

    void place_epilogue() {
      for (std::size_t index : k_.group_.epilogue) {
        const StageInfo& s = k_.info_.stages[index];
        const auto stage = static_cast<StageIndex>(index);
        if (!reduction_blocked_) {
          e_.reverse_compute_at(stage, *tile_loop_);
          for (std::size_t a = 0; a < s.spatial_count; ++a)
            if (a != p_.vector_axis && p_.tile[a] > 1)
              e_.annotate(axis_loop(stage, static_cast<std::uint32_t>(a)), LoopKind::unroll);
          const LoopId v = axis_loop(stage, static_cast<std::uint32_t>(p_.vector_axis));
          move_inside(s, stage);
          e_.annotate(v, LoopKind::vectorize);
        } else if (outer_loop_) {
          e_.reverse_compute_at(stage, *outer_loop_);
          move_inside(s, stage);
          e_.vectorize(axis_loop(stage, static_cast<std::uint32_t>(p_.vector_axis)), p_.block[p_.vector_axis],
                       p_.lanes);
        } else {
          move_inside(s, stage);
          e_.vectorize(axis_loop(stage, static_cast<std::uint32_t>(p_.vector_axis)), extent(p_.vector_axis),
                       p_.lanes);
        }
      }
    }

    /// The vector axis becomes the innermost loop of the stage.
    void move_inside(const StageInfo& s, StageIndex stage) {
      if (p_.vector_axis + 1 == s.spatial_count) return;
      std::vector<LoopId> order;
      for (std::size_t a = 0; a < s.spatial_count; ++a)
        if (a != p_.vector_axis) order.push_back(axis_loop(stage, static_cast<std::uint32_t>(a)));
      order.push_back(axis_loop(stage, static_cast<std::uint32_t>(p_.vector_axis)));
      e_.reorder(order);
    }

    const TileSketch& k_;
    TilePoint p_;
    bool parallel_;
    Emitter& e_;
    StageIndex self_;
    std::vector<AxisLoops> loops_;
    std::optional<LoopId> tile_loop_;   // the innermost loop around the register tile
    std::optional<LoopId> outer_loop_;  // the innermost spatial block loop
    std::optional<LoopId> block_loop_;  // the innermost block loop, reduction blocks included
    bool reduction_blocked_ = false;
  };

  const KernelInfo& info_;
  const Machine& machine_;
  int threads_;
  StageGroup group_;
  const StageInfo& stage_;
  TilePlan plan_;
  Prologue prologue_;
  std::string name_;
  std::vector<Knob> knobs_;
};

}  // namespace

GroupSketches tile_rule(const RuleContext& context, const StageGroup& group) {
  GroupSketches result;
  const StageInfo& stage = context.info.stages[group.anchor];
  auto add = [&](Prologue prologue, const char* name) {
    const PackScope packs = prologue == Prologue::inlined ? PackScope::inputs : PackScope::all;
    if (auto plan = TilePlan::make(stage, context.machine, context.threads, packs))
      result.push_back(std::make_unique<TileSketch>(context, group, std::move(*plan), prologue, name));
  };
  if (group.prologue.empty()) {
    add(Prologue::root, "tile");
  } else {
    add(Prologue::root, "tile_pre");
    add(Prologue::inlined, "tile_inline");
    add(Prologue::at_block, "tile_at");
  }
  return result;
}

}  // namespace tunesmith::schedules
