#include "schedules/sketch_dot.h"

#include <algorithm>
#include <cmath>

namespace tunesmith::schedules {

using ir::LoopKind;
using i64 = std::int64_t;

namespace {

constexpr double row_overhead_cycles = 12;
constexpr i64 shortest_axis = 8;  // below: lanes would stay empty

LoopId loop_of(StageIndex stage, std::size_t axis) {
  return axis_loop(stage, static_cast<std::uint32_t>(axis));
}

class DotSketch : public GroupSketch {
 public:
  DotSketch(const RuleContext& context, const StageGroup& group, std::size_t axis)
      : info_(context.info),
        machine_(context.machine),
        threads_(context.threads),
        group_(group),
        stage_(context.info.stages[group.anchor]),
        axis_(axis),
        lanes_(std::max(1, context.machine.lanes(context.info.stages[group.anchor].widest_bytes))) {
    choose_rows();
    knobs_.push_back({"width", partial_widths(stage_.axes[axis_].extent, lanes_), false});
    for (std::size_t row : rows_) {
      std::vector<i64> domain;
      for (i64 tile : {1, 2, 3, 4, 6, 8})
        if (tile <= stage_.axes[row].extent) domain.push_back(tile);
      knobs_.push_back({row == rows_[0] ? "mr" : "mr2", std::move(domain), false});
    }
    if (threads_ > 1 && stage_.spatial_points() > 1) {
      par_ = knobs_.size();
      knobs_.push_back({"par", {1, 0}, true});
    }
  }

  const std::string& name() const override { return name_; }
  std::span<const Knob> knobs() const override { return knobs_; }

  bool feasible(std::span<const i64> values) const override {
    const i64 vectors = std::max<i64>(1, values[0] / lanes_);
    return row_points(values) * vectors + vectors + 1 <= machine_.vector_registers;
  }

  double estimate_ns(std::span<const i64> values) const override {
    const double vectors = std::max(1.0, static_cast<double>(values[0]) / lanes_);
    const double rows = static_cast<double>(row_points(values));
    double loads = 0;
    double bytes = 0;
    for (const AccessInfo& load : stage_.loads) {
      double count = vectors;
      for (std::size_t r = 0; r < rows_.size(); ++r)
        if (load.uses(rows_[r])) count *= static_cast<double>(values[1 + r]);
      const bool straight = std::abs(load.strides[axis_]) == 1 || !load.uses(axis_);
      loads += straight ? count : count * lanes_;
      bytes += static_cast<double>(load.elements) * load.element_bytes;
    }
    const double step = std::max({rows * vectors * stage_.slots, loads, double(machine_.fma_latency_cycles)});
    const double steps = static_cast<double>(stage_.reduce_points()) / static_cast<double>(values[0]);
    const double tiles = static_cast<double>(stage_.spatial_points()) / rows;
    const double finish = rows * (vectors + lanes_) + row_overhead_cycles;
    const double compute = tiles * (std::max(1.0, steps) * step + finish) / machine_.clock_ghz;
    const double bandwidth = bytes > static_cast<double>(machine_.l3_bytes)   ? machine_.dram_gbps
                             : bytes > static_cast<double>(machine_.l2_bytes) ? machine_.l3_gbps
                                                                              : machine_.l2_gbps;
    double time = std::max(compute, bytes / bandwidth) + 0.2 * std::min(compute, bytes / bandwidth);
    if (is_parallel(values)) time = time / std::min<double>(threads_, tiles) + machine_.parallel_launch_ns;
    return time;
  }

  void emit(std::span<const i64> values, Schedule& schedule) const override {
    Emitter e(info_, schedule);
    const auto self = static_cast<StageIndex>(group_.anchor);
    for (std::size_t i = group_.prologue.size(); i-- > 0;)
      e.compute_inline(static_cast<StageIndex>(group_.prologue[i]));
    const PartialStages partials = emit_partials(e, stage_, axis_, values[0], lanes_);
    const std::optional<LoopId> at = place_rows(e, self, values);
    if (at) {
      if (partials.lanes) e.compute_at(*partials.lanes, *at, ir::Scope::registers);
      e.compute_at(partials.partial, *at, ir::Scope::registers);
    }
    std::vector<std::size_t> tiled;
    for (std::size_t r = 0; r < rows_.size(); ++r)
      if (values[1 + r] > 1) tiled.push_back(rows_[r]);
    if (!at) return accumulate_alone(e, partials);
    emit_partial_loops(e, stage_, axis_, partials, tiled);
    // The lanes that are left.
    const bool folds = stage_.kind == StageKind::reduction;
    e.annotate(loop_of(self, stage_.spatial_count), folds ? LoopKind::vectorize : LoopKind::unroll);
    e.accumulate(self, *at);
    for (std::size_t index : group_.epilogue) place_epilogue(e, static_cast<StageIndex>(index), *at, tiled);
  }

 private:
  /// The spatial axes that share loads: at most two, the innermost first.
  void choose_rows() {
    for (std::size_t a = stage_.spatial_count; a-- > 0 && rows_.size() < 2;)
      if (stage_.axes[a].extent > 1 && stage_.has_reuse(a)) rows_.push_back(a);
  }
  i64 row_points(std::span<const i64> values) const {
    i64 points = 1;
    for (std::size_t r = 0; r < rows_.size(); ++r) points *= values[1 + r];
    return points;
  }
  bool is_parallel(std::span<const i64> values) const { return par_ && values[*par_] != 0; }

  /// Tiles the rows; returns the loop around one tile, if the stage has spatial loops at all.
  std::optional<LoopId> place_rows(Emitter& e, StageIndex self, std::span<const i64> values) const {
    std::vector<LoopId> outer, tiles;
    for (std::size_t a = 0; a < stage_.spatial_count; ++a) {
      const auto row = std::ranges::find(rows_, a);
      const i64 tile = row == rows_.end() ? 1 : values[1 + static_cast<std::size_t>(row - rows_.begin())];
      LoopId loop = loop_of(self, a);
      if (tile > 1) {
        e.split(loop, tile);
        tiles.push_back(loop.inner());
        loop = loop.outer();
      }
      outer.push_back(loop);
    }
    if (outer.empty()) return std::nullopt;
    std::vector<LoopId> order = outer;
    order.insert(order.end(), tiles.begin(), tiles.end());
    e.reorder(order);
    for (const LoopId& tile : tiles) e.annotate(tile, LoopKind::unroll);
    if (!is_parallel(values)) return outer.back();
    const LoopId all = e.fuse(outer);
    e.annotate(all, LoopKind::parallel);
    return all;
  }

  /// A reduction to one element: the partial results are registers inside a loop of one step around them.
  void accumulate_alone(Emitter& e, const PartialStages& partials) const {
    const LoopId lanes = loop_of(partials.partial, 0);
    e.split(lanes, partials.width);
    std::vector<LoopId> order{lanes.outer()};
    for (std::size_t r = 0; r < stage_.axes.size(); ++r) order.push_back(loop_of(partials.partial, 1 + r));
    order.push_back(lanes.inner());
    e.reorder(order);
    e.annotate(lanes.inner(), LoopKind::vectorize);
    e.accumulate(partials.partial, lanes.outer());
  }

  void place_epilogue(Emitter& e, StageIndex stage, LoopId at, std::span<const std::size_t> tiled) const {
    e.reverse_compute_at(stage, at);
    for (std::size_t row : tiled) e.annotate(loop_of(stage, row), LoopKind::unroll);
  }

  const KernelInfo& info_;
  const Machine& machine_;
  int threads_;
  StageGroup group_;
  const StageInfo& stage_;
  std::size_t axis_;
  int lanes_;
  std::vector<std::size_t> rows_;
  std::vector<Knob> knobs_;
  std::optional<std::size_t> par_;
  std::string name_ = "dot";
};

}  // namespace

std::optional<std::size_t> dot_axis(const StageInfo& stage) {
  if (!stage.stage->combiner || !stage.stage->combiner->associative) return std::nullopt;
  std::optional<std::size_t> best;
  for (std::size_t r = stage.spatial_count; r < stage.axes.size(); ++r) {
    if (stage.axes[r].extent < shortest_axis) continue;
    bool used = false;
    bool straight = true;
    for (const AccessInfo& load : stage.loads) {
      used |= load.uses(r);
      straight &= !load.uses(r) || (!load.irregular[r] && std::abs(load.strides[r]) == 1);
    }
    if (used && straight && (!best || stage.axes[r].extent > stage.axes[*best].extent)) best = r;
  }
  return best;
}

std::vector<i64> partial_widths(i64 extent, i64 lanes) {
  std::vector<i64> widths;
  for (i64 width : {lanes, 2 * lanes, 4 * lanes, 8 * lanes})
    if (width <= extent) widths.push_back(width);
  if (widths.empty()) widths.push_back(extent);
  return widths;
}

PartialStages emit_partials(Emitter& e, const StageInfo& stage, std::size_t axis, i64 width, i64 lanes) {
  const auto self = static_cast<StageIndex>(stage.index);
  PartialStages result;
  result.width = width;
  result.partial = e.rfactor(self, static_cast<std::uint32_t>(axis), width);
  // The stage's only reduction axis is now the partial results.
  if (width > lanes && width % lanes == 0)
    result.lanes = e.rfactor(self, static_cast<std::uint32_t>(stage.spatial_count), lanes);
  return result;
}

void emit_partial_loops(Emitter& e, const StageInfo& stage, std::size_t axis, const PartialStages& partials,
                        std::span<const std::size_t> rows) {
  (void)axis;
  const std::size_t spatial = stage.spatial_count;
  const std::size_t reductions = stage.axes.size() - spatial;
  auto arrange = [&](StageIndex id, std::size_t reduce_count, bool unroll_reduction) {
    std::vector<LoopId> order;
    for (std::size_t r = 0; r < reduce_count; ++r) order.push_back(loop_of(id, spatial + 1 + r));
    for (std::size_t row : rows) order.push_back(loop_of(id, row));
    order.push_back(loop_of(id, spatial));
    e.reorder(order);
    if (unroll_reduction) e.annotate(loop_of(id, spatial + 1), LoopKind::unroll);
    for (std::size_t row : rows) e.annotate(loop_of(id, row), LoopKind::unroll);
    e.annotate(loop_of(id, spatial), LoopKind::vectorize);
  };
  arrange(partials.partial, reductions, false);
  if (partials.lanes) arrange(*partials.lanes, 1, true);
}

GroupSketches dot_rule(const RuleContext& context, const StageGroup& group) {
  GroupSketches result;
  const auto axis = dot_axis(context.info.stages[group.anchor]);
  if (axis) result.push_back(std::make_unique<DotSketch>(context, group, *axis));
  return result;
}

}  // namespace tunesmith::schedules
