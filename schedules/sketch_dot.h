// Rule: a reduction vectorised along itself.
//
// Fits reductions whose operands are contiguous along a reduction axis: row sums and maxima, products with a
// transposed operand, matrix-vector products. The reduction axis is split into vector lanes of partial
// results (rfactor) that live in registers; a few rows may share the loads of a common operand. Thread
// safety: pure functions.
#pragma once

#include "schedules/sketch_emit.h"
#include "schedules/sketch_rule.h"

namespace tunesmith::schedules {

GroupSketches dot_rule(const RuleContext& context, const StageGroup& group);

/// The axis that this rule vectorises: the longest reduction axis along which every load that walks it is
/// contiguous.
std::optional<std::size_t> dot_axis(const StageInfo& stage);

/// Numbers of partial results that suit an axis, ascending: whole vectors, or the axis where it is shorter.
std::vector<std::int64_t> partial_widths(std::int64_t extent, std::int64_t lanes);

/// Stages that a vectorised reduction is split into. `partial` gathers `width` partial results, `lanes`
/// (where it exists) joins them to one vector, the stage itself joins the lanes of that vector.
struct PartialStages {
  StageIndex partial = 0;
  std::optional<StageIndex> lanes;
  std::int64_t width = 1;
};
/// REQUIRES: no step on the stage so far.
PartialStages emit_partials(Emitter& emitter, const StageInfo& stage, std::size_t axis, std::int64_t width,
                            std::int64_t lanes);
/// Orders and annotates the loops of the partial stages, once they are placed. `rows`: spatial axes of the
/// stage that are to be unrolled (tiles).
void emit_partial_loops(Emitter& emitter, const StageInfo& stage, std::size_t axis,
                        const PartialStages& partials, std::span<const std::size_t> rows);

}  // namespace tunesmith::schedules
