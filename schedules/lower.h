// Lowering: from the finished loop tree to a loop nest. Internal to the room.
//
// The nest is emitted from the outside in. A frame a stage holds what is known at the place; a ragged tile is
// emitted once for each of its sizes, with the frame saved and put back in between. Thread safety: pure.
#pragma once

#include <optional>

#include "ir/loop_nest.h"
#include "schedules/tree.h"

namespace tunesmith::schedules {

/// The nest of the tree, not simplified; nullopt where tails inside tails make too many statements. REQUIRES: the steps that made
/// the tree were accepted.
std::optional<ir::LoopNest> lower(const LoopTree& tree);

}  // namespace tunesmith::schedules
