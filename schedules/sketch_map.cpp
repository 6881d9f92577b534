#include "schedules/sketch_map.h"

#include <algorithm>
#include <cmath>

#include "schedules/analytic_access.h"
#include "schedules/sketch_emit.h"

namespace tunesmith::schedules {

using ir::LoopKind;
using i64 = std::int64_t;

namespace {

constexpr double gather_cycles = 1.2;     // per element of a strided vector access
constexpr double transpose_cycles = 0.4;  // per element of rows that are transposed in registers
constexpr double line_cycles = 12;     // per cache line that is fetched for one element
constexpr double staged_copy_cycles = 0.3;
constexpr double loop_cycles = 1;
constexpr i64 cache_ways = 8;
constexpr i64 most_streams = 16;  // that the prefetchers follow side by side

i64 ceil_div(i64 a, i64 b) { return (a + b - 1) / b; }
LoopId loop_of(StageIndex stage, std::size_t axis) {
  return axis_loop(stage, static_cast<std::uint32_t>(axis));
}

class MapSketch : public GroupSketch {
 public:
  MapSketch(const RuleContext& context, const StageGroup& group, bool inlined, std::string name)
      : info_(context.info),
        machine_(context.machine),
        threads_(context.threads),
        group_(group),
        stage_(context.info.stages[group.anchor]),
        unit_(*stage_.unit_axis()),
        inlined_(inlined),
        lanes_(std::max(1, context.machine.lanes(stage_.widest_bytes))),
        name_(std::move(name)) {
    find_transposed();
    add_knobs();
  }

  const std::string& name() const override { return name_; }
  std::span<const Knob> knobs() const override { return knobs_; }

  bool feasible(std::span<const i64> values) const override {
    const i64 block = value(values, block_, 0);
    if (value(values, stage_knob_, 0) != 0 && value(values, tile_, 1) < 4) return false;
    return block == 0 || (block % width(values) == 0 && block < extent(unit_));
  }

  double estimate_ns(std::span<const i64> values) const override {
    const double points = static_cast<double>(stage_.spatial_points());
    const double vectors = std::max(1.0, static_cast<double>(width(values)) / lanes_);
    const double active = static_cast<double>(std::min<i64>(extent(unit_), lanes_));
    double cycles = points / active * stage_.slots;
    if (inlined_)
      for (std::size_t p : group_.prologue) cycles += points / active * info_.stages[p].slots;
    const double total_bytes = argument_bytes();
    const bool is_far = total_bytes > static_cast<double>(machine_.l3_bytes);
    const double jump = is_far ? dram_jump_bytes : l3_jump_bytes;
    double bytes = 0;
    for (const AccessInfo& load : stage_.loads) {
      const bool jumps = transposed_ && load.uses(unit_) && std::abs(load.strides[unit_]) != 1;
      const double run = static_cast<double>(value(values, tile_, 1)) * load.element_bytes;
      bytes += static_cast<double>(load.elements) * load.element_bytes * (jumps ? 1 + jump / run : 1);
      const bool strided = load.uses(unit_) && (load.irregular[unit_] || std::abs(load.strides[unit_]) != 1);
      if (!strided) {
        cycles += points / active * 0.5;
        continue;
      }
      const bool in_registers = transposed_ && value(values, tile_, 1) > 1 && !load.irregular[unit_] &&
                                std::abs(load.strides[*transposed_]) == 1;
      cycles += points * (in_registers ? transpose_cycles : gather_cycles);
      if (value(values, stage_knob_, 0) != 0) {  // lines are read whole, the strided reads stay in L1
        cycles += points * staged_copy_cycles;
        continue;
      }
      if (in_registers) continue;
      if (static_cast<double>(load.elements) * load.element_bytes > static_cast<double>(machine_.l1_bytes))
        cycles += points * line_cycles * conflict_share(load, values);
    }
    cycles += points / (active * vectors) * loop_cycles;
    double out = static_cast<double>(stage_.store.elements) * stage_.store.element_bytes;
    const bool streams = value(values, stream_, 0) != 0;
    if (value(values, tile_, 1) > most_streams)
      out *= 1 + jump / (static_cast<double>(width(values)) * stage_.store.element_bytes);
    const double threads = is_parallel(values) ? threads_ : 1;
    double memory;
    if (is_far) {
      const double dram = std::min(machine_.dram_gbps, machine_.dram_all_gbps / threads);
      memory = bytes / dram + out / (streams ? std::max(dram, machine_.dram_stream_gbps) : dram / 2);
    } else {
      const double near =
          total_bytes > static_cast<double>(machine_.l2_bytes) ? machine_.l3_gbps : machine_.l2_gbps;
      memory = bytes / near + (streams ? out / machine_.dram_stream_gbps : 2 * out / near);
    }
    const double compute = cycles / machine_.clock_ghz;
    double time = std::max(compute, memory) + 0.2 * std::min(compute, memory);
    if (!inlined_)
      for (std::size_t p : group_.prologue)
        time += 2.0 * static_cast<double>(info_.stages[p].spatial_points()) / machine_.l3_gbps *
                info_.stages[p].store.element_bytes;
    if (is_parallel(values)) {
      const double chunks = chunks_of(values);
      time = time * std::ceil(chunks / threads_) / chunks + machine_.parallel_launch_ns;
    }
    return time;
  }

  void emit(std::span<const i64> values, Schedule& schedule) const override {
    Emitter e(info_, schedule);
    const auto self = static_cast<StageIndex>(group_.anchor);
    if (inlined_)
      for (std::size_t i = group_.prologue.size(); i-- > 0;)
        e.compute_inline(static_cast<StageIndex>(group_.prologue[i]));
    else
      for (std::size_t p : group_.prologue) plain_vectors(e, p, is_parallel(values));

    std::vector<LoopId> outer, inner;
    std::optional<LoopId> transposed_steps;  // unrolled, so that the strided loads become transposed rows
    for (std::size_t a : rows_)
      if (a != transposed_) outer.push_back(loop_of(self, a));
    if (transposed_) {
      LoopId loop = loop_of(self, *transposed_);
      const i64 tile = value(values, tile_, 1);
      if (tile > 1) {
        e.split(loop, tile);
        LoopId steps = loop.inner();
        loop = loop.outer();
        if (tile > lanes_) {
          e.split(steps, lanes_);
          inner.push_back(steps.outer());
          steps = steps.inner();
        }
        inner.push_back(steps);
        transposed_steps = steps;
      }
      outer.push_back(loop);
    }
    LoopId vector = loop_of(self, unit_);
    i64 span = extent(unit_);
    if (const i64 block = value(values, block_, 0); block != 0) {
      e.split(vector, block);
      outer.push_back(vector.outer());
      vector = vector.inner();
      span = block;
    }
    std::optional<LoopId> rest;
    // A staged tile needs a loop around it.
    if (span > width(values) || value(values, stage_knob_, 0) != 0) {
      e.split(vector, width(values));
      rest = vector.outer();
      vector = vector.inner();
    }
    std::vector<LoopId> order = outer;
    if (rest) order.push_back(*rest);
    order.insert(order.end(), inner.begin(), inner.end());
    order.push_back(vector);
    e.reorder(order);
    if (transposed_steps) e.annotate(*transposed_steps, LoopKind::unroll);
    e.annotate(vector, LoopKind::vectorize);
    if (value(values, stage_knob_, 0) != 0) stage_tile(e, self, *rest);
    if (value(values, stream_, 0) != 0) e.streaming(self);
    if (is_parallel(values) && (!outer.empty() || rest))
      e.annotate(outer.empty() ? *rest : e.fuse(outer), LoopKind::parallel);
  }

 private:
  i64 extent(std::size_t axis) const { return stage_.axes[axis].extent; }

  /// Copies the tile of each operand that is contiguous along the other axis, whole lines at a time.
  void stage_tile(Emitter& e, StageIndex self, LoopId at) const {
    for (const AccessInfo& load : stage_.loads) {
      if (!load.uses(unit_) || std::abs(load.strides[unit_]) == 1 || !transposed_) continue;
      for (std::size_t d = 0; d < load.dim_axis.size(); ++d) {
        if (load.dim_axis[d] != transposed_ || std::abs(load.strides[*transposed_]) != 1) continue;
        const StageIndex copy = e.stage_buffer(load.buffer, self, at, {});
        std::vector<LoopId> order;
        for (std::size_t other = 0; other < load.dim_axis.size(); ++other)
          if (other != d) order.push_back(loop_of(copy, other));
        order.push_back(loop_of(copy, d));
        e.reorder(order);
        e.annotate(loop_of(copy, d), LoopKind::vectorize);
        break;
      }
    }
  }
  i64 value(std::span<const i64> values, std::optional<std::size_t> knob, i64 otherwise) const {
    return knob ? values[*knob] : otherwise;
  }
  i64 width(std::span<const i64> values) const { return values[0]; }
  bool is_parallel(std::span<const i64> values) const { return value(values, par_, 0) != 0; }

  double chunks_of(std::span<const i64> values) const {
    double chunks = 1;
    for (std::size_t a : rows_)
      chunks *=
          static_cast<double>(a == transposed_ ? ceil_div(extent(a), value(values, tile_, 1)) : extent(a));
    const i64 block = value(values, block_, 0);
    if (block != 0) chunks *= static_cast<double>(ceil_div(extent(unit_), block));
    if (chunks == 1) chunks = static_cast<double>(ceil_div(extent(unit_), width(values)));
    return chunks;
  }

  double argument_bytes() const {
    double bytes = static_cast<double>(stage_.store.elements) * stage_.store.element_bytes;
    for (const AccessInfo& load : stage_.loads)
      bytes += static_cast<double>(load.elements) * load.element_bytes;
    return bytes;
  }

  /// Share of the lines of a strided tile that evict each other: rows a power of two apart share a set.
  double conflict_share(const AccessInfo& load, std::span<const i64> values) const {
    const i64 stride = std::abs(load.strides[unit_]) * load.element_bytes;
    const i64 rows = std::min(width(values), extent(unit_));
    return stride % machine_.page_bytes == 0 && rows > cache_ways ? 0.5 : 0.0;
  }

  void find_transposed() {
    std::vector<std::size_t> order;
    for (std::size_t a = 0; a < stage_.spatial_count; ++a)
      if (a != unit_) order.push_back(a);
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
      return std::abs(stage_.store.strides[a]) > std::abs(stage_.store.strides[b]);
    });
    rows_ = order;
    for (const AccessInfo& load : stage_.loads) {
      if (!load.uses(unit_) || std::abs(load.strides[unit_]) == 1) continue;
      for (std::size_t a : rows_)
        if (!load.irregular[a] && std::abs(load.strides[a]) == 1 && extent(a) > 1) transposed_ = a;
    }
  }

  void add_knobs() {
    std::vector<i64> widths;
    for (i64 vectors : {1, 2, 4, 8})
      if (vectors == 1 || vectors * lanes_ <= extent(unit_)) widths.push_back(vectors * lanes_);
    if (extent(unit_) < lanes_) widths = {extent(unit_)};
    knobs_.push_back({"width", std::move(widths), false});
    auto add = [&](const char* name, std::vector<i64> domain, bool structural) {
      knobs_.push_back({name, std::move(domain), structural});
      return knobs_.size() - 1;
    };
    if (transposed_) {
      std::vector<i64> tiles{1};
      for (i64 tile : {4, 8, 16, 32, 64, 128})
        if (tile <= extent(*transposed_)) tiles.push_back(tile);
      tile_ = add("tile", std::move(tiles), false);
      stage_knob_ = add("stage", {0, 1}, true);
    }
    std::vector<i64> blocks{0};
    for (i64 vectors : {2, 8, 32, 128, 512, 2048})
      if (vectors * lanes_ < extent(unit_)) blocks.push_back(vectors * lanes_);
    if (blocks.size() > 1 && (transposed_ || threads_ > 1)) block_ = add("block", std::move(blocks), false);
    const double out = static_cast<double>(stage_.store.elements) * stage_.store.element_bytes;
    if (out > static_cast<double>(machine_.l3_bytes)) stream_ = add("stream", {0, 1}, true);
    if (threads_ > 1 && stage_.spatial_points() > lanes_) par_ = add("par", {1, 0}, true);
  }

  void plain_vectors(Emitter& e, std::size_t index, bool parallel) const {
    const StageInfo& s = info_.stages[index];
    const auto stage = static_cast<StageIndex>(index);
    const auto unit = s.unit_axis();
    if (!unit) return;
    std::vector<LoopId> rows;
    for (std::size_t a = 0; a < s.spatial_count; ++a)
      if (a != *unit) rows.push_back(loop_of(stage, a));
    std::vector<LoopId> order = rows;
    order.push_back(loop_of(stage, *unit));
    e.reorder(order);
    const auto rest =
        e.vectorize(loop_of(stage, *unit), s.axes[*unit].extent, machine_.lanes(s.widest_bytes));
    if (!parallel) return;
    if (!rows.empty())
      e.annotate(e.fuse(rows), LoopKind::parallel);
    else if (rest)
      e.annotate(*rest, LoopKind::parallel);
  }

  const KernelInfo& info_;
  const Machine& machine_;
  int threads_;
  StageGroup group_;
  const StageInfo& stage_;
  std::size_t unit_;
  bool inlined_;
  int lanes_;
  std::string name_;
  std::vector<std::size_t> rows_;  // outermost first
  std::optional<std::size_t> transposed_;
  std::vector<Knob> knobs_;
  std::optional<std::size_t> tile_, stage_knob_, block_, stream_, par_;
};

}  // namespace

GroupSketches map_rule(const RuleContext& context, const StageGroup& group) {
  GroupSketches result;
  const StageInfo& stage = context.info.stages[group.anchor];
  if (stage.kind != StageKind::map || !stage.unit_axis()) return result;
  if (group.prologue.empty()) {
    result.push_back(std::make_unique<MapSketch>(context, group, false, "map"));
    return result;
  }
  result.push_back(std::make_unique<MapSketch>(context, group, true, "map_inline"));
  result.push_back(std::make_unique<MapSketch>(context, group, false, "map_pre"));
  return result;
}

}  // namespace tunesmith::schedules
