// Rule: maps (no reduction), transposing ones included.
//
// The axis of unit stride in the output is vectorised, the others are rows. Where an operand is contiguous
// along another axis, both are tiled, so that every cache line that is read is used while it is near. Maps
// that only this one reads are recomputed inside it. Thread safety: pure functions.
#pragma once

#include "schedules/sketch_rule.h"

namespace tunesmith::schedules {

GroupSketches map_rule(const RuleContext& context, const StageGroup& group);

}  // namespace tunesmith::schedules
