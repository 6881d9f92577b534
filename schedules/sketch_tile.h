// Rule: the register tile of a reduction.
//
// Fits every one-component reduction whose output has an axis of unit stride: products of matrices, batched
// or not, convolutions in any layout, depthwise convolutions, pooling, reductions over outer axes. The axis
// of unit stride is vectorised; axes along which neighbouring points read common elements are tiled with it,
// the reduction runs inside the tile, whose accumulators are registers. Around it: blocks for the caches,
// packs of the operands, one parallel loop over the outer blocks, pointwise consumers on the finished tile.
// Thread safety: pure functions.
#pragma once

#include "schedules/sketch_rule.h"

namespace tunesmith::schedules {

GroupSketches tile_rule(const RuleContext& context, const StageGroup& group);

}  // namespace tunesmith::schedules
