#include "schedules/frame.h"

#include <algorithm>

#include "ir/support/check.h"

namespace tunesmith::schedules {
namespace {

using i64 = std::int64_t;

bool divides(i64 factor, const Extent& extent) {
  return !extent.is_open() && std::ranges::all_of(extent.values, [&](i64 v) { return v % factor == 0; });
}

/// a and b, where null says nothing.
ir::Expr both(const ir::Expr& a, const ir::Expr& b) { return a && b ? ir::logical_and(a, b) : a ? a : b; }

}  // namespace

Frame::Frame(const TreeStage& stage, std::vector<Range> axes)
    : stage_(&stage), axes_(std::move(axes)), values_(stage.nodes.size()), extents_(stage.nodes.size()) {
  for (std::size_t a = 0; a < axes_.size(); ++a) extents_[a] = axes_[a].extent;
  if (const auto& p = stage.partial) {
    splits_.push_back({no_node, p->outer, p->inner, p->factor, Tail::peel});
    const Range& inner = axes_[p->inner];
    const bool whole =
        ir::is_int(inner.base, 0) && inner.extent.is_constant() && inner.extent.max == p->factor;
    if (whole)
      extents_[p->inner] = {};
    else
      guarded_.push_back(splits_.back());
  }
  for (NodeIndex n = 0; n < stage.nodes.size(); ++n) {
    const Node& node = stage.nodes[n];
    if (node.use == Node::Use::split) splits_.push_back({n, node.first, node.second, node.factor, node.tail});
  }
  propagate();
}

void Frame::set_extent(NodeIndex node, Extent extent) {
  extents_[node] = std::move(extent);
  propagate();
}

void Frame::bind(NodeIndex loop, ir::Expr value) {
  values_[loop] = std::move(value);
  propagate();
}

void Frame::rename(NodeIndex node, ir::Expr name) {
  values_[node] = std::move(name);
  // Values above are made again from the new name.
  for (NodeIndex n = node; n-- > 0;)
    if (stage_->nodes[n].use == Node::Use::split) values_[n] = {};
  propagate();
}

Extent Frame::whole_extent(const SplitView& split) const {
  return split.whole == no_node ? constant_extent(stage_->partial->extent) : extents_[split.whole];
}

bool Frame::blocks_overlap(NodeIndex split) const {
  const Node& node = stage_->nodes[split];
  const Extent& whole = extents_[split];
  return node.tail == Tail::overlap && !whole.is_open() && !divides(node.factor, whole) &&
         std::ranges::all_of(whole.values, [&](i64 v) { return v >= node.factor; });
}

ir::Expr Frame::block_start(NodeIndex split, const ir::Expr& block) const {
  const i64 factor = stage_->nodes[split].factor;
  const ir::Expr start = block * factor;
  return blocks_overlap(split) ? ir::min(start, extents_[split].expr - factor) : start;
}

void Frame::propagate() {
  const auto& nodes = stage_->nodes;
  // Parts are made after what they are parts of: extents flow down in this order.
  for (NodeIndex n = 0; n < nodes.size(); ++n) {
    const Node& node = nodes[n];
    if (node.use == Node::Use::split && extents_[n].is_known()) {
      if (!extents_[node.first].is_known()) extents_[node.first] = ceil_div(extents_[n], node.factor);
      if (!extents_[node.second].is_known() && extents_[n].max <= node.factor)
        extents_[node.second] = extents_[n];
      if (!extents_[node.second].is_known() && (divides(node.factor, extents_[n]) || blocks_overlap(n)))
        extents_[node.second] = constant_extent(node.factor);
    }
    if (node.use == Node::Use::fused && !extents_[node.first].is_known() && extents_[n].is_known() &&
        extents_[node.second].is_known())
      extents_[node.first] = product(extents_[n], extents_[node.second]);
  }
  // Values flow up, and from a fused loop to its parts.
  for (NodeIndex n = static_cast<NodeIndex>(nodes.size()); n-- > 0;) {
    const Node& node = nodes[n];
    if (values_[n]) continue;
    if (node.use == Node::Use::split && values_[node.first] && values_[node.second] &&
        (node.tail != Tail::overlap || extents_[n].is_known()))
      values_[n] = block_start(n, values_[node.first]) + values_[node.second];
    if (node.use == Node::Use::fused && values_[node.first]) {
      const NodeIndex inner = node.is_outer ? node.second : n;
      const ir::Expr& count = extents_[inner].expr;
      values_[n] = node.is_outer ? ir::floor_div(values_[node.first], count)
                                 : ir::floor_mod(values_[node.first], count);
    }
  }
}

const SplitView* Frame::pending() const {
  for (const SplitView& split : splits_)
    if (values_[split.outer] && !extents_[split.inner].is_known() && whole_extent(split).is_known())
      return &split;
  return nullptr;
}

void Frame::guard(const SplitView& split) {
  const i64 tile = std::min(split.factor, whole_extent(split).max);
  guarded_.push_back(split);
  set_extent(split.inner, constant_extent(tile));
}

const SplitView& Frame::unknown_part(NodeIndex node) const {
  for (const SplitView& split : splits_)
    if (!extents_[split.inner].is_known() && whole_extent(split).is_known()) {
      // The unknown part that `node` is made from.
      std::vector<NodeIndex> below{split.inner};
      while (!below.empty()) {
        const NodeIndex n = below.back();
        below.pop_back();
        if (n == node) return split;
        const Node& part = stage_->nodes[n];
        if (part.use != Node::Use::loop) below.push_back(part.first);
        if (part.use == Node::Use::split) below.push_back(part.second);
      }
    }
  TS_UNREACHABLE("the extent of a loop follows from no split");
}

/// Null where the values are not known yet.
ir::Expr Frame::condition_of(const SplitView& split) const {
  if (split.whole != no_node)
    return values_[split.whole] ? values_[split.whole] < extents_[split.whole].expr : ir::Expr();
  if (!values_[split.outer] || !values_[split.inner]) return {};
  return values_[split.outer] * split.factor + axis_value(split.inner) < stage_->partial->extent;
}

ir::Expr Frame::condition() const {
  ir::Expr all;
  for (const SplitView& split : guarded_) all = both(all, condition_of(split));
  for (NodeIndex loop : guarded_loops_)
    if (values_[loop]) all = both(all, values_[loop] < extents_[loop].expr);
  return all;
}

ir::Expr Frame::take_decided() {
  // The last iteration of a reduction must run, guarded or not: an epilogue may stand in it.
  ir::Expr all;
  std::erase_if(guarded_, [&](const SplitView& split) {
    if (split.whole == no_node || stage_->nodes[split.whole].is_reduction || !values_[split.whole])
      return false;
    all = both(all, condition_of(split));
    return true;
  });
  std::erase_if(guarded_loops_, [&](NodeIndex loop) {
    if (stage_->nodes[loop].is_reduction || !values_[loop]) return false;
    all = both(all, values_[loop] < extents_[loop].expr);
    return true;
  });
  return all;
}

void Frame::leave_reduction() {
  const auto& nodes = stage_->nodes;
  std::erase_if(guarded_,
                [&](const SplitView& s) { return s.whole == no_node || nodes[s.whole].is_reduction; });
  std::erase_if(guarded_loops_, [&](NodeIndex loop) { return nodes[loop].is_reduction; });
  if (!stage_->partial || extents_[stage_->partial->inner].is_known()) return;
  set_extent(stage_->partial->inner, constant_extent(stage_->partial->factor));
}

bool Frame::is_untouched(NodeIndex node) const {
  if (values_[node]) return false;
  const Node& n = stage_->nodes[node];
  if (n.use == Node::Use::loop) return true;
  if (n.use == Node::Use::split) return is_untouched(n.first) && is_untouched(n.second);
  return is_untouched(n.first);
}

bool Frame::is_guarded(NodeIndex node) const {
  return std::ranges::find(guarded_loops_, node) != guarded_loops_.end() ||
         std::ranges::any_of(guarded_, [&](const SplitView& split) { return split.whole == node; });
}

/// What the parts of a node say, which may reach past the end of the node.
Range Frame::unbounded_range(NodeIndex node) const {
  const Node& n = stage_->nodes[node];
  if (n.use == Node::Use::loop) return {values_[node], constant_extent(1), {}, false};
  if (n.use == Node::Use::fused) {
    const Range fused = range(n.first);
    if (!fused.extent.is_constant() || fused.extent.max != 1) return {0, extents_[node], {}, false};
    const ir::Expr& count = extents_[n.is_outer ? n.second : node].expr;
    const ir::Expr part = n.is_outer ? ir::floor_div(fused.base, count) : ir::floor_mod(fused.base, count);
    return {part, constant_extent(1), fused.condition, false};
  }
  const Range outer = range(n.first), inner = range(n.second);
  Range result;
  result.base = block_start(node, outer.base) + inner.base;
  result.extent = span(outer.extent, n.factor, inner.extent);
  result.condition = both(outer.condition, inner.condition);
  return result;
}

bool Frame::can_overshoot(NodeIndex node, const Range& range) const {
  if (is_guarded(node)) return true;
  const Node& n = stage_->nodes[node];
  const bool single = range.extent.is_constant() && range.extent.max == 1;
  return n.use == Node::Use::split && !single && !values_[n.first] && !divides(n.factor, extents_[node]);
}

Range Frame::range(NodeIndex node) const {
  const Extent& known = extents_[node];
  const bool has_guards = !guarded_.empty() || !guarded_loops_.empty();
  if (values_[node] && !has_guards) return {values_[node], constant_extent(1), {}, false};
  if (is_untouched(node)) {
    if (known.is_known()) return {0, known, {}, false};
    // A part whose size is not decided yet: all that it may be.
    for (const SplitView& split : splits_)
      if (split.inner == node)
        return {0, constant_extent(std::min(split.factor, whole_extent(split).max)), {}, false};
    return {0, constant_extent(1), {}, false};  // below such a part, which is asked first
  }
  Range result = unbounded_range(node);
  if (!known.is_known() || !can_overshoot(node, result)) return result;
  if (is_guarded(node)) {
    result.condition = both(result.condition, result.base < known.expr);
    result.base = ir::min(result.base, known.expr - 1);
  }
  const bool single = result.extent.is_constant() && result.extent.max == 1;
  if (!single)
    result.extent = open_extent(ir::min(known.expr - result.base, result.extent.expr),
                                std::min(known.max, result.extent.max));
  return result;
}

Range Frame::axis_range(std::size_t axis) const {
  Range result = range(static_cast<NodeIndex>(axis));
  result.base = axes_[axis].base + result.base;
  result.may_overshoot = axes_[axis].may_overshoot;
  const auto& partial = stage_->partial;
  result.may_overshoot |= partial && (partial->outer == axis || partial->inner == axis);
  return result;
}

}  // namespace tunesmith::schedules
