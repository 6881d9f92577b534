// Rule: stages that share rows (softmax, layer normalisation, a reduction with what reads it).
//
// Before: stage after stage, each over all rows. After: one parallel loop over the rows of the last stage,
// the others computed inside it, one row at a time, so that the row stays in the nearest cache. Reductions
// are vectorised along themselves (sketch_dot.h), maps along their unit axis; maps are kept for the row or
// recomputed by each reader. Thread safety: pure functions.
#pragma once

#include "schedules/sketch_rule.h"

namespace tunesmith::schedules {

GroupSketches rows_rule(const RuleContext& context, const StageGroup& group);

}  // namespace tunesmith::schedules
