// make_cuda_space: which rules are asked for which group, in which order.
#include "schedules/gpu_machine.h"
#include "schedules/sketch_gpu.h"
#include "schedules/space.h"
#include "schedules/space_build.h"

namespace tunesmith::schedules {
namespace {

GroupSketches alternatives(const RuleContext& context, const StageGroup& group) {
  if (group.row_axes > 0) return ask({gpu_rows_rule}, context, group);
  if (context.info.stages[group.anchor].kind == StageKind::map) return ask({gpu_map_rule}, context, group);
  const bool is_alone = group.prologue.empty() && group.epilogue.empty();
  return is_alone ? ask({gpu_tile_rule, gpu_plain_rule}, context, group) : ask({gpu_tile_rule}, context, group);
}

}  // namespace

Space make_cuda_space(const ir::Kernel& kernel, const GpuMachine& machine) {
  auto parts = std::make_unique<SpaceParts>();
  parts->kernel = kernel;
  parts->gpu = std::make_unique<const GpuMachine>(machine);
  return build_space(std::move(parts), alternatives, gpu_plain_rule);
}

}  // namespace tunesmith::schedules
