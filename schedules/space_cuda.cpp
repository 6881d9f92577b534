// make_cuda_space: which rules are asked for which group, in which order.
#include "schedules/gpu_machine.h"
#include "schedules/sketch_gpu.h"
#include "schedules/space.h"
#include "schedules/space_build.h"

namespace tunesmith::schedules {
namespace {

GroupSketches alternatives(const RuleContext& context, const StageGroup& group) {
  GroupSketches all;
  auto ask = [&](auto rule) {
    for (auto& sketch : rule(context, group)) all.push_back(std::move(sketch));
  };
  if (group.row_axes > 0) {
    ask(gpu_rows_rule);
  } else if (context.info.stages[group.anchor].kind == StageKind::map) {
    ask(gpu_map_rule);
  } else {
    ask(gpu_tile_rule);
    if (group.prologue.empty() && group.epilogue.empty()) ask(gpu_plain_rule);
  }
  return all;
}

}  // namespace

Space make_cuda_space(const ir::Kernel& kernel, const GpuMachine& machine) {
  auto parts = std::make_unique<SpaceParts>();
  parts->kernel = kernel;
  parts->gpu = std::make_unique<const GpuMachine>(machine);
  return build_space(std::move(parts), alternatives, gpu_plain_rule);
}

}  // namespace tunesmith::schedules
