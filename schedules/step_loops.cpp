// split, fuse, reorder and annotations: what changes the loops of one stage.
#include <algorithm>

#include "schedules/steps.h"

namespace tunesmith::schedules {

using Code = ScheduleError::Code;

namespace {

constexpr std::int64_t largest_factor = std::int64_t{1} << 40;  // blocks times their number stay in 64 bits

/// Why there is no such loop.
Code missing(LoopTree& tree, const LoopId& loop) {
  return tree.find(loop.stage) ? Code::unknown_loop : Code::unknown_stage;
}

std::vector<NodeIndex> reductions(const LoopTree& tree, StageIndex stage, std::vector<NodeIndex> loops) {
  std::erase_if(loops, [&](NodeIndex n) { return !tree.stages[stage].nodes[n].is_reduction; });
  return loops;
}

std::string part_name(const LoopTree& tree, const Node& node, const char* suffix) {
  return tree.kernel.vars.name(node.var) + suffix;
}

}  // namespace

/// split(x, f):  for x in n: S  ->  for x.0 in ceil(n / f): for x.1 in f: S   with x = x.0 * f + x.1
/// Legal always: the same iterations in the same order. What is attached inside x is attached inside x.1.
/// With overlap x = min(x.0 * f, n - f) + x.1: legal where computing a point again gives the same, so not for a reduction
/// loop; what the order of loops must be is checked in the finished tree.
/// A parallel x leaves x.0 parallel; a vectorized or unrolled one leaves x.1 so.
Status take(LoopTree& tree, const Split& step, std::uint32_t number) {
  const auto loop = tree.find(step.loop);
  if (!loop) return refuse(missing(tree, step.loop));
  if (step.factor < 1 || step.factor > largest_factor || step.loop.path >> 31) return refuse(Code::bad_factor);
  const StageIndex stage = step.loop.stage;
  const Node whole = tree.stages[stage].nodes[*loop];
  if (step.tail == Tail::overlap && whole.is_reduction) return refuse(Code::overlap_reduction);
  const NodeIndex outer =
      tree.add_node(stage, step.loop.outer(), whole.is_reduction, part_name(tree, whole, ".0"));
  const NodeIndex inner =
      tree.add_node(stage, step.loop.inner(), whole.is_reduction, part_name(tree, whole, ".1"));
  TreeStage& s = tree.stages[stage];
  Node& split = s.nodes[*loop];
  split.use = Node::Use::split;
  split.first = outer;
  split.second = inner;
  split.factor = step.factor;
  split.tail = step.tail;
  split.kind_step = number;
  const bool outside = whole.kind != ir::LoopKind::vectorize && whole.kind != ir::LoopKind::unroll;
  Node& keeper = s.nodes[outside ? outer : inner];
  keeper.kind = whole.kind;
  keeper.kind_step = whole.kind_step;
  const std::size_t at = tree.position(stage, *loop);
  s.order[at] = outer;
  s.order.insert(s.order.begin() + static_cast<std::ptrdiff_t>(at) + 1, inner);
  s.scheduled = true;
  tree.move_attached(stage, *loop, inner);
  return {};
}

/// fuse(x, y):  for x in n: for y in m: S  ->  for f in n * m: S   with x = f // m, y = f % m
/// Legal for loops that stand directly inside each other: the same iterations in the same order.
Status take(LoopTree& tree, const Fuse& step, std::uint32_t) {
  const auto outer = tree.find(step.outer);
  if (!outer) return refuse(missing(tree, step.outer));
  const auto inner = tree.find(step.inner);
  if (!inner) return refuse(missing(tree, step.inner));
  if (step.outer.stage != step.inner.stage) return refuse(Code::mixed_fuse);
  const StageIndex stage = step.outer.stage;
  const Node x = tree.stages[stage].nodes[*outer], y = tree.stages[stage].nodes[*inner];
  if (x.is_reduction != y.is_reduction) return refuse(Code::mixed_fuse);
  const std::size_t at = tree.position(stage, *outer);
  if (tree.position(stage, *inner) != at + 1 || tree.is_attach_point(stage, *outer))
    return refuse(Code::not_nested);
  const LoopId id = fused_loop(stage, tree.stages[stage].fuse_count++);
  const NodeIndex fused = tree.add_node(stage, id, x.is_reduction,
                                        tree.kernel.vars.name(x.var) + "_" + tree.kernel.vars.name(y.var));
  TreeStage& s = tree.stages[stage];
  for (const bool is_outer : {true, false}) {
    Node& part = s.nodes[is_outer ? *outer : *inner];
    part.use = Node::Use::fused;
    part.first = fused;
    part.second = is_outer ? *inner : *outer;
    part.is_outer = is_outer;
  }
  s.nodes[fused].kind = x.kind;
  s.nodes[fused].kind_step = x.kind_step;
  s.order[at] = fused;
  s.order.erase(s.order.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  s.scheduled = true;
  tree.move_attached(stage, *inner, fused);
  return {};
}

/// reorder(x, y, …): the loops take the places that they have together, in the given order.
/// Legal: points of spatial axes are independent, and states that merge may take values in any order; the
/// reduction loops of other combiners keep theirs. A stage attached inside must keep the loops around it.
Status take(LoopTree& tree, const Reorder& step, std::uint32_t) {
  std::vector<NodeIndex> loops;
  std::vector<std::size_t> places;
  for (const LoopId& id : step.loops) {
    const auto loop = tree.find(id);
    if (!loop) return refuse(missing(tree, id));
    if (id.stage != step.loops[0].stage) return refuse(Code::other_stage);
    if (std::ranges::find(loops, *loop) != loops.end()) return refuse(Code::unknown_loop);
    loops.push_back(*loop);
    places.push_back(tree.position(id.stage, *loop));
  }
  if (loops.empty()) return {};
  const StageIndex stage = step.loops[0].stage;
  const std::vector<NodeIndex>& before = tree.stages[stage].order;
  std::vector<NodeIndex> after = before;
  std::ranges::sort(places);
  for (std::size_t i = 0; i < loops.size(); ++i) after[places[i]] = loops[i];
  const auto& combiner = tree.stages[stage].def.combiner;
  if (combiner && !combiner->associative && reductions(tree, stage, before) != reductions(tree, stage, after))
    return refuse(Code::not_associative);
  for (std::size_t p = 0; p < before.size(); ++p) {
    if (!tree.is_attach_point(stage, before[p])) continue;
    const auto end = static_cast<std::ptrdiff_t>(p);
    if (before[p] != after[p] ||
        !std::is_permutation(before.begin(), before.begin() + end, after.begin(), after.begin() + end))
      return refuse(Code::crosses_attached);
  }
  tree.stages[stage].order = std::move(after);
  tree.stages[stage].scheduled = true;
  return {};
}

/// parallel(x):   for x in n: S  ->  parallel x in n: S
/// Legal for spatial loops: iterations write different elements. Iterations of a reduction loop update the
/// same ones; rfactor gives them states of their own. vectorize and unroll keep the order of iterations.
Status take(LoopTree& tree, const Annotate& step, std::uint32_t number) {
  const auto loop = tree.find(step.loop);
  if (!loop) return refuse(missing(tree, step.loop));
  TreeStage& s = tree.stages[step.loop.stage];
  Node& node = s.nodes[*loop];
  if (ir::is_concurrent(step.kind) && node.is_reduction) return refuse(Code::parallel_reduction);
  const ir::LoopKind before = node.kind;
  node.kind = step.kind;
  if (step.kind == ir::LoopKind::parallel && tree.has_nested_parallel(step.loop.stage)) {
    node.kind = before;
    return refuse(Code::nested_parallel);
  }
  node.kind_step = number;
  s.scheduled = true;
  return {};
}

}  // namespace tunesmith::schedules
