// Rules for GPUs. A block's threads do one thing after another: copies to shared memory, sums, epilogues, each in a loop over
// the threads of its own.
//
// `tile`: contractions; a block makes a tile of the result, a thread a part of it in registers, operands go through shared
// memory (V. Volkov, J. Demmel: Benchmarking GPUs to tune dense linear algebra, SC 2008). `rows`: a block works on one row,
// what its stages leave stays in shared memory, reductions end in a tree over the threads (M. Harris: Optimizing parallel
// reduction in CUDA, 2007). `map`: a thread makes a few elements side by side. `plain`: a thread makes an element, whatever
// the stage; fits everything. Thread safety: pure functions.
#pragma once

#include "schedules/sketch_rule.h"

namespace tunesmith::schedules {

/// REQUIRES of all: context.gpu.
GroupSketches gpu_tile_rule(const RuleContext& context, const StageGroup& group);
GroupSketches gpu_rows_rule(const RuleContext& context, const StageGroup& group);
GroupSketches gpu_map_rule(const RuleContext& context, const StageGroup& group);
GroupSketches gpu_plain_rule(const RuleContext& context, const StageGroup& group);

}  // namespace tunesmith::schedules
