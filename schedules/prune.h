// Removes the buffers of a nest that nothing uses any more. Internal to the room. Thread safety: pure.
#pragma once

#include "ir/loop_nest.h"

namespace tunesmith::schedules {

/// Simplification drops code that never runs; buffers that only it used go with it. Arguments stay.
void prune_buffers(ir::LoopNest& nest);

}  // namespace tunesmith::schedules
