#include "schedules/sketch_tile_plan.h"

#include <algorithm>
#include <tuple>

#include "ir/support/check.h"

namespace tunesmith::schedules {

using i64 = std::int64_t;

namespace {

constexpr i64 window_extent = 11;  // reduction axes up to this length may be unrolled whole
constexpr i64 window_points = 49;  // all of them together
constexpr i64 window_spare_registers = 3;
constexpr i64 few_rows = 16;
constexpr double l2_share = 0.9;
constexpr double largest_code =
    2500;  // vector operations of one kernel: the instruction cache, and compile time

/// The candidates that are at most `extent`, and `extent` itself where it is at most `largest`.
std::vector<i64> up_to(std::vector<i64> candidates, i64 extent, i64 largest) {
  std::erase_if(candidates, [&](i64 c) { return c > extent; });
  if (extent <= largest && std::ranges::find(candidates, extent) == candidates.end())
    candidates.push_back(extent);
  std::ranges::sort(candidates);
  return candidates;
}

}  // namespace

std::optional<TilePlan> TilePlan::make(const StageInfo& stage, const Machine& machine, int threads,
                                       PackScope packs) {
  if (stage.kind != StageKind::reduction || !stage.unit_axis()) return std::nullopt;
  TilePlan plan;
  plan.stage_ = &stage;
  plan.machine_ = machine;
  plan.threads_ = threads;
  plan.vector_ = *stage.unit_axis();
  plan.lanes_ = std::max(1, machine.lanes(stage.widest_bytes));
  plan.choose_axes();
  plan.add_tile_knobs();
  plan.add_block_knobs();
  plan.packs_.resize(stage.loads.size());
  plan.add_pack_knobs(packs);
  return plan;
}

std::optional<std::size_t> TilePlan::add_knob(const char* name, std::vector<i64> domain, bool structural) {
  if (domain.empty() || (domain.size() == 1 && domain[0] == 0)) return std::nullopt;
  knobs_.push_back({name, std::move(domain), structural});
  return knobs_.size() - 1;
}

void TilePlan::choose_axes() {
  const StageInfo& s = *stage_;
  std::vector<std::size_t> reused;
  for (std::size_t a = 0; a < s.spatial_count; ++a)
    if (a != vector_ && s.axes[a].extent > 1 && s.has_reuse(a)) reused.push_back(a);
  // Best an axis that shares vector loads, then one that shares any load, then a sliding window.
  auto gain = [&](std::size_t a) {
    bool spares = false, spares_vectors = false;
    for (const AccessInfo& l : s.loads) {
      spares |= !l.uses(a);
      spares_vectors |= !l.uses(a) && l.uses(vector_);
    }
    return std::tuple{spares_vectors, spares, std::min<i64>(s.axes[a].extent, 16)};
  };
  std::ranges::stable_sort(
      reused, [&](std::size_t a, std::size_t b) { return gain(a) != gain(b) ? gain(a) > gain(b) : a > b; });
  if (!reused.empty()) primary_ = reused[0];
  if (reused.size() > 1) secondary_ = reused[1];
  for (std::size_t a = 0; a < s.spatial_count; ++a)
    if (a != vector_ && a != primary_ && a != secondary_ && s.axes[a].extent > 1) batch_.push_back(a);
  for (std::size_t a = s.spatial_count; a < s.axes.size(); ++a) reduce_.push_back(a);
  // Windows inside, the axis that the operands walk by steps of one innermost.
  std::ranges::stable_sort(reduce_, [&](std::size_t a, std::size_t b) {
    const bool long_a = s.axes[a].extent > window_extent, long_b = s.axes[b].extent > window_extent;
    return long_a != long_b && long_a;
  });
}

void TilePlan::add_tile_knobs() {
  const i64 columns = stage_->axes[vector_].extent;
  std::vector<i64> widths;
  for (i64 vectors : {1, 2, 3, 4, 6}) widths.push_back(vectors * lanes_);
  if (columns <= lanes_ / 2 || columns % lanes_ == lanes_ / 2) widths.insert(widths.begin(), lanes_ / 2);
  std::vector<i64> domain = up_to(widths, columns, 4 * lanes_);
  nr_ = add_knob("nr", std::move(domain));
  if (primary_) {
    const i64 rows = stage_->axes[*primary_].extent;
    mr_ = add_knob("mr", up_to({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16}, rows, 16));
  }
  if (secondary_) mr2_ = add_knob("mr2", up_to({1, 2, 3, 4, 7}, stage_->axes[*secondary_].extent, 4));
}

void TilePlan::add_block_knobs() {
  const StageInfo& s = *stage_;
  // Blocks count tiles; 0: one block holds the axis.
  auto blocks = [&](std::size_t axis, i64 smallest_tile) {
    std::vector<i64> domain{1, 2, 4, 8, 16, 32, 64, 128};
    std::erase_if(domain, [&](i64 tiles) { return tiles * smallest_tile >= s.axes[axis].extent; });
    domain.push_back(0);
    return domain;
  };
  nc_ = add_knob("nc", blocks(vector_, lanes_));
  if (primary_) mc_ = add_knob("mc", blocks(*primary_, 1));
  if (secondary_) m2c_ = add_knob("m2c", blocks(*secondary_, 1));
  const i64 longest = s.axes[reduce_.front()].extent;
  std::vector<i64> depths{32, 64, 128, 192, 256, 384, 512, 768, 1024};
  // A few rows: a few steps at a time along whole rows of the matrix follow its memory.
  if (!primary_ || s.axes[*primary_].extent <= few_rows) depths.insert(depths.begin(), {4, 8, 16});
  std::erase_if(depths, [&](i64 k) { return 2 * k > longest + k / 2; });
  depths.push_back(0);
  kc_ = add_knob("kc", std::move(depths), true);
  ku_ = add_knob("ku", up_to({1, 2, 4, 8}, s.axes[reduce_.back()].extent, 4));
  i64 window = 1;
  bool has_window = false;
  for (std::size_t a : reduce_)
    if (a != reduce_.back() && s.axes[a].extent <= window_extent && s.axes[a].extent > 1) {
      window *= s.axes[a].extent;
      has_window = true;
    }
  if (has_window && window <= window_points) window_ = add_knob("window", {0, 1}, true);
  if (primary_) order_ = add_knob("order", {0, 1}, true);
  if (primary_ || !batch_.empty()) outer_order_ = add_knob("outer", {0, 1}, true);
}

void TilePlan::add_pack_knobs(PackScope scope) {
  const StageInfo& s = *stage_;
  for (std::size_t l = 0; l < s.loads.size(); ++l) {
    const AccessInfo& load = s.loads[l];
    bool reused = false;
    for (std::size_t a = 0; a < s.spatial_count; ++a) reused |= s.axes[a].extent > 1 && !load.uses(a);
    bool regular = !load.is_guarded;
    for (std::size_t a = 0; a < s.axes.size(); ++a) regular = regular && !load.irregular[a];
    // A panel needs a dimension that is one of the tile's axes and nothing else.
    const bool has_panel = std::ranges::any_of(load.dim_axis, [&](const std::optional<std::size_t>& axis) {
      return axis && (axis == vector_ || axis == primary_ || axis == secondary_);
    });
    if (!reused || !regular || !has_panel || (scope == PackScope::inputs && !load.is_input)) continue;
    const std::string name = "pack" + std::to_string(l);
    packs_[l] = add_knob(name.c_str(), {0, 1, 2}, true);
  }
}

TilePoint TilePlan::point(std::span<const i64> values) const {
  const StageInfo& s = *stage_;
  TilePoint p;
  p.vector_axis = vector_;
  p.lanes = lanes_;
  p.tile.assign(s.axes.size(), 1);
  p.block.assign(s.axes.size(), 1);
  auto set = [&](std::size_t axis, i64 tile, i64 tiles) {
    const i64 extent = s.axes[axis].extent;
    p.tile[axis] = std::min(tile, extent);
    p.block[axis] = tiles == 0 ? extent : std::min(extent, tile * tiles);
  };
  set(vector_, value(values, nr_, lanes_), value(values, nc_, 0));
  if (primary_) set(*primary_, value(values, mr_, 1), value(values, mc_, 0));
  if (secondary_) set(*secondary_, value(values, mr2_, 1), value(values, m2c_, 0));
  for (std::size_t a : reduce_) p.block[a] = s.axes[a].extent;
  if (const i64 kc = value(values, kc_, 0); kc != 0) p.block[reduce_.front()] = kc;
  p.tile[reduce_.back()] = std::min(value(values, ku_, 1), p.block[reduce_.back()]);
  if (value(values, window_, 0) != 0)
    for (std::size_t a : reduce_)
      if (a != reduce_.back() && s.axes[a].extent <= window_extent) p.tile[a] = s.axes[a].extent;

  std::vector<std::size_t> rows;
  if (secondary_) rows.push_back(*secondary_);
  if (primary_) rows.push_back(*primary_);
  p.outer = batch_;
  p.outer.insert(p.outer.end(), rows.begin(), rows.end());
  const bool columns_first = value(values, outer_order_, 0) != 0;
  p.outer.insert(columns_first ? p.outer.begin() : p.outer.end(), vector_);
  p.inner = rows;
  const bool rows_outside = value(values, order_, 0) != 0;
  p.inner.insert(rows_outside ? p.inner.end() : p.inner.begin(), vector_);
  p.reduce = reduce_;
  for (std::size_t l = 0; l < s.loads.size(); ++l)
    p.pack.push_back(static_cast<PackKind>(value(values, packs_[l], 0)));
  return p;
}

bool TilePlan::feasible(std::span<const i64> values) const {
  const StageInfo& s = *stage_;
  const TilePoint p = point(values);
  // Unrolled window steps load ahead of their use: they need registers to spare, unless they keep what they read.
  bool unrolls_window = false;
  for (std::size_t a : reduce_) unrolls_window |= reduce_.size() > 1 && p.tile[a] > 1;
  i64 spare = unrolls_window && !keeps_vectors(s, p) ? window_spare_registers : 0;
  // So do unrolled steps of rows that end in a narrowed vector.
  const bool is_ragged = p.tile[vector_] > lanes_ && p.tile[vector_] % lanes_ != 0;
  if (is_ragged) spare += p.tile[reduce_.back()];
  if (registers_of(s, p) + spare > machine_.vector_registers) return false;
  // A block of one tile after another block size means the same program: keep one of them.
  auto redundant = [&](std::optional<std::size_t> knob, std::size_t axis) {
    const i64 tiles = value(values, knob, 0);
    return tiles != 0 && tiles * p.tile[axis] >= s.axes[axis].extent;
  };
  if (redundant(nc_, vector_) || (primary_ && redundant(mc_, *primary_)) ||
      (secondary_ && redundant(m2c_, *secondary_)))
    return false;
  if (p.block[reduce_.back()] % p.tile[reduce_.back()] != 0 &&
      p.block[reduce_.back()] != s.axes[reduce_.back()].extent)
    return false;
  if (code_size_of(s, p) > largest_code) return false;
  for (std::size_t l = 0; l < s.loads.size(); ++l) {
    if (p.pack[l] != PackKind::local) continue;
    double bytes = s.loads[l].element_bytes;
    for (std::size_t a = 0; a < s.axes.size(); ++a)
      if (s.loads[l].uses(a)) bytes *= static_cast<double>(p.block[a]);
    const i64 room = s.loads[l].uses(vector_) ? machine_.l3_bytes / std::max(1, threads_) : machine_.l2_bytes;
    if (bytes > l2_share * static_cast<double>(room)) return false;
  }
  return true;
}

}  // namespace tunesmith::schedules
