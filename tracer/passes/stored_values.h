// Decides which values inside a fused kernel get a stage of their own.
#pragma once

#include <set>

#include "tracer/passes/fuse_rules.h"

namespace tunesmith::tracer {

struct StoredValues {
  /// Read by another step, or an output of the graph.
  std::set<ValueId> outputs;
  /// Read inside the kernel only, but cheaper to keep than to compute again.
  std::set<ValueId> stages;
};

StoredValues find_stored_values(const FusionContext& context, const Group& group);

}  // namespace tunesmith::tracer
