// The steps on the loop tree: one overload a step type. Internal to the room.
//
// Each checks that its step is legal and rewrites the tree; where it refuses, the tree is unchanged. `number`
// is the place of the step in the schedule. Not synchronised.
#pragma once

#include "schedules/tree.h"

namespace tunesmith::schedules {

// step_loops.cpp
Status take(LoopTree& tree, const Split& step, std::uint32_t number);
Status take(LoopTree& tree, const Fuse& step, std::uint32_t number);
Status take(LoopTree& tree, const Reorder& step, std::uint32_t number);
Status take(LoopTree& tree, const Annotate& step, std::uint32_t number);
// step_attach.cpp
Status take(LoopTree& tree, const ComputeAt& step, std::uint32_t number);
Status take(LoopTree& tree, const ReverseComputeAt& step, std::uint32_t number);
// step_inline.cpp
Status take(LoopTree& tree, const ComputeInline& step, std::uint32_t number);
// step_stage.cpp
Status take(LoopTree& tree, const StageBuffer& step, std::uint32_t number);
Status take(LoopTree& tree, const Streaming& step, std::uint32_t number);
Status take(LoopTree& tree, const Prefetch& step, std::uint32_t number);
// step_pad.cpp
Status take(LoopTree& tree, const Pad& step, std::uint32_t number);
// step_reduction.cpp
Status take(LoopTree& tree, const Accumulate& step, std::uint32_t number);
Status take(LoopTree& tree, const Rfactor& step, std::uint32_t number);

}  // namespace tunesmith::schedules
