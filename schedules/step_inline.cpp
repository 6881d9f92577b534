// compute_inline: a map stage becomes part of the expressions of its readers.
#include <algorithm>

#include "ir/support/check.h"
#include "ir/traverse.h"
#include "schedules/steps.h"

namespace tunesmith::schedules {

using Code = ScheduleError::Code;

namespace {

/// The value of output `component` of a stage at the given point.
ir::Expr value_at(const ir::Stage& stage, std::size_t component, const std::vector<ir::Expr>& point) {
  ir::Bindings bindings;
  for (std::size_t d = 0; d < point.size(); ++d) bindings[stage.spatial[d].var] = point[d];
  return ir::substitute(stage.values[component], bindings);
}

}  // namespace

/// compute_inline(P):  P[i] = f(i); R[j] = g(P[h(j)])  ->  R[j] = g(f(h(j)))
/// Legal for stages without reduction that write no argument: their values are pure expressions.
Status take(LoopTree& tree, const ComputeInline& step, std::uint32_t) {
  TreeStage* stage = tree.find(step.stage);
  if (!stage) return refuse(Code::unknown_stage);
  const ir::Stage def = stage->def;
  if (def.is_reduction()) return refuse(Code::stage_is_reduction);
  for (ir::BufferId output : def.outputs)
    if (tree.kernel.buffer(output).role == ir::Role::output) return refuse(Code::stage_is_output);
  if (stage->scheduled) return refuse(Code::stage_was_scheduled);
  for (StageIndex reader : tree.sequence) {
    if (reader == step.stage) continue;
    for (ir::Expr& value : tree.stages[reader].def.values)
      value = ir::rewrite(value, [&](const ir::Expr& e) -> std::optional<ir::Expr> {
        const auto* l = e.as<ir::Load>();
        if (!l) return std::nullopt;
        const auto found = std::ranges::find(def.outputs, l->buffer);
        if (found == def.outputs.end()) return std::nullopt;
        return value_at(def, static_cast<std::size_t>(found - def.outputs.begin()), l->indices);
      });
  }
  stage->live = false;
  std::erase(tree.sequence, step.stage);
  return {};
}

}  // namespace tunesmith::schedules
