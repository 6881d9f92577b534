// The rule for contractions on GPUs: see sketch_gpu.h.
#include <algorithm>
#include <cmath>

#include "schedules/gpu_machine.h"
#include "schedules/sketch_gpu.h"
#include "schedules/sketch_gpu_emit.h"

namespace tunesmith::schedules {

using ir::LoopKind;
using i64 = std::int64_t;

namespace {

constexpr int other_registers = 40;       // of a thread, beside results and operands
constexpr double wait_cycles = 700;       // of a block for one round of copies, two barriers included
constexpr i64 most_unrolled = 1024;       // multiply-adds in a row

class GpuTileSketch : public GroupSketch {
 public:
  GpuTileSketch(const RuleContext& context, const StageGroup& group, std::size_t row, std::size_t column)
      : info_(context.info),
        gpu_(*context.gpu),
        group_(group),
        stage_(context.info.stages[group.anchor]),
        row_(row),
        column_(column),
        sum_(longest_reduction(stage_)) {
    auto add = [&](const char* name, std::vector<i64> domain, i64 extent) {
      const i64 least = domain.front();
      std::erase_if(domain, [&](i64 v) { return v > least && v >= 2 * extent; });
      knobs_.push_back({name, std::move(domain), false});
    };
    // The first choices are feasible on every device.
    add("bm", {16, 32, 64, 128, 256}, stage_.axes[row_].extent);
    add("bn", {16, 32, 64, 128, 256}, stage_.axes[column_].extent);
    add("bk", {8, 16, 32}, stage_.axes[sum_].extent);
    add("tm", {1, 2, 4, 8, 16}, stage_.axes[row_].extent);
    add("tn", {1, 2, 4, 8}, stage_.axes[column_].extent);
    knobs_.push_back({"width", {1, 2, 4}, false});
    knobs_.push_back({"unroll", {1, 0}, true});
    for (const AccessInfo& load : stage_.loads)
      if (can_stage(load)) staged_.push_back(&load);
  }

  const std::string& name() const override { return name_; }
  std::span<const Knob> knobs() const override { return knobs_; }

  bool feasible(std::span<const i64> values) const override {
    const Choice c(values);
    if (c.bm % c.tm != 0 || c.bn % c.tn != 0) return false;
    if (c.threads() < gpu_.warp_size || c.threads() > gpu_.max_threads_per_block) return false;
    if (registers(c) > gpu_.registers_per_thread || registers(c) * c.threads() > gpu_.registers_per_multiprocessor) return false;
    if (c.unroll != 0 && c.bk * c.tm * c.tn > most_unrolled) return false;
    return shared_bytes(c) <= static_cast<double>(gpu_.shared_bytes_per_block);
  }

  /// Arithmetic, shared memory and the caches of a multiprocessor over the waves of blocks, and memory.
  double estimate_ns(std::span<const i64> values) const override {
    const Choice c(values);
    const double m = static_cast<double>(stage_.axes[row_].extent), n = static_cast<double>(stage_.axes[column_].extent);
    const double others = static_cast<double>(stage_.spatial_points()) / (m * n);
    const double steps = static_cast<double>(stage_.reduce_points());
    const double blocks = others * std::ceil(m / static_cast<double>(c.bm)) * std::ceil(n / static_cast<double>(c.bn));
    const double threads = static_cast<double>(c.threads());
    const double resident =
        std::max(1.0, std::min({std::floor(gpu_.threads_per_multiprocessor / threads),
                                std::floor(gpu_.registers_per_multiprocessor / (threads * static_cast<double>(registers(c)))),
                                std::floor(static_cast<double>(gpu_.shared_bytes_per_multiprocessor) / std::max(1.0, shared_bytes(c)))}));
    const double tile = static_cast<double>(c.bm * c.bn);
    const double arithmetic = 2 * tile * steps * stage_.slots / gpu_.f32_operations_per_cycle;
    const double bytes = static_cast<double>(stage_.widest_bytes);
    const double shared = threads * static_cast<double>(c.tm + c.tn) * bytes * steps / gpu_.shared_bytes_per_cycle;
    const double fetched = static_cast<double>(c.bm + c.bn) * bytes * steps;
    const double l2 = fetched / gpu_.l2_bytes_per_cycle * (c.width == 4 ? 1 : c.width == 2 ? 1.2 : 1.5);
    const double rounds = steps / static_cast<double>(c.bk);
    // Blocks that share a multiprocessor hide each other's waits.
    const double block = std::max({arithmetic, shared, l2}) + 0.15 * (arithmetic + shared + l2) +
                         rounds * wait_cycles / resident * (c.unroll != 0 ? 1 : 1.1);
    const double waves = std::ceil(blocks / (gpu_.multiprocessors * resident));
    const double cycles = waves * block * std::min(resident, std::ceil(blocks / gpu_.multiprocessors));
    double moved = static_cast<double>(stage_.store.elements) * stage_.store.element_bytes;
    for (const AccessInfo& load : stage_.loads) moved += static_cast<double>(load.elements) * load.element_bytes;
    return std::max(cycles / gpu_.clock_ghz, moved / gpu_.dram_gbps) + gpu_.launch_ns;
  }

  void emit(std::span<const i64> values, Schedule& schedule) const override {
    const Choice c(values);
    Emitter e(info_, schedule);
    for (const std::size_t s : group_.prologue) e.compute_inline(static_cast<StageIndex>(s));
    const auto stage = static_cast<StageIndex>(group_.anchor);
    auto loop = [&](std::size_t axis) { return axis_loop(stage, static_cast<std::uint32_t>(axis)); };
    const LoopId row = loop(row_), column = loop(column_), sum = loop(sum_);
    e.split(row, c.bm, Tail::mask);
    e.split(row.inner(), c.tm, Tail::mask);
    e.split(column, c.bn, Tail::mask);
    e.split(column.inner(), c.tn, Tail::mask);
    e.split(sum, c.bk, Tail::mask);
    std::vector<LoopId> blocks, order;
    for (std::size_t a = 0; a < stage_.spatial_count; ++a)
      if (a != row_ && a != column_) blocks.push_back(loop(a));
    blocks.push_back(row.outer());
    order = blocks;
    order.push_back(column.outer());
    for (std::size_t a = stage_.spatial_count; a < stage_.axes.size(); ++a)
      if (a != sum_) order.push_back(loop(a));
    const LoopId thread_row = row.inner().outer(), thread_column = column.inner().outer();
    order.insert(order.end(), {sum.outer(), thread_row, thread_column, sum.inner(), row.inner().inner(), column.inner().inner()});
    e.reorder(order);
    e.annotate(e.fuse(blocks), LoopKind::block_x);
    e.annotate(column.outer(), LoopKind::block_y);
    e.annotate(thread_row, LoopKind::thread_y);
    e.annotate(thread_column, LoopKind::thread_x);
    if (c.unroll != 0) e.annotate(sum.inner(), LoopKind::unroll);
    e.annotate(row.inner().inner(), LoopKind::unroll);
    e.annotate(column.inner().inner(), LoopKind::unroll);
    e.accumulate(stage, column.outer());
    for (const AccessInfo* load : staged_) copy(e, *load, stage, sum.outer(), c);
    for (const std::size_t s : group_.epilogue) {
      const auto epilogue = static_cast<StageIndex>(s);
      e.reverse_compute_at(epilogue, column.outer());
      results(e, epilogue, c);
    }
  }

 private:
  struct Choice {
    explicit Choice(std::span<const i64> v) : bm(v[0]), bn(v[1]), bk(v[2]), tm(v[3]), tn(v[4]), width(v[5]), unroll(v[6]) {}
    i64 bm, bn, bk, tm, tn, width, unroll;
    i64 threads() const { return bm / tm * (bn / tn); }
  };

  i64 registers(const Choice& c) const { return c.tm * c.tn + (c.unroll != 0 ? 2 : 1) * (c.tm + c.tn) + other_registers; }
  double shared_bytes(const Choice& c) const {
    double bytes = 0;
    for (const AccessInfo* load : staged_)
      bytes += static_cast<double>(part(*load, c)) * load->element_bytes + 128;
    return bytes;
  }

  /// Points of an axis that a block walks in one round.
  i64 walked(std::size_t axis, const Choice& c) const {
    const i64 most = axis == row_ ? c.bm : axis == column_ ? c.bn : axis == sum_ ? c.bk : 1;
    return std::min(most, stage_.axes[axis].extent);
  }
  /// Elements of an operand that a block reads in one round: the hull of each dimension.
  i64 part(const AccessInfo& load, const Choice& c) const {
    i64 points = 1;
    for (std::size_t a = 0; a < stage_.axes.size(); ++a)
      if (load.uses(a)) points *= walked(a, c) * (a == row_ || a == column_ ? stride_factor(load, a) : 1);
    return points;
  }
  /// A window that steps by more than one point leaves gaps, which are copied too.
  i64 stride_factor(const AccessInfo& load, std::size_t axis) const {
    const i64 step = std::abs(load.strides[axis]);
    for (std::size_t d = 0; d < load.dim_axis.size(); ++d)
      if (load.dim_axis[d] == axis) return 1;
    i64 contiguous = 1;
    for (std::size_t d = load.dim_extent.size(); d-- > 0; contiguous *= load.dim_extent[d])
      if (step >= contiguous && step < contiguous * load.dim_extent[d]) return std::max<i64>(1, step / contiguous);
    return 1;
  }

  /// Read by all threads of a row or of a column, at indices that are sums of axes.
  bool can_stage(const AccessInfo& load) const {
    if (load.is_guarded || std::ranges::find(load.irregular, true) != load.irregular.end()) return false;
    return !load.uses(row_) || !load.uses(column_);
  }

  /// The part of an operand that one round reads, in shared memory; what threads read side by side stands innermost.
  void copy(Emitter& e, const AccessInfo& load, StageIndex stage, LoopId at, const Choice& c) const {
    const auto count = static_cast<std::int32_t>(load.dim_axis.size());
    const std::size_t wanted = load.uses(column_) ? column_ : row_;
    std::int32_t inner = count - 1;
    for (std::int32_t d = 0; d < count; ++d)
      if (load.dim_axis[static_cast<std::size_t>(d)] == wanted) inner = d;
    std::vector<std::int32_t> order;
    for (std::int32_t d = 0; d < count; ++d)
      if (d != inner) order.push_back(d);
    order.push_back(inner);
    const bool is_row_major = std::ranges::is_sorted(order);
    const StageIndex made =
        e.stage_buffer(load.buffer, stage, at, is_row_major ? ir::Layout{} : ir::Layout::permutation(order), ir::Scope::shared);
    std::vector<LoopId> loops;
    for (std::int32_t d = 0; d < count; ++d) loops.push_back(axis_loop(made, static_cast<std::uint32_t>(d)));
    const LoopId all = e.fuse(loops);
    const i64 across = c.bn / c.tn;
    e.split(all, c.threads() * c.width, Tail::mask);
    e.split(all.inner(), across * c.width, Tail::mask);
    const LoopId thread = emit_lanes(e, all.inner().inner(), c.width);
    e.reorder({all.inner().outer(), thread, all.outer()});
    e.annotate(all.inner().outer(), LoopKind::thread_y);
    e.annotate(thread, LoopKind::thread_x);
  }

  /// An epilogue's loops: each thread goes on with the results that it holds.
  void results(Emitter& e, StageIndex epilogue, const Choice& c) const {
    auto loop = [&](std::size_t axis) { return axis_loop(epilogue, static_cast<std::uint32_t>(axis)); };
    const LoopId row = loop(row_), column = loop(column_);
    e.split(row, c.tm, Tail::mask);
    e.split(column, c.tn, Tail::mask);
    std::vector<LoopId> order;
    for (std::size_t a = 0; a < stage_.spatial_count; ++a)
      if (a != row_ && a != column_) order.push_back(loop(a));
    order.insert(order.end(), {row.outer(), column.outer(), row.inner(), column.inner()});
    e.reorder(order);
    e.annotate(row.outer(), LoopKind::thread_y);
    e.annotate(column.outer(), LoopKind::thread_x);
    e.annotate(row.inner(), LoopKind::unroll);
    e.annotate(column.inner(), LoopKind::vectorize);
  }

  const KernelInfo& info_;
  const GpuMachine& gpu_;
  StageGroup group_;
  const StageInfo& stage_;
  std::size_t row_, column_, sum_;
  std::vector<Knob> knobs_;
  std::vector<const AccessInfo*> staged_;
  std::string name_ = "tile";
};

}  // namespace

GroupSketches gpu_tile_rule(const RuleContext& context, const StageGroup& group) {
  GroupSketches result;
  const StageInfo& s = context.info.stages[group.anchor];
  if (s.kind != StageKind::reduction || !s.is_contraction()) return result;
  const auto column = s.unit_axis();
  if (!column) return result;
  // The longest of the other axes, one that some operand does not use first.
  std::optional<std::size_t> row;
  auto shares = [&](std::size_t axis) { return std::ranges::any_of(s.loads, [&](const AccessInfo& l) { return !l.uses(axis); }); };
  for (std::size_t a = 0; a < s.spatial_count; ++a) {
    if (a == *column || s.axes[a].extent < 2 || !shares(a)) continue;
    if (!row || s.axes[a].extent > s.axes[*row].extent) row = a;
  }
  if (row && shares(*column)) result.push_back(std::make_unique<GpuTileSketch>(context, group, *row, *column));
  return result;
}

}  // namespace tunesmith::schedules
