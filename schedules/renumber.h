// Gives the buffers of a statement other numbers. Internal to the room. Thread safety: pure.
#pragma once

#include <span>

#include "ir/stmt.h"

namespace tunesmith::schedules {

/// Buffer b becomes numbers[b] in loads, stores and allocations. REQUIRES: a number for each buffer in `s`.
ir::Stmt renumber_buffers(const ir::Stmt& s, std::span<const ir::BufferId> numbers);

}  // namespace tunesmith::schedules
