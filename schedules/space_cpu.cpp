// make_cpu_space: which rules are asked for which group, in which order.

#include <algorithm>

#include "schedules/sketch_chain.h"
#include "schedules/sketch_dot.h"
#include "schedules/sketch_map.h"
#include "schedules/sketch_plain.h"
#include "schedules/sketch_rows.h"
#include "schedules/sketch_tile.h"
#include "schedules/space.h"
#include "schedules/space_build.h"

namespace tunesmith::schedules {

namespace {

/// The rules that fit a group, best first by experience; the order decides nothing but ties.
GroupSketches alternatives(const RuleContext& context, const StageGroup& group) {
  if (group.row_axes > 0) return ask({rows_rule}, context, group);
  if (context.info.stages[group.anchor].kind == StageKind::map) return ask({chain_rule, map_rule}, context, group);
  return ask({tile_rule, dot_rule}, context, group);
}

}  // namespace

Space make_cpu_space(const ir::Kernel& kernel, const Machine& machine, int threads) {
  auto parts = std::make_unique<SpaceParts>();
  parts->kernel = kernel;
  parts->machine = machine;
  parts->threads = std::max(1, threads);
  return build_space(std::move(parts), alternatives, plain_rule);
}

}  // namespace tunesmith::schedules
