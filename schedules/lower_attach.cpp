// Lowering of what stands inside loops: attached stages and the tiles of reductions.
#include <algorithm>

#include "schedules/lowering.h"
#include "schedules/region.h"

namespace tunesmith::schedules {

using ir::Expr;
using ir::Stmt;

namespace {

/// The order of a tile's dimensions: the axis that is vectorised innermost, so that vectors are whole.
ir::Layout vectors_innermost(const TreeStage& s) {
  std::optional<std::int32_t> vector;
  for (const NodeIndex loop : s.order) {
    const LoopId& id = s.nodes[loop].id;
    if (s.nodes[loop].kind == ir::LoopKind::vectorize && !id.fused && id.axis < s.def.spatial.size())
      vector = static_cast<std::int32_t>(id.axis);
  }
  std::vector<std::int32_t> order;
  for (std::size_t a = 0; a < s.def.spatial.size(); ++a)
    if (static_cast<std::int32_t>(a) != vector) order.push_back(static_cast<std::int32_t>(a));
  if (vector) order.push_back(*vector);
  return ir::Layout::permutation(order);
}

}  // namespace

/// Of a tile whose elements threads hold: what is left of each axis in whole blocks of the split that comes next, so that
/// what a mask cuts off at the end of one row is not the beginning of the next one, which another thread holds.
std::vector<Range> Lowering::whole_blocks(StageIndex stage, std::vector<Range> axes) const {
  const TreeStage& s = tree_.stages[stage];
  const bool has_threads = std::ranges::any_of(s.order, [&](NodeIndex loop) { return ir::is_thread(s.nodes[loop].kind); });
  for (std::size_t a = 0; has_threads && a < axes.size(); ++a) {
    auto node = static_cast<NodeIndex>(a);
    while (s.nodes[node].use == Node::Use::split && frames_[stage].has_value(s.nodes[node].first)) node = s.nodes[node].second;
    const Node& split = s.nodes[node];
    if (split.use != Node::Use::split || split.tail != Tail::mask) continue;
    const std::int64_t most = axes[a].extent.max;
    axes[a].extent = constant_extent((most + split.factor - 1) / split.factor * split.factor);
  }
  return axes;
}

ir::BufferId Lowering::region_buffer(ir::BufferId buffer, const std::vector<Range>& axes, ir::Scope scope) {
  ir::Buffer local = tree_.kernel.buffer(buffer);
  local.role = ir::Role::temp;
  local.scope = scope;
  for (std::size_t d = 0; d < local.shape.size(); ++d) local.shape[d] = axes[d].extent.max;
  return nest_.add_buffer(std::move(local));
}

Stmt Lowering::with_producers(StageIndex stage, NodeIndex loop, const Emit& rest) {
  std::vector<StageIndex> producers;
  for (StageIndex other : tree_.sequence) {
    const auto& place = tree_.stages[other].place;
    if (place && !place->after && place->host == stage && place->loop == loop) producers.push_back(other);
  }
  std::function<Stmt(std::size_t)> emit = [&](std::size_t i) {
    return i == producers.size() ? rest() : attached_producer(producers[i], [&] { return emit(i + 1); });
  };
  return emit(0);
}

/// The producer on the region that is read inside, then what reads it.
Stmt Lowering::attached_producer(StageIndex producer, const Emit& rest) {
  const TreeStage& s = tree_.stages[producer];
  const std::vector<Range> axes = RegionFinder(tree_, frames_, ranges_).axes_to_compute(producer);
  // Global memory lives as long as the kernel runs; inside a parallel loop each thread needs its own, and each block of a GPU.
  const bool in_workspace = s.place->scope == ir::Scope::global && concurrent_depth_ == 0;
  const ir::Scope scope =
      s.place->scope == ir::Scope::global && !in_workspace ? ir::Scope::local : s.place->scope;
  std::vector<View> saved;
  std::vector<ir::BufferId> buffers;
  for (ir::BufferId output : s.def.outputs) {
    View next{true, region_buffer(output, axes, scope), {}};
    if (scope == ir::Scope::registers && !s.is_copy)
      nest_.buffers[ir::index_of(next.buffer)].layout = vectors_innermost(s);
    for (std::size_t d = 0; d < s.def.spatial.size(); ++d) next.base.push_back(axes[d].base);
    buffers.push_back(next.buffer);
    if (in_workspace) nest_.workspace.push_back(next.buffer);
    saved.push_back(std::exchange(views_[ir::index_of(output)], std::move(next)));
  }
  const Stmt produce = nest_of(producer, axes);
  Stmt result = ir::block({produce, rest()});
  for (std::size_t c = 0; c < buffers.size(); ++c) {
    views_[ir::index_of(s.def.outputs[c])] = std::move(saved[c]);
    if (!in_workspace) result = ir::allocate(buffers[c], result);
  }
  return result;
}

/// Stages attached after the loop's body; null: none.
Stmt Lowering::consumers(StageIndex stage, std::size_t position) {
  const TreeStage& s = tree_.stages[stage];
  std::vector<Stmt> stmts;
  for (StageIndex other : tree_.sequence) {
    const auto& place = tree_.stages[other].place;
    if (!place || !place->after || place->host != stage || place->loop != s.order[position]) continue;
    std::vector<Range> axes = RegionFinder(tree_, frames_, ranges_).axes_to_compute(other);
    Expr condition;
    for (const Range& axis : axes)
      if (axis.condition) condition = condition ? ir::logical_and(condition, axis.condition) : axis.condition;
    const Stmt nest = nest_of(other, std::move(axes));
    stmts.push_back(condition ? ir::if_then(condition, nest) : nest);
  }
  if (stmts.empty()) return {};
  const Stmt all = ir::block(std::move(stmts));
  const Expr last = outer_iteration(stage, position, true);
  return last ? ir::if_then(last, all) : all;
}

Expr Lowering::outer_iteration(StageIndex stage, std::size_t position, bool last) const {
  const TreeStage& s = tree_.stages[stage];
  const Frame& frame = frames_[stage];
  Expr all;
  for (std::size_t p = 0; p <= position; ++p) {
    const NodeIndex node = s.order[p];
    if (!s.nodes[node].is_reduction) continue;
    const Expr wanted = last ? frame.extent(node).expr - 1 : Expr(0);
    const Expr here = ir::binary(ir::BinaryOp::eq, frame.value(node), wanted);
    all = all ? ir::logical_and(all, here) : here;
  }
  return all;
}

bool Lowering::needed_outside(StageIndex stage, NodeIndex loop) const {
  for (ir::BufferId output : tree_.stages[stage].def.outputs) {
    if (tree_.kernel.buffer(output).role == ir::Role::output) return true;
    for (StageIndex reader : tree_.readers(output))
      if (reader != stage && !tree_.is_inside(reader, stage, loop)) return true;
  }
  return false;
}

/// { T = identity or C; rest of the loops on T; consumers of T; C = T }
Stmt Lowering::with_tile(StageIndex stage, std::size_t position) {
  const TreeStage& s = tree_.stages[stage];
  const std::vector<ir::BufferId>& outputs = s.def.outputs;
  std::vector<Range> axes;
  for (std::size_t a = 0; a < s.def.spatial.size(); ++a) axes.push_back(frames_[stage].axis_range(a));
  const Expr first = outer_iteration(stage, position, false);
  const Expr last = outer_iteration(stage, position, true);
  const bool needed = needed_outside(stage, s.order[position]);
  const std::vector<Range> held = whole_blocks(stage, axes);
  std::vector<View> memory, tiles;
  for (ir::BufferId output : outputs) {
    if (needed || first) view(output);  // makes the memory exist
    View tile{true, region_buffer(output, held, s.tile->scope), {}};
    nest_.buffers[ir::index_of(tile.buffer)].layout = vectors_innermost(s);
    for (const Range& range : axes) tile.base.push_back(range.base);
    memory.push_back(std::exchange(views_[ir::index_of(output)], tile));
    tiles.push_back(std::move(tile));
  }
  const auto outer_memory = std::exchange(memory_views_[stage], memory);
  auto spatial = [&](Phase phase) {
    return with_frame(stage, [&] {
      frames_[stage].leave_reduction();
      return loops(stage, position + 1, phase);
    });
  };
  std::vector<Stmt> stmts;
  const Stmt identity = spatial(Phase::initialise);
  stmts.push_back(first ? ir::if_then(first, identity, spatial(Phase::fetch)) : identity);
  stmts.push_back(loops(stage, position + 1, Phase::update));
  if (const Stmt after = consumers(stage, position)) stmts.push_back(after);
  if (needed) stmts.push_back(spatial(Phase::put));
  if (!needed && last) stmts.push_back(ir::if_then(ir::logical_not(last), spatial(Phase::put)));
  Stmt result = ir::block(std::move(stmts));
  for (std::size_t c = 0; c < outputs.size(); ++c) {
    result = ir::allocate(tiles[c].buffer, result);
    views_[ir::index_of(outputs[c])] = memory[c];
  }
  memory_views_[stage] = outer_memory;
  return result;
}

}  // namespace tunesmith::schedules
