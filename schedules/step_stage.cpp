// stage, streaming and prefetch: copies of what a stage reads, and how it reads and stores.
#include <algorithm>

#include "schedules/steps.h"

namespace tunesmith::schedules {

using Code = ScheduleError::Code;

namespace {

constexpr std::int64_t farthest_ahead = std::int64_t{1} << 32;

/// A stage that copies `buffer` point by point.
ir::Stage copy_stage(ir::Kernel& kernel, ir::BufferId buffer, ir::BufferId copy) {
  const ir::Buffer& source = kernel.buffer(buffer);
  ir::Stage stage;
  stage.name = kernel.buffer(copy).name;
  stage.outputs = {copy};
  std::vector<ir::Expr> point;
  for (std::size_t d = 0; d < source.shape.size(); ++d) {
    const ir::VarId var = kernel.vars.add(stage.name + ".d" + std::to_string(d));
    stage.spatial.push_back({var, source.shape[d]});
    point.push_back(ir::var(var));
  }
  stage.values = {ir::load(buffer, source.dtype, std::move(point))};
  return stage;
}

}  // namespace

/// stage(X, R, x):  for x: R(X)  ->  for x: { T = X on the region that R reads; R(T) }
/// Legal always: a copy is a producer like any other. At root, the copy of a constant is made by `prepare`.
Status take(LoopTree& tree, const StageBuffer& step, std::uint32_t number) {
  if (!tree.find(step.reader)) return refuse(Code::unknown_stage);
  if (ir::index_of(step.buffer) >= tree.kernel.buffers.size() || !tree.reads(step.reader, step.buffer))
    return refuse(Code::unknown_buffer);
  std::optional<NodeIndex> loop;
  if (step.at) {
    loop = tree.find(*step.at);
    if (!loop) return refuse(tree.find(step.at->stage) ? Code::unknown_loop : Code::unknown_stage);
    if (!tree.is_inside(step.reader, step.at->stage, *loop)) return refuse(Code::reader_outside);
    if (tree.runs_in_prepare(step.reader)) return refuse(Code::producer_outside);
  }
  ir::Buffer copy = tree.kernel.buffer(step.buffer);
  copy.layout = step.layout;
  if (ir::layout_problem(copy) || ir::size_problem(copy)) return refuse(Code::bad_layout);
  const bool is_known = copy.role == ir::Role::constant || copy.role == ir::Role::prepared;
  const bool moves_to_prepare = !step.at && is_known;
  copy.name += loop ? ".pack" : moves_to_prepare ? ".prepared" : ".copy";
  copy.role = moves_to_prepare ? ir::Role::prepared : ir::Role::temp;
  copy.scope = step.at ? step.scope : ir::Scope::global;

  // The stage is added first and taken back where its place is not allowed.
  const ir::BufferId id = tree.kernel.add_buffer(std::move(copy));
  const StageIndex stage = tree.add_stage(copy_stage(tree.kernel, step.buffer, id), step.reader, true);
  TreeStage& added = tree.stages[stage];
  added.is_copy = true;
  if (loop) added.place = Place{step.at->stage, *loop, false, step.scope, number, {}};
  redirect_loads(tree.stages[step.reader].def, step.buffer, id);
  if (tree.inputs_finished(stage) && tree.inputs_finished(step.reader)) {
    tree.stages[step.reader].scheduled = true;
    if (step.at) tree.stages[step.at->stage].scheduled = true;
    return {};
  }
  redirect_loads(tree.stages[step.reader].def, id, step.buffer);
  std::erase(tree.sequence, stage);
  tree.stages.pop_back();
  tree.kernel.buffers.pop_back();
  return refuse(Code::producer_outside);
}

/// streaming(S): the stores of S to its outputs bypass the caches. The same values: legal always.
Status take(LoopTree& tree, const Streaming& step, std::uint32_t) {
  TreeStage* stage = tree.find(step.stage);
  if (!stage) return refuse(Code::unknown_stage);
  stage->streaming = true;
  stage->scheduled = true;
  return {};
}

/// prefetch(X, R, n): where R reads X[p], X[p + n] is fetched. A hint, which changes no value: legal always.
Status take(LoopTree& tree, const Prefetch& step, std::uint32_t) {
  TreeStage* stage = tree.find(step.reader);
  if (!stage) return refuse(Code::unknown_stage);
  if (ir::index_of(step.buffer) >= tree.kernel.buffers.size() || !tree.reads(step.reader, step.buffer))
    return refuse(Code::unknown_buffer);
  if (step.ahead < 1 || step.ahead > farthest_ahead) return refuse(Code::bad_distance);
  stage->ahead[step.buffer] = step.ahead;
  stage->scheduled = true;
  return {};
}

}  // namespace tunesmith::schedules
