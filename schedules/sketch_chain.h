// Rule: chains of maps of which one reads several places of another (transforms of tiles).
//
// The maps before the last are computed inside its loops, tile by tile: a tile is what one point of the axes
// that all of them share needs. Axes that pick the side of a select are unrolled innermost, so that one side
// is left. Thread safety: pure functions.
#pragma once

#include "schedules/sketch_rule.h"

namespace tunesmith::schedules {

GroupSketches chain_rule(const RuleContext& context, const StageGroup& group);

}  // namespace tunesmith::schedules
