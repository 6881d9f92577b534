#include "schedules/sketch_gpu.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "schedules/gpu_machine.h"
#include "schedules/sketch_emit.h"
#include "schedules/sketch_gpu_emit.h"

namespace tunesmith::schedules {

using ir::LoopKind;
using i64 = std::int64_t;

namespace {

/// The time of a kernel that moves bytes and does arithmetic with `blocks` blocks of `threads` threads.
double simple_ns(const GpuMachine& gpu, double bytes, double operations, double blocks, double threads) {
  const double resident = std::max(1.0, std::floor(gpu.threads_per_multiprocessor / threads));
  const double busy = std::min(1.0, blocks / gpu.multiprocessors);
  const double in_flight = std::min(1.0, blocks * threads / (gpu.multiprocessors * resident * threads));
  const double waves = blocks / (gpu.multiprocessors * resident);
  const double tail = waves > 1 ? std::ceil(waves) / waves : 1;
  const double memory = bytes / (gpu.dram_gbps * std::max(0.02, std::min(1.0, 2 * in_flight)));
  const double arithmetic = operations / (gpu.peak_gflops() * std::max(1e-3, busy));
  return std::max(memory, arithmetic) * tail + gpu.launch_ns;
}

double operations_of(const StageInfo& s) {
  return 2 * s.slots * static_cast<double>(s.spatial_points()) * static_cast<double>(s.reduce_points());
}
double bytes_of(const StageInfo& s) {
  double bytes = static_cast<double>(s.store.elements) * s.store.element_bytes;
  for (const AccessInfo& load : s.loads) bytes += static_cast<double>(load.elements) * load.element_bytes;
  return bytes;
}

Knob threads_knob(const GpuMachine& gpu) {
  Knob knob{"threads", {64, 128, 256, 512, 1024}, false};
  std::erase_if(knob.domain, [&](i64 threads) { return threads > gpu.max_threads_per_block; });
  return knob;
}

/// A thread makes one element of each stage, with a loop for what is summed.
class GpuPlainSketch : public GroupSketch {
 public:
  GpuPlainSketch(const RuleContext& context, const StageGroup& group)
      : info_(context.info), gpu_(*context.gpu), stages_(members(group)) {
    knobs_.push_back(threads_knob(gpu_));
  }
  const std::string& name() const override { return name_; }
  std::span<const Knob> knobs() const override { return knobs_; }
  bool feasible(std::span<const i64>) const override { return true; }
  double estimate_ns(std::span<const i64> values) const override {
    double ns = 0;
    for (const std::size_t s : stages_) {
      const StageInfo& stage = info_.stages[s];
      const double threads = static_cast<double>(values[0]), points = static_cast<double>(stage.spatial_points());
      // Operands come from memory once, but through the caches for each element that is summed.
      const double cached = points * static_cast<double>(stage.reduce_points()) * 4 * static_cast<double>(stage.loads.size()) /
                            (gpu_.l2_bytes_per_cycle * gpu_.multiprocessors * gpu_.clock_ghz);
      ns += std::max(cached, simple_ns(gpu_, bytes_of(stage), operations_of(stage), std::ceil(points / threads), threads));
    }
    return ns;
  }
  void emit(std::span<const i64> values, Schedule& schedule) const override {
    Emitter e(info_, schedule);
    for (const std::size_t s : stages_) emit_element_loops(e, info_.stages[s], values[0], 1);
  }

 private:
  const KernelInfo& info_;
  const GpuMachine& gpu_;
  std::vector<std::size_t> stages_;
  std::vector<Knob> knobs_;
  std::string name_ = "plain";
};

/// Maps, those that nobody else reads made part of what reads them.
class GpuMapSketch : public GroupSketch {
 public:
  GpuMapSketch(const RuleContext& context, const StageGroup& group) : info_(context.info), gpu_(*context.gpu) {
    for (const std::size_t s : members(group)) {
      const StageInfo& stage = info_.stages[s];
      const auto all = members(group);
      const bool vanishes = !stage.writes_output && !stage.consumers.empty() && std::ranges::all_of(stage.consumers, [&](std::size_t c) {
        return std::ranges::find(all, c) != all.end();
      });
      (vanishes ? inlined_ : kept_).push_back(s);
    }
    knobs_.push_back(threads_knob(gpu_));
    knobs_.push_back({"width", {1, 2, 4, 8}, false});
  }
  const std::string& name() const override { return name_; }
  std::span<const Knob> knobs() const override { return knobs_; }
  bool feasible(std::span<const i64>) const override { return true; }
  double estimate_ns(std::span<const i64> values) const override {
    double ns = 0;
    for (const std::size_t s : kept_) {
      const StageInfo& stage = info_.stages[s];
      double operations = operations_of(stage);
      for (const std::size_t other : inlined_) operations += operations_of(info_.stages[other]);
      const double threads = static_cast<double>(values[0]), width = static_cast<double>(values[1]);
      const double blocks = std::ceil(static_cast<double>(stage.spatial_points()) / (threads * width));
      ns += simple_ns(gpu_, bytes_of(stage), operations, blocks, threads) * (width == 4 ? 1 : width == 2 ? 1.03 : 1.1);
    }
    return ns;
  }
  void emit(std::span<const i64> values, Schedule& schedule) const override {
    Emitter e(info_, schedule);
    for (const std::size_t s : inlined_) e.compute_inline(static_cast<StageIndex>(s));
    for (const std::size_t s : kept_) emit_element_loops(e, info_.stages[s], values[0], values[1]);
  }

 private:
  const KernelInfo& info_;
  const GpuMachine& gpu_;
  std::vector<std::size_t> inlined_, kept_;
  std::vector<Knob> knobs_;
  std::string name_ = "map";
};

/// One row a block.
class GpuRowsSketch : public GroupSketch {
 public:
  GpuRowsSketch(const RuleContext& context, const StageGroup& group)
      : info_(context.info), gpu_(*context.gpu), group_(group), members_(members(group)) {
    knobs_.push_back({"threads", {}, false});
    i64 longest = 1;
    for (const std::size_t m : members_) longest = std::max(longest, row_points(m));
    for (i64 t = 32; t <= gpu_.max_threads_per_block; t *= 2)
      if (t == 32 || t <= longest) knobs_[0].domain.push_back(t);
    knobs_.push_back({"width", {1, 2, 4}, false});
    knobs_.push_back({"inline", {0, 1}, true});
    // Rows that do not fit into shared memory are read again instead of kept.
    if (!feasible(std::array<i64, 3>{knobs_[0].domain[0], 1, 0})) knobs_[2].domain = {1};
  }
  const std::string& name() const override { return name_; }
  std::span<const Knob> knobs() const override { return knobs_; }

  bool feasible(std::span<const i64> values) const override {
    double bytes = 0;
    for (const std::size_t m : members_) {
      const StageInfo& s = info_.stages[m];
      if (m == group_.anchor) continue;
      const bool vanishes = values[2] != 0 && s.kind == StageKind::map;
      if (!vanishes) bytes += static_cast<double>(s.spatial_points()) / static_cast<double>(rows()) * 8 + 128;
      if (s.kind != StageKind::map) bytes += static_cast<double>(values[0]) * 8 * static_cast<double>(s.stage->outputs.size()) + 1024;
    }
    return bytes <= static_cast<double>(gpu_.shared_bytes_per_block) / 2;
  }

  double estimate_ns(std::span<const i64> values) const override {
    double bytes = 0, operations = 0, phases = 0;
    for (const std::size_t m : members_) {
      const StageInfo& s = info_.stages[m];
      const bool is_far = std::ranges::any_of(s.loads, [](const AccessInfo& load) { return load.is_input; }) || m == group_.anchor;
      if (is_far) bytes += bytes_of(s) / 2;
      operations += operations_of(s) * (values[2] != 0 ? 1.5 : 1);
      phases += s.kind == StageKind::map ? 1 : 4;
    }
    const double threads = static_cast<double>(values[0]);
    const double steps = static_cast<double>(longest_row()) / threads;
    const double latency = (phases * 400 + steps * 30 * phases) / gpu_.clock_ghz;  // of one block: barriers and loads in a row
    const double resident = std::max(1.0, std::floor(gpu_.threads_per_multiprocessor / threads));
    const double waves = std::ceil(static_cast<double>(rows()) / (gpu_.multiprocessors * resident));
    return std::max(simple_ns(gpu_, bytes, operations, static_cast<double>(rows()), threads), waves * latency + gpu_.launch_ns);
  }

  void emit(std::span<const i64> values, Schedule& schedule) const override {
    Emitter e(info_, schedule);
    const i64 threads = values[0];
    std::vector<std::size_t> kept;
    for (std::size_t i = group_.prologue.size(); i-- > 0;) {
      const std::size_t m = group_.prologue[i];
      if (values[2] != 0 && info_.stages[m].kind == StageKind::map)
        e.compute_inline(static_cast<StageIndex>(m));
      else
        kept.push_back(m);  // readers before what they read
    }
    std::vector<std::optional<Partials>> partials(info_.stages.size());
    for (const std::size_t m : members_) partials[m] = split_reduction(e, m, threads);
    std::vector<LoopId> row_loops;
    const auto anchor = static_cast<StageIndex>(group_.anchor);
    for (std::uint32_t a = 0; a < group_.row_axes; ++a) row_loops.push_back(axis_loop(anchor, a));
    const LoopId row = e.fuse(row_loops);
    e.annotate(row, LoopKind::block_x);
    place(e, group_.anchor, partials, row, values);
    for (const std::size_t m : kept) {
      e.compute_at(static_cast<StageIndex>(m), row, ir::Scope::shared);
      place(e, m, partials, row, values);
    }
  }

 private:
  /// Stages that a reduction is split into: a partial result a thread, then one for each of a few.
  struct Partials {
    StageIndex threads = 0;
    std::optional<StageIndex> few;
  };

  i64 rows() const {
    i64 rows = 1;
    for (std::size_t a = 0; a < group_.row_axes; ++a) rows *= info_.stages[group_.anchor].axes[a].extent;
    return rows;
  }
  i64 row_points(std::size_t m) const {
    const StageInfo& s = info_.stages[m];
    return s.spatial_points() / rows() * s.reduce_points();
  }
  i64 longest_row() const {
    i64 longest = 1;
    for (const std::size_t m : members_) longest = std::max(longest, row_points(m));
    return longest;
  }

  std::optional<Partials> split_reduction(Emitter& e, std::size_t m, i64 threads) const {
    const StageInfo& s = info_.stages[m];
    if (s.kind == StageKind::map || !s.stage->combiner->associative) return std::nullopt;
    const auto axis = longest_reduction(s);
    const i64 wide = std::min(threads, s.axes[axis].extent);
    if (wide < 2) return std::nullopt;
    Partials result;
    const auto stage = static_cast<StageIndex>(m);
    constexpr i64 few = 16;
    result.threads = e.rfactor(stage, static_cast<std::uint32_t>(axis), wide);
    if (wide >= 4 * few) result.few = e.rfactor(stage, static_cast<std::uint32_t>(s.spatial_count), few);
    return result;
  }

  /// The loops of a stage that stands in the row's loop, or is the row's anchor.
  void place(Emitter& e, std::size_t m, const std::vector<std::optional<Partials>>& partials, LoopId row,
             std::span<const i64> values) const {
    const StageInfo& s = info_.stages[m];
    const auto stage = static_cast<StageIndex>(m);
    if (s.kind == StageKind::map) {
      std::vector<LoopId> loops;
      for (std::size_t a = group_.row_axes; a < s.spatial_count; ++a) loops.push_back(axis_loop(stage, static_cast<std::uint32_t>(a)));
      if (!loops.empty()) emit_thread_loop(e, e.fuse(loops), values[0], values[1]);
      return;
    }
    if (!partials[m]) return;
    const auto inner = static_cast<std::uint32_t>(s.spatial_count);  // of the partial stages: the last spatial axis
    if (partials[m]->few) {
      e.compute_at(*partials[m]->few, row, ir::Scope::shared);
      e.annotate(axis_loop(*partials[m]->few, inner), LoopKind::thread_x);
      e.accumulate(*partials[m]->few, axis_loop(*partials[m]->few, inner));
    }
    e.compute_at(partials[m]->threads, row, ir::Scope::shared);
    e.annotate(axis_loop(partials[m]->threads, inner), LoopKind::thread_x);
    e.accumulate(partials[m]->threads, axis_loop(partials[m]->threads, inner));
  }

  const KernelInfo& info_;
  const GpuMachine& gpu_;
  StageGroup group_;
  std::vector<std::size_t> members_;
  std::vector<Knob> knobs_;
  std::string name_ = "rows";
};

}  // namespace

GroupSketches gpu_plain_rule(const RuleContext& context, const StageGroup& group) {
  GroupSketches result;
  result.push_back(std::make_unique<GpuPlainSketch>(context, group));
  return result;
}

GroupSketches gpu_map_rule(const RuleContext& context, const StageGroup& group) {
  GroupSketches result;
  if (context.info.stages[group.anchor].kind == StageKind::map) result.push_back(std::make_unique<GpuMapSketch>(context, group));
  return result;
}

GroupSketches gpu_rows_rule(const RuleContext& context, const StageGroup& group) {
  GroupSketches result;
  if (group.row_axes == 0) return result;
  for (const std::size_t m : members(group)) {
    const StageInfo& s = context.info.stages[m];
    if (s.kind != StageKind::map && s.spatial_count > group.row_axes) return result;
  }
  auto sketch = std::make_unique<GpuRowsSketch>(context, group);
  std::vector<i64> first;
  for (const Knob& knob : sketch->knobs()) first.push_back(knob.domain.front());
  if (sketch->feasible(first)) result.push_back(std::move(sketch));
  return result;
}

}  // namespace tunesmith::schedules
