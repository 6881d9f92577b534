// Steps that the GPU rules share. Internal to the room.
#pragma once

#include <vector>

#include "schedules/sketch_emit.h"

namespace tunesmith::schedules {

/// All stages of a group, in order.
std::vector<std::size_t> members(const StageGroup& group);
std::size_t longest_reduction(const StageInfo& stage);

/// Splits off `width` lanes; the loop that is left.
LoopId emit_lanes(Emitter& emitter, LoopId loop, std::int64_t width);
/// A loop given to `threads` threads, `width` elements side by side each; each thread goes round as often as it takes, so that
/// no barrier stands between the rounds.
void emit_thread_loop(Emitter& emitter, LoopId loop, std::int64_t threads, std::int64_t width);
/// The loops of a stage that is a kernel by itself: a thread makes `width` elements (1 of a reduction, which it sums alone).
void emit_element_loops(Emitter& emitter, const StageInfo& stage, std::int64_t threads, std::int64_t width);

}  // namespace tunesmith::schedules
