// Checks that need the finished tree or nest. Internal to the room.
#pragma once

#include <optional>

#include "ir/loop_nest.h"
#include "schedules/apply.h"
#include "schedules/tree.h"

namespace tunesmith::schedules {

/// A vectorized loop with other loops or stages inside, or over a tuple state; blocks that overlap in loops in which they
/// cannot be computed again.
std::optional<ScheduleError> check_annotations(const LoopTree& tree);
/// An index into registers that is not constant once unroll and vectorize loops are expanded, or a parallel
/// loop between registers and their use.
std::optional<ScheduleError> check_registers(const LoopTree& tree, const ir::LoopNest& nest);

/// Unrolled and vectorized loops that would make more code than a compiler takes in good time.
std::optional<ScheduleError> check_code_size(const LoopTree& tree, const ir::LoopNest& nest);

}  // namespace tunesmith::schedules
