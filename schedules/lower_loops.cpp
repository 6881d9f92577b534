// Lowering of loops: tails, guards, and the order of what stands in a loop.
#include <algorithm>

#include "ir/support/check.h"
#include "schedules/lower.h"
#include "schedules/lowering.h"

namespace tunesmith::schedules {

using i64 = std::int64_t;
using ir::Expr;
using ir::LoopKind;
using ir::Stmt;

namespace {

constexpr int most_leaves = 1 << 15;  // each is a statement at least: the code would be too large

/// Loops whose iterations run in order in one body: a tail can stand after them.
bool can_peel(LoopKind kind) { return kind == LoopKind::serial || ir::is_expanded(kind); }

/// The sizes of a ragged last tile.
std::vector<i64> rests(const Extent& whole, i64 factor) {
  std::vector<i64> result;
  for (i64 v : whole.values)
    if (v % factor != 0) result.push_back(v % factor);
  std::ranges::sort(result);
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

}  // namespace

std::optional<ir::LoopNest> lower(const LoopTree& tree) { return Lowering(tree).run(); }

Lowering::Lowering(const LoopTree& tree)
    : tree_(tree),
      frames_(tree.stages.size()),
      memory_views_(tree.stages.size()),
      views_(tree.kernel.buffers.size()) {
  nest_.name = tree.kernel.name;
  nest_.vars = tree.kernel.vars;
}

std::optional<ir::LoopNest> Lowering::run() {
  auto add_argument = [&](ir::BufferId id) {
    views_[ir::index_of(id)] = {true, nest_.add_buffer(tree_.kernel.buffer(id)), {}};
    nest_.arguments.push_back(views_[ir::index_of(id)].buffer);
  };
  for (ir::BufferId id : ir::arguments(tree_.kernel)) add_argument(id);
  for (std::uint32_t b = 0; b < tree_.kernel.buffers.size(); ++b)
    if (tree_.kernel.buffers[b].role == ir::Role::prepared && tree_.producer(ir::BufferId{b}))
      add_argument(ir::BufferId{b});
  std::vector<Stmt> prepare, main;
  for (StageIndex stage : tree_.sequence) {
    const TreeStage& s = tree_.stages[stage];
    if (s.place) continue;
    std::vector<Range> axes;
    for (const auto* list : {&s.def.spatial, &s.def.reduce})
      for (const ir::Axis& axis : *list)
        axes.push_back({0, constant_extent(ir::int_value(axis.extent)), {}, false});
    const bool prepared = tree_.kernel.buffer(s.def.outputs[0]).role == ir::Role::prepared;
    (prepared ? prepare : main).push_back(nest_of(stage, std::move(axes)));
  }
  if (leaves_ > most_leaves) return std::nullopt;
  if (!prepare.empty()) nest_.prepare = ir::block(std::move(prepare));
  nest_.body = ir::block(std::move(main));
  return std::move(nest_);
}

Stmt Lowering::nest_of(StageIndex stage, std::vector<Range> axes) {
  frames_[stage] = Frame(tree_.stages[stage], std::move(axes));
  const Stmt result = for_each_size(stage, 0);
  frames_[stage] = Frame();
  return result;
}

/// An axis whose loops need a constant extent is emitted for each of its sizes.
Stmt Lowering::for_each_size(StageIndex stage, std::size_t axis) {
  const ir::Stage& def = tree_.stages[stage].def;
  if (axis == def.spatial.size()) return loops(stage, 0, Phase::whole);
  const auto node = static_cast<NodeIndex>(axis);
  const Extent extent = frames_[stage].extent(node);
  if (!extent.is_known() || extent.is_constant() || extent.is_open() || !needs_constant(stage, node))
    return for_each_size(stage, axis + 1);
  Stmt result;
  for (i64 value : extent.values) {
    const Stmt one = with_frame(stage, [&] {
      std::vector<Range> axes;
      for (std::size_t a = 0; a < def.spatial.size() + def.reduce.size(); ++a)
        axes.push_back(frames_[stage].axis_range(a));
      axes[axis].extent = constant_extent(value);
      frames_[stage] = Frame(tree_.stages[stage], std::move(axes));
      return for_each_size(stage, axis + 1);
    });
    result = result ? ir::if_then(ir::binary(ir::BinaryOp::eq, extent.expr, value), one, result) : one;
  }
  return result;
}

Stmt Lowering::with_frame(StageIndex stage, const Emit& emit) {
  const Frame saved = frames_[stage];
  Stmt result = emit();
  frames_[stage] = saved;
  return result;
}

Stmt Lowering::loops(StageIndex stage, std::size_t position, Phase phase) {
  const TreeStage& s = tree_.stages[stage];
  if (phase == Phase::whole && s.def.is_reduction() && !s.tile) {
    const bool at_end = position == s.order.size();
    if (at_end || s.nodes[s.order[position]].is_reduction) {
      Stmt init = with_frame(stage, [&] {
        frames_[stage].leave_reduction();
        return loops(stage, position, Phase::initialise);
      });
      return ir::block({init, loops(stage, position, Phase::update)});
    }
  }
  if (leaves_ > most_leaves) return ir::block({});
  if (position == s.order.size()) {
    ++leaves_;
    return leaf(stage, phase);
  }
  if (is_spatial_only(phase) && s.nodes[s.order[position]].is_reduction)
    return loops(stage, position + 1, phase);
  return with_frame(stage, [&] { return loop(stage, position, phase); });
}

bool Lowering::needs_constant(StageIndex stage, NodeIndex node) const {
  const Node& n = tree_.stages[stage].nodes[node];
  if (n.use == Node::Use::loop) return ir::is_expanded(n.kind);
  return needs_constant(stage, n.first);
}

Stmt Lowering::counted(ir::VarId var, const Extent& extent, LoopKind kind, const Emit& emit) {
  ranges_[var] = {0, std::max<i64>(extent.max - 1, 0)};
  concurrent_depth_ += ir::is_concurrent(kind);
  Stmt inside = emit();
  concurrent_depth_ -= ir::is_concurrent(kind);
  return ir::for_loop(var, extent.expr, kind, std::move(inside));
}

Stmt Lowering::loop(StageIndex stage, std::size_t position, Phase phase) {
  const TreeStage& s = tree_.stages[stage];
  const NodeIndex node = s.order[position];
  const Node& n = s.nodes[node];
  Frame& frame = frames_[stage];
  // An inner part outside of its outer part: its size changes under its feet, so it is guarded.
  while (!frame.extent(node).is_known()) frame.guard(frame.unknown_part(node));

  for (const SplitView& split : frame.splits())
    if (split.outer == node && !frame.extent(split.inner).is_known() && split.tail == Tail::peel &&
        !frame.whole_extent(split).is_open() && can_peel(n.kind) && needs_constant(stage, split.inner))
      return peeled(stage, position, phase, split);

  Extent extent = frame.extent(node);
  const Expr var = ir::var(n.var);
  if (ir::is_expanded(n.kind) && !extent.is_constant()) {
    frame.guard_loop(node);
    extent = constant_extent(extent.max);
  }
  return counted(n.var, extent, n.kind, [&] { return bound(stage, position, phase, var); });
}

/// The whole tiles in a loop, then the ragged one by itself.
Stmt Lowering::peeled(StageIndex stage, std::size_t position, Phase phase, const SplitView& split) {
  const Node& n = tree_.stages[stage].nodes[split.outer];
  const Extent whole = frames_[stage].whole_extent(split);
  std::vector<i64> counts;
  for (i64 v : whole.values) counts.push_back(v / split.factor);
  const Extent full = extent_of(ir::floor_div(whole.expr, split.factor), std::move(counts));
  std::vector<Stmt> parts;
  if (full.max > 0)
    parts.push_back(with_frame(stage, [&] {
      frames_[stage].set_extent(split.inner, constant_extent(split.factor));
      return counted(n.var, full, n.kind, [&] { return bound(stage, position, phase, ir::var(n.var)); });
    }));
  parts.push_back(sizes_of_tail(stage, split, [&] {
    const Expr last = ir::floor_div(frames_[stage].whole_extent(split).expr, split.factor);
    return bound(stage, position, phase, last);
  }));
  return ir::block(std::move(parts));
}

/// The ragged tile for each size that it may have. Where the size tells the extent of the whole, what
/// follows from that is constant.
Stmt Lowering::sizes_of_tail(StageIndex stage, const SplitView& split, const Emit& emit) {
  const Extent whole = frames_[stage].whole_extent(split);
  const std::vector<i64> sizes = rests(whole, split.factor);
  std::vector<Stmt> parts;
  for (i64 size : sizes) {
    std::vector<i64> wholes;
    for (i64 v : whole.values)
      if (v % split.factor == size) wholes.push_back(v);
    const Stmt one = with_frame(stage, [&] {
      if (wholes.size() == 1 && split.whole != no_node)
        frames_[stage].set_extent(split.whole, constant_extent(wholes[0]));
      frames_[stage].set_extent(split.inner, constant_extent(size));
      return emit();
    });
    const bool always = wholes.size() == whole.values.size();
    const Expr fits = wholes.size() == 1
                          ? ir::binary(ir::BinaryOp::eq, whole.expr, wholes[0])
                          : ir::binary(ir::BinaryOp::eq, ir::floor_mod(whole.expr, split.factor), size);
    parts.push_back(always ? one : ir::if_then(fits, one));
  }
  return ir::block(std::move(parts));
}

/// Inside a loop with the given value: names the parts of fused loops, then goes on.
Stmt Lowering::bound(StageIndex stage, std::size_t position, Phase phase, Expr value) {
  const TreeStage& s = tree_.stages[stage];
  Frame& frame = frames_[stage];
  const NodeIndex loop = s.order[position];
  std::vector<bool> known;
  for (NodeIndex n = 0; n < s.nodes.size(); ++n) known.push_back(frame.has_value(n));
  frame.bind(loop, std::move(value));
  std::vector<std::pair<ir::VarId, Expr>> names;
  if (!ir::is_expanded(s.nodes[loop].kind))
    for (NodeIndex n = static_cast<NodeIndex>(s.nodes.size()); n-- > 0;) {
      if (known[n] || !frame.has_value(n) || s.nodes[n].use != Node::Use::fused) continue;
      const Expr part = frame.value(n);
      if (part.as<ir::Var>() || ir::as_int(part)) continue;
      names.emplace_back(s.nodes[n].var, part);
      // Guarded loops may run past the end of the part: only what the expression says is certain.
      const auto range = ir::bounds(part, ranges_);
      ranges_.erase(s.nodes[n].var);
      if (range) ranges_[s.nodes[n].var] = *range;
      frame.rename(n, ir::var(s.nodes[n].var));
    }
  Stmt result = resolved(stage, position, phase);
  for (std::size_t i = names.size(); i-- > 0;) result = ir::let(names[i].first, names[i].second, result);
  return result;
}

/// Decides the sizes of the tiles whose number is known now.
Stmt Lowering::resolved(StageIndex stage, std::size_t position, Phase phase) {
  const TreeStage& s = tree_.stages[stage];
  Frame& frame = frames_[stage];
  if (const Expr condition = frame.take_decided())
    return ir::if_then(condition, resolved(stage, position, phase));
  const SplitView* next = frame.pending();
  if (!next) return body(stage, position, phase);
  const SplitView split = *next;
  const Extent whole = frame.whole_extent(split);
  const Expr number = frame.value(split.outer);
  const bool constant = needs_constant(stage, split.inner);
  if (split.tail != Tail::peel || (whole.is_open() && constant)) {
    frame.guard(split);
    return resolved(stage, position, phase);
  }
  if (!constant) {
    const Expr size = ir::min(whole.expr - number * split.factor, split.factor);
    std::vector<i64> sizes = rests(whole, split.factor);
    if (whole.max >= split.factor) sizes.push_back(split.factor);
    Extent extent = whole.is_open() ? open_extent(size, std::min(whole.max, split.factor))
                                    : extent_of(size, std::move(sizes));
    if (extent.is_constant()) {
      frame.set_extent(split.inner, std::move(extent));
      return resolved(stage, position, phase);
    }
    const ir::VarId name = nest_.vars.add(nest_.vars.name(s.nodes[split.inner].var) + ".size");
    extent.expr = ir::var(name);
    ranges_[name] = {1, extent.max};
    frame.set_extent(split.inner, std::move(extent));
    return ir::let(name, size, resolved(stage, position, phase));
  }
  const Expr is_full = number < ir::floor_div(whole.expr, split.factor);
  const Stmt tail = sizes_of_tail(stage, split, [&] { return resolved(stage, position, phase); });
  if (whole.max < split.factor) return tail;
  const Stmt full = with_frame(stage, [&] {
    frames_[stage].set_extent(split.inner, constant_extent(split.factor));
    return resolved(stage, position, phase);
  });
  return ir::if_then(is_full, full, tail);
}

Stmt Lowering::body(StageIndex stage, std::size_t position, Phase phase) {
  const TreeStage& s = tree_.stages[stage];
  if (is_spatial_only(phase)) return loops(stage, position + 1, phase);
  const NodeIndex node = s.order[position];
  return with_producers(stage, node, [&] {
    if (s.tile && s.tile->at == node) return with_tile(stage, position);
    Stmt inside = loops(stage, position + 1, phase);
    const Stmt after = consumers(stage, position);
    return after ? ir::block({inside, after}) : inside;
  });
}

}  // namespace tunesmith::schedules
