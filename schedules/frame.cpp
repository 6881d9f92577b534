#include "schedules/frame.h"

#include <algorithm>

#include "ir/support/check.h"

namespace tunesmith::schedules {
namespace {

using i64 = std::int64_t;

bool divides(i64 factor, const Extent& extent) {
  return !extent.is_open() && std::ranges::all_of(extent.values, [&](i64 v) { return v % factor == 0; });
}

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

void Frame::propagate() {
  const auto& nodes = stage_->nodes;
  // Parts are made after what they are parts of: extents flow down in this order.
  for (NodeIndex n = 0; n < nodes.size(); ++n) {
    const Node& node = nodes[n];
    if (node.use == Node::Use::split && extents_[n].is_known()) {
      if (!extents_[node.first].is_known()) extents_[node.first] = ceil_div(extents_[n], node.factor);
      if (!extents_[node.second].is_known() && extents_[n].max <= node.factor)
        extents_[node.second] = extents_[n];
      if (!extents_[node.second].is_known() && divides(node.factor, extents_[n]))
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
    if (node.use == Node::Use::split && values_[node.first] && values_[node.second])
      values_[n] = values_[node.first] * node.factor + values_[node.second];
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

ir::Expr Frame::condition() const {
  ir::Expr all;
  auto add = [&](ir::Expr condition) { all = all ? ir::logical_and(all, std::move(condition)) : condition; };
  for (const SplitView& split : guarded_) {
    ir::Expr value;
    if (split.whole != no_node)
      value = values_[split.whole];
    else if (values_[split.outer] && values_[split.inner])
      value = values_[split.outer] * split.factor + axis_value(split.inner);
    if (value) add(value < whole_extent(split).expr);
  }
  for (const ir::Expr& condition : conditions_) add(condition);
  return all;
}

void Frame::ignore_partial() {
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

Range Frame::range(NodeIndex node) const {
  if (values_[node]) return {values_[node], constant_extent(1), false};
  const Node& n = stage_->nodes[node];
  const Extent& known = extents_[node];
  // Of a part whose size is not decided yet: all that it may be.
  auto whole = [&]() -> Range {
    if (known.is_known()) return {0, known, false};
    for (const SplitView& split : splits_)
      if (split.inner == node) return {0, constant_extent(split.factor), split.whole != no_node};
    TS_UNREACHABLE("a part without a split");
  };
  if (n.use != Node::Use::split || is_untouched(node)) return whole();
  const Range outer = range(n.first), inner = range(n.second);
  Range result;
  result.base = outer.base * n.factor + inner.base;
  result.extent = span(outer.extent, n.factor, inner.extent);
  result.may_overshoot = outer.may_overshoot || inner.may_overshoot;
  const bool ragged = !known.is_known() || !divides(n.factor, known);
  result.may_overshoot |= ragged && !(outer.extent.is_constant() && outer.extent.max == 1);
  return result;
}

Range Frame::axis_range(std::size_t axis) const {
  Range result = range(static_cast<NodeIndex>(axis));
  result.base = axes_[axis].base + result.base;
  result.may_overshoot |= axes_[axis].may_overshoot || !guarded_.empty() || !conditions_.empty();
  return result;
}

}  // namespace tunesmith::schedules
