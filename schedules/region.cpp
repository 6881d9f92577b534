#include "schedules/region.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "ir/support/check.h"
#include "ir/traverse.h"

namespace tunesmith::schedules {
namespace {

using i64 = std::int64_t;
using ir::Expr;

Expr normal(const Expr& e) { return ir::to_expr(ir::to_affine(e)); }

/// The axis that a variable walks.
std::optional<std::size_t> axis_of(const Expr& e, const std::vector<ir::Axis>& axes) {
  const auto* v = e.as<ir::Var>();
  const auto found =
      std::ranges::find_if(axes, [&](const ir::Axis& a) { return v != nullptr && a.var == v->id; });
  if (found == axes.end()) return std::nullopt;
  return static_cast<std::size_t>(found - axes.begin());
}

std::vector<ir::Axis> all_axes(const ir::Stage& stage) {
  std::vector<ir::Axis> axes = stage.spatial;
  axes.insert(axes.end(), stage.reduce.begin(), stage.reduce.end());
  return axes;
}

/// A load, and whether a select decides if it is performed.
struct Read {
  const ir::Load* load;
  bool guarded;
};

using Seen = std::set<std::pair<const ir::ExprNode*, bool>>;

void collect(const Expr& e, ir::BufferId buffer, bool guarded, Seen& seen, std::vector<Read>& reads) {
  if (!seen.insert({&e.node(), guarded}).second) return;
  if (const auto* l = e.as<ir::Load>(); l && l->buffer == buffer) reads.push_back({l, guarded});
  if (const auto* s = e.as<ir::Select>()) {
    collect(s->condition, buffer, guarded, seen, reads);
    collect(s->yes, buffer, true, seen, reads);
    collect(s->no, buffer, true, seen, reads);
    return;
  }
  ir::for_each_child(e, [&](const Expr& child) { collect(child, buffer, guarded, seen, reads); });
}

/// The hull of both ranges.
Range join(const Range& a, const Range& b) {
  const ir::Affine distance = ir::to_affine(b.base - a.base);
  Range result = a;
  result.may_overshoot |= b.may_overshoot;
  if (!distance.terms.empty()) {
    result.base = ir::min(a.base, b.base);
    const Expr end = ir::max(a.base + a.extent.expr, b.base + b.extent.expr);
    result.extent = open_extent(end - result.base, std::numeric_limits<std::int32_t>::max());
  } else if (distance.constant >= 0) {
    result.extent = joined(a.extent, distance.constant, b.extent);
  } else {
    result.base = b.base;
    result.extent = joined(b.extent, -distance.constant, a.extent);
  }
  return result;
}

/// What of the range lies in [0, size).
Range front(Range range, i64 size) {
  const Expr inside = range.base < size;
  range.condition = range.condition ? ir::logical_and(range.condition, inside) : inside;
  range.base = ir::min(range.base, size - 1);
  const Expr count = ir::min(size - range.base, range.extent.expr);
  const i64* constant = ir::as_int(count);
  range.extent = constant ? constant_extent(*constant) : open_extent(count, std::min(size, range.extent.max));
  return range;
}

}  // namespace

Range RegionFinder::whole_axis(const ir::Axis& axis) const {
  return {0, constant_extent(ir::int_value(axis.extent)), {}, false};
}

std::vector<Range> RegionFinder::axes_to_compute(StageIndex stage) const {
  const auto& place = tree_.stages[stage].place;
  return place && place->after ? axes_from_host(stage) : axes_from_readers(stage);
}

std::vector<Range> RegionFinder::axes_of(StageIndex stage) const {
  if (!frames_[stage].is_active()) {
    std::vector<Range> ranges = axes_to_compute(stage);
    // The ragged last step of a partial reduction reads past the axis under a guard.
    if (const auto& partial = tree_.stages[stage].partial)
      ranges[partial->outer].may_overshoot = ranges[partial->inner].may_overshoot = true;
    return ranges;
  }
  const std::size_t count = all_axes(tree_.stages[stage].def).size();
  std::vector<Range> ranges;
  for (std::size_t a = 0; a < count; ++a) ranges.push_back(frames_[stage].axis_range(a));
  return ranges;
}

std::vector<Range> RegionFinder::axes_from_host(StageIndex stage) const {
  const TreeStage& s = tree_.stages[stage];
  const std::vector<Range> host = axes_of(s.place->host);
  std::vector<Range> ranges;
  for (std::size_t a = 0; a < s.def.spatial.size(); ++a) {
    const NodeIndex along = s.place->host_axis[a];
    if (along == no_node) {
      ranges.push_back(whole_axis(s.def.spatial[a]));
      continue;
    }
    const Expr& extent = s.def.spatial[a].extent;
    const Expr& walked = tree_.stages[s.place->host].def.spatial[along].extent;
    ranges.push_back(ir::equal(extent, walked) ? host[along] : front(host[along], ir::int_value(extent)));
  }
  return ranges;
}

std::vector<Range> RegionFinder::axes_from_readers(StageIndex stage) const {
  const ir::Stage& def = tree_.stages[stage].def;
  const auto& place = tree_.stages[stage].place;
  std::vector<std::optional<Range>> region(def.spatial.size());
  for (StageIndex reader : tree_.sequence)
    for (ir::BufferId output : def.outputs)
      if (!place || tree_.is_inside(reader, place->host, place->loop))
        add_reads(reader, output, def.spatial, region);
  std::vector<Range> ranges;
  for (std::size_t d = 0; d < region.size(); ++d)
    ranges.push_back(region[d] ? clamped(std::move(*region[d]), def.spatial[d].extent)
                               : whole_axis(def.spatial[d]));
  for (const ir::Axis& axis : def.reduce) ranges.push_back(whole_axis(axis));
  return ranges;
}

void RegionFinder::add_reads(StageIndex reader, ir::BufferId buffer, const std::vector<ir::Axis>& dims,
                             std::vector<std::optional<Range>>& region) const {
  const ir::Stage& def = tree_.stages[reader].def;
  std::vector<Read> reads;
  Seen seen;
  for (const Expr& value : def.values) collect(value, buffer, false, seen, reads);
  if (reads.empty()) return;
  const std::vector<ir::Axis> axes = all_axes(def);
  const std::vector<Range> ranges = axes_of(reader);
  for (const Read& read : reads)
    for (std::size_t d = 0; d < dims.size(); ++d) {
      auto range = hull(read.load->indices[d], axes, ranges);
      if (!range) range = whole_axis(dims[d]);
      range->may_overshoot |= read.guarded;
      region[d] = region[d] ? join(*region[d], *range) : *range;
    }
}

std::optional<Range> RegionFinder::hull(const Expr& index, const std::vector<ir::Axis>& axes,
                                        const std::vector<Range>& ranges) const {
  const ir::Affine affine = ir::to_affine(index);
  Range result;
  result.base = affine.constant;
  result.extent = constant_extent(1);
  for (const ir::AffineTerm& term : affine.terms) {
    Range part;
    if (const auto axis = axis_of(term.term, axes)) {
      part = ranges[*axis];
    } else if (const auto* b = term.term.as<ir::Binary>()) {
      auto range = quotient(*b, axes, ranges);
      if (!range) return std::nullopt;
      part = std::move(*range);
    } else {
      return std::nullopt;
    }
    const i64 c = term.coefficient;
    result.base = result.base + part.base * c;
    if (c < 0) result.base = result.base + (part.extent.expr - 1) * c;
    result.extent = span(part.extent, c < 0 ? -c : c, result.extent);
    result.may_overshoot |= part.may_overshoot;
  }
  result.base = normal(result.base);
  return result;
}

std::optional<Range> RegionFinder::quotient(const ir::Binary& e, const std::vector<ir::Axis>& axes,
                                            const std::vector<Range>& ranges) const {
  const i64* divisor = ir::as_int(e.b);
  const bool is_quotient = e.op == ir::BinaryOp::floor_div, is_rest = e.op == ir::BinaryOp::floor_mod;
  if (!divisor || *divisor < 1 || !(is_quotient || is_rest)) return std::nullopt;
  const auto inner = hull(e.a, axes, ranges);
  if (!inner) return std::nullopt;
  const bool single = inner->extent.is_constant() && inner->extent.max == 1;
  Range result;
  result.may_overshoot = inner->may_overshoot;
  if (single) {
    result.base = is_quotient ? ir::floor_div(inner->base, e.b) : ir::floor_mod(inner->base, e.b);
    result.extent = constant_extent(1);
  } else if (is_rest) {
    result.extent = constant_extent(*divisor);
  } else {
    result.base = ir::floor_div(inner->base, e.b);
    const Expr last = ir::floor_div(inner->base + (inner->extent.expr - 1), e.b);
    if (const i64* first = ir::as_int(result.base); first && inner->extent.is_constant())
      result.extent = constant_extent(ir::int_value(last) - *first + 1);
    else
      result.extent = open_extent(last - result.base + 1, (inner->extent.max - 1) / *divisor + 2);
  }
  return result;
}

/// What of the range lies in the buffer; reads past it are skipped by selects or guards.
Range RegionFinder::clamped(Range range, const Expr& size) const {
  const i64 limit = ir::int_value(size);
  if (!std::exchange(range.may_overshoot, false)) {
    if (range.extent.is_open()) range.extent.max = std::min(range.extent.max, limit);
    return range;
  }
  const auto base = ir::bounds(range.base, ranges_);
  if (base && base->min >= 0 && base->max + range.extent.max <= limit) return range;
  // Where nothing is read in the end, one element stays: extents are never zero.
  const Expr end = ir::min(range.base + range.extent.expr, size);
  const bool before = !base || base->min < 0, beyond = !base || base->max > limit - 1;
  if (before) range.base = ir::max(range.base, 0);
  if (beyond) range.base = ir::min(range.base, limit - 1);
  const Expr count = end - range.base;
  range.extent = open_extent(before || beyond ? ir::max(count, 1) : count, std::min(range.extent.max, limit));
  return range;
}

}  // namespace tunesmith::schedules
