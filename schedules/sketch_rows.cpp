#include "schedules/sketch_rows.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "schedules/sketch_dot.h"
#include "schedules/sketch_emit.h"

namespace tunesmith::schedules {

using ir::LoopKind;
using i64 = std::int64_t;

namespace {

constexpr double hidden_overlap = 0.2;      // share of the shorter of compute and memory that is not hidden
constexpr double waiting = 0.6;             // the same where nothing is fetched ahead
constexpr double row_overhead_cycles = 40;  // horizontal reductions and loop entries of one stage of one row

LoopId loop_of(StageIndex stage, std::size_t axis) {
  return axis_loop(stage, static_cast<std::uint32_t>(axis));
}

class RowsSketch : public GroupSketch {
 public:
  RowsSketch(const RuleContext& context, const StageGroup& group)
      : info_(context.info),
        machine_(context.machine),
        threads_(context.threads),
        group_(group),
        last_(context.info.stages[group.anchor]) {
    members_ = group.prologue;
    members_.push_back(group.anchor);
    int widest = 1;
    i64 longest = 1;
    bool recomputable = false;
    for (std::size_t m : members_) {
      const StageInfo& s = info_.stages[m];
      widest = std::max(widest, s.widest_bytes);
      longest = std::max(longest, row_points(s));
      recomputable |= s.kind == StageKind::map && m != group.anchor;
    }
    lanes_ = std::max(1, machine_.lanes(widest));
    std::vector<i64> widths;
    for (i64 vectors : {1, 2, 4, 8})
      if (vectors == 1 || vectors * lanes_ <= longest) widths.push_back(vectors * lanes_);
    knobs_.push_back({"width", widths, false});
    map_width_ = add("mapw", widths, false);
    if (recomputable) inline_ = add("inline", {0, 1}, true);
    const double out = static_cast<double>(last_.store.elements) * last_.store.element_bytes;
    if (out > static_cast<double>(machine_.l3_bytes)) stream_ = add("stream", {0, 1}, true);
    if (far_inputs() > static_cast<double>(machine_.l2_bytes) && !fetches(false).empty())
      ahead_ = add("ahead", {0, 1}, true);
    if (threads_ > 1 && row_count() > 1) par_ = add("par", {1, 0}, true);
  }

  const std::string& name() const override { return name_; }
  std::span<const Knob> knobs() const override { return knobs_; }
  bool feasible(std::span<const i64>) const override { return true; }

  double estimate_ns(std::span<const i64> values) const override {
    const double rows = static_cast<double>(row_count());
    const double vectors = static_cast<double>(values[0]) / lanes_;
    double cycles = 0;
    double outside_bytes = 0;
    for (std::size_t m : members_) {
      const StageInfo& s = info_.stages[m];
      const double points = static_cast<double>(s.spatial_points()) * static_cast<double>(s.reduce_points());
      double slots = s.slots + 0.5 * static_cast<double>(s.loads.size());
      if (value(values, inline_, 0) != 0 && s.kind == StageKind::map && m != group_.anchor)
        slots *= static_cast<double>(std::max<std::size_t>(1, s.consumers.size()));
      if (s.kind != StageKind::map) slots = std::max(slots, machine_.fma_latency_cycles / vectors);
      cycles += points / lanes_ * slots + rows * (row_overhead_cycles + 2 * vectors);
      for (const AccessInfo& load : s.loads)
        if (load.is_input && m == members_.front())
          outside_bytes += static_cast<double>(load.elements) * load.element_bytes;
    }
    const double out = static_cast<double>(last_.store.elements) * last_.store.element_bytes;
    const bool streams = value(values, stream_, 0) != 0;
    const double threads = is_parallel(values) ? threads_ : 1;
    const bool far = outside_bytes + out > static_cast<double>(machine_.l3_bytes);
    const double near =
        far ? std::min(machine_.dram_gbps, machine_.dram_all_gbps / threads) : machine_.l3_gbps;
    const double memory = outside_bytes / near + (streams ? out / machine_.dram_stream_gbps : 2 * out / near);
    const double compute = cycles / machine_.clock_ghz;
    // Rows that are not fetched ahead arrive while the first stage waits for them.
    const double exposed = ahead_ && values[*ahead_] == 0 ? waiting : hidden_overlap;
    double time = std::max(compute, memory) + exposed * std::min(compute, memory);
    if (is_parallel(values)) time = time * std::ceil(rows / threads) / rows + machine_.parallel_launch_ns;
    return time;
  }

  void emit(std::span<const i64> values, Schedule& schedule) const override {
    Emitter e(info_, schedule);
    const bool recompute = value(values, inline_, 0) != 0;
    std::vector<std::size_t> kept;  // stages that have loops of their own, the last excluded
    for (std::size_t i = group_.prologue.size(); i-- > 0;) {
      const std::size_t m = group_.prologue[i];
      if (recompute && info_.stages[m].kind == StageKind::map)
        e.compute_inline(static_cast<StageIndex>(m));
      else
        kept.push_back(m);  // readers before what they read
    }
    std::vector<std::optional<PartialStages>> partials(info_.stages.size());
    for (std::size_t m : members_) partials[m] = split_reduction(e, m, values[0]);

    const LoopId row = row_loop(e, values);
    if (info_.stages[group_.anchor].kind != StageKind::map) place_reduction(e, group_.anchor, partials, row);
    for (std::size_t m : kept) {
      const auto stage = static_cast<StageIndex>(m);
      e.compute_at(stage, row, ir::Scope::local);
      if (info_.stages[m].kind == StageKind::map)
        vectorize_map(e, m, values);
      else
        place_reduction(e, m, partials, row);
    }
    if (last_.kind == StageKind::map) vectorize_map(e, group_.anchor, values);
    if (value(values, stream_, 0) != 0) e.streaming(static_cast<StageIndex>(group_.anchor));
    if (value(values, ahead_, 0) != 0)
      for (const Fetch& fetch : fetches(recompute)) e.prefetch(fetch.buffer, fetch.reader, fetch.row_elements);
  }

 private:
  std::size_t add(const char* name, std::vector<i64> domain, bool structural) {
    knobs_.push_back({name, std::move(domain), structural});
    return knobs_.size() - 1;
  }
  i64 value(std::span<const i64> values, std::optional<std::size_t> knob, i64 otherwise) const {
    return knob ? values[*knob] : otherwise;
  }
  bool is_parallel(std::span<const i64> values) const { return value(values, par_, 0) != 0; }
  i64 row_count() const {
    i64 rows = 1;
    for (std::size_t a = 0; a < group_.row_axes; ++a) rows *= last_.axes[a].extent;
    return rows;
  }
  i64 row_points(const StageInfo& s) const {
    i64 points = s.reduce_points();
    for (std::size_t a = group_.row_axes; a < s.spatial_count; ++a) points *= s.axes[a].extent;
    return points;
  }

  /// An input whose next row is fetched while `reader` walks this one.
  struct Fetch {
    ir::BufferId buffer;
    StageIndex reader;
    i64 row_elements;
  };
  bool is_row_input(const AccessInfo& load) const { return load.is_input && load.strides[group_.row_axes - 1] > 0; }
  double far_inputs() const {
    double bytes = 0;
    std::set<ir::BufferId> seen;
    for (std::size_t m : members_)
      for (const AccessInfo& load : info_.stages[m].loads)
        if (is_row_input(load) && seen.insert(load.buffer).second)
          bytes += static_cast<double>(load.elements) * load.element_bytes;
    return bytes;
  }
  /// Through maps alone.
  bool reaches_anchor(std::size_t stage) const {
    return std::ranges::any_of(info_.stages[stage].consumers, [&](std::size_t c) {
      return c == group_.anchor || (info_.stages[c].kind == StageKind::map && reaches_anchor(c));
    });
  }
  /// The map computes for longer than memory takes for what it reads.
  bool has_time_for(const StageInfo& map, const AccessInfo& load) const {
    const double vectors_per_ns = machine_.clock_ghz / map.slots;
    return vectors_per_ns * lanes_ * load.element_bytes < machine_.dram_gbps;
  }
  /// By the last map that reads an input, where an earlier stage read the row already: it finds this row in the caches and
  /// leaves memory to the next one. With `recompute` the maps before the last are parts of what reads them.
  std::vector<Fetch> fetches(bool recompute) const {
    std::map<ir::BufferId, Fetch> last;
    std::set<ir::BufferId> read;
    for (std::size_t m : members_) {
      std::set<ir::BufferId> read_before = read;
      for (const AccessInfo& load : info_.stages[m].loads) read.insert(load.buffer);
      if (info_.stages[m].kind != StageKind::map) continue;
      const bool is_inlined = recompute && m != group_.anchor;
      const auto reader = static_cast<StageIndex>(is_inlined ? group_.anchor : m);
      if (is_inlined && !reaches_anchor(m)) continue;
      for (const AccessInfo& load : info_.stages[m].loads)
        if (is_row_input(load) && read_before.contains(load.buffer) && has_time_for(info_.stages[m], load))
          last.insert_or_assign(load.buffer, Fetch{load.buffer, reader, load.strides[group_.row_axes - 1]});
    }
    std::vector<Fetch> result;
    for (const auto& [buffer, fetch] : last) result.push_back(fetch);
    return result;
  }

  std::optional<PartialStages> split_reduction(Emitter& e, std::size_t index, i64 width) const {
    const StageInfo& s = info_.stages[index];
    const auto axis = s.kind == StageKind::map ? std::nullopt : dot_axis(s);
    if (!axis || s.axes[*axis].extent < 2) return std::nullopt;
    // The widest of the axis's own widths that the knob allows.
    const std::vector<i64> widths = partial_widths(s.axes[*axis].extent, lanes_);
    i64 chosen = widths.front();
    for (i64 w : widths)
      if (w <= width) chosen = w;
    return emit_partials(e, s, *axis, chosen, lanes_);
  }

  LoopId row_loop(Emitter& e, std::span<const i64> values) const {
    std::vector<LoopId> rows;
    for (std::size_t a = 0; a < group_.row_axes; ++a)
      rows.push_back(loop_of(static_cast<StageIndex>(group_.anchor), a));
    if (!is_parallel(values)) return rows.back();
    const LoopId all = e.fuse(rows);
    e.annotate(all, LoopKind::parallel);
    return all;
  }

  void place_reduction(Emitter& e, std::size_t index,
                       const std::vector<std::optional<PartialStages>>& partials, LoopId row) const {
    const StageInfo& s = info_.stages[index];
    if (!partials[index]) return;
    const PartialStages& p = *partials[index];
    const auto self = static_cast<StageIndex>(index);
    // Spatial axes beyond the rows stay loops of the stage: its partial results live inside them.
    const LoopId at = s.spatial_count > group_.row_axes ? loop_of(self, s.spatial_count - 1) : row;
    if (p.lanes) e.compute_at(*p.lanes, at, ir::Scope::registers);
    e.compute_at(p.partial, at, ir::Scope::registers);
    emit_partial_loops(e, s, *dot_axis(s), p, {});
    const bool folds = s.kind == StageKind::reduction;
    e.annotate(loop_of(self, s.spatial_count), folds ? LoopKind::vectorize : LoopKind::unroll);
  }

  void vectorize_map(Emitter& e, std::size_t index, std::span<const i64> values) const {
    const StageInfo& s = info_.stages[index];
    const auto unit = s.unit_axis();
    if (!unit || *unit < group_.row_axes) return;
    const auto stage = static_cast<StageIndex>(index);
    std::vector<LoopId> order;
    for (std::size_t a = group_.row_axes; a < s.spatial_count; ++a)
      if (a != *unit) order.push_back(loop_of(stage, a));
    order.push_back(loop_of(stage, *unit));
    e.reorder(order);
    e.vectorize(order.back(), s.axes[*unit].extent, value(values, map_width_, lanes_));
  }

  const KernelInfo& info_;
  const Machine& machine_;
  int threads_;
  StageGroup group_;
  const StageInfo& last_;
  int lanes_ = 16;
  std::vector<std::size_t> members_;
  std::vector<Knob> knobs_;
  std::optional<std::size_t> map_width_, inline_, stream_, ahead_, par_;
  std::string name_ = "rows";
};

}  // namespace

GroupSketches rows_rule(const RuleContext& context, const StageGroup& group) {
  GroupSketches result;
  if (group.row_axes > 0) result.push_back(std::make_unique<RowsSketch>(context, group));
  return result;
}

}  // namespace tunesmith::schedules
