// accumulate and rfactor: where the state of a reduction lives.
#include <algorithm>

#include "ir/traverse.h"
#include "schedules/steps.h"

namespace tunesmith::schedules {

using Code = ScheduleError::Code;

namespace {

/// A stage with its own variables for all axes and `values` in terms of them.
ir::Stage with_fresh_axes(ir::Kernel& kernel, const ir::Stage& stage) {
  ir::Stage fresh = stage;
  ir::Bindings bindings;
  for (auto* axes : {&fresh.spatial, &fresh.reduce})
    for (ir::Axis& axis : *axes) {
      const ir::VarId var = kernel.vars.add(kernel.vars.name(axis.var));
      bindings[axis.var] = ir::var(var);
      axis.var = var;
    }
  for (ir::Expr& value : fresh.values) value = ir::substitute(value, bindings);
  return fresh;
}

/// Says in the values what the partial tail says to lowering: past the end they are the identity.
void guard_values(ir::Stage& stage, const PartialTail& tail) {
  const ir::Expr outer = ir::var(stage.reduce[tail.outer - stage.spatial.size()].var);
  const ir::Expr inside = outer * tail.factor + ir::var(stage.spatial[tail.inner].var) < tail.extent;
  for (std::size_t c = 0; c < stage.values.size(); ++c)
    stage.values[c] = ir::select(inside, stage.values[c], stage.combiner->identity[c]);
}

}  // namespace

/// accumulate(C, x):  for x: for r: C[i] += f  ->  for x: { T = 0 or C; for r: T[i] += f; C = T }
/// Legal always: T holds the elements of C that the iteration updates. It starts from C in all but the first
/// iteration of the reduction loops around x. What is attached inside x reads T.
Status take(LoopTree& tree, const Accumulate& step, std::uint32_t number) {
  TreeStage* stage = tree.find(step.stage);
  if (!stage) return refuse(Code::unknown_stage);
  if (!stage->def.is_reduction()) return refuse(Code::not_reduction);
  const auto loop = tree.find(step.at);
  if (!loop || step.at.stage != step.stage) return refuse(Code::unknown_loop);
  if (stage->tile) return refuse(Code::already_accumulated);
  const std::size_t at = tree.position(step.stage, *loop);
  bool inside = false;
  for (std::size_t p = at + 1; p < stage->order.size(); ++p)
    inside |= stage->nodes[stage->order[p]].is_reduction;
  if (!inside) return refuse(Code::no_reduction_inside);
  stage->tile = Tile{*loop, step.scope, number};
  stage->scheduled = true;
  return {};
}

/// rfactor(C, k, f):  for k: C[i] += g(k)
///   ->  for k1 in f: for k0: P[i, k1] += g(k0 * f + k1);  for k1 in f: C[i] += P[i, k1]
/// Legal for combiners that merge partial states: it reassociates the reduction.
Status take(LoopTree& tree, const Rfactor& step, std::uint32_t) {
  TreeStage* stage = tree.find(step.stage);
  if (!stage) return refuse(Code::unknown_stage);
  if (!stage->def.is_reduction()) return refuse(Code::not_reduction);
  ir::Stage def = stage->def;
  const std::size_t spatial_count = def.spatial.size();
  if (step.axis < spatial_count || step.axis >= spatial_count + def.reduce.size())
    return refuse(Code::not_reduction_axis);
  if (!def.combiner->associative) return refuse(Code::not_associative);
  if (step.factor < 1) return refuse(Code::bad_factor);
  if (stage->scheduled) return refuse(Code::stage_was_scheduled);

  if (stage->partial) guard_values(def, *stage->partial);
  stage->partial.reset();
  ir::Kernel& kernel = tree.kernel;
  ir::Stage partial = with_fresh_axes(kernel, def);
  const std::size_t axis = step.axis - spatial_count;
  const ir::Axis whole = partial.reduce[axis];
  const std::int64_t extent = ir::int_value(whole.extent);
  const std::int64_t factor = std::min(step.factor, extent);
  const std::string name = kernel.vars.name(whole.var);
  const ir::Axis outer{kernel.vars.add(name + ".0"), (extent + factor - 1) / factor};
  const ir::Axis inner{kernel.vars.add(name + ".1"), factor};
  partial.name += ".rf";
  partial.spatial.push_back(inner);
  partial.reduce.erase(partial.reduce.begin() + static_cast<std::ptrdiff_t>(axis));
  partial.reduce.push_back(outer);
  const ir::Bindings joined{{whole.var, ir::var(outer.var) * factor + ir::var(inner.var)}};
  for (ir::Expr& value : partial.values) value = ir::substitute(value, joined);

  ir::Stage final_stage = def;
  final_stage.reduce = {{kernel.vars.add(name + ".1"), factor}};
  std::vector<ir::Expr> point;
  for (const ir::Axis& a : def.spatial) point.push_back(ir::var(a.var));
  point.push_back(ir::var(final_stage.reduce[0].var));
  for (std::size_t c = 0; c < def.outputs.size(); ++c) {
    ir::Buffer state = kernel.buffer(def.outputs[c]);
    state.name += ".rf";
    state.shape.emplace_back(factor);
    state.role = ir::Role::temp;
    state.layout = {};
    partial.outputs[c] = kernel.add_buffer(std::move(state));
    final_stage.values[c] = ir::load(partial.outputs[c], kernel.buffer(partial.outputs[c]).dtype, point);
  }

  const NodeIndex first = static_cast<NodeIndex>(partial.spatial.size());
  const PartialTail tail{first + static_cast<NodeIndex>(partial.reduce.size()) - 1, first - 1, factor,
                         extent};
  const StageIndex added = tree.add_stage(std::move(partial), step.stage, true);
  if (extent % factor != 0) tree.stages[added].partial = tail;

  TreeStage& old = tree.stages[step.stage];
  old.nodes.resize(spatial_count);
  Node node;
  node.id = axis_loop(step.stage, static_cast<std::uint32_t>(spatial_count));
  node.var = final_stage.reduce[0].var;
  node.is_reduction = true;
  old.nodes.push_back(node);
  old.order.clear();
  for (NodeIndex n = 0; n < old.nodes.size(); ++n) old.order.push_back(n);
  old.def = std::move(final_stage);
  return {};
}

}  // namespace tunesmith::schedules
