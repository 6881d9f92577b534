// A kernel's sketches from the partial sketches of its groups: each group's rules in combination.
//
// Thread safety: pure function; the sketches are immutable.
#pragma once

#include <memory>
#include <vector>

#include "schedules/sketch.h"
#include "schedules/sketch_rule.h"

namespace tunesmith::schedules {

/// One sketch for each combination of the groups' alternatives, the first alternatives first. Where there are
/// more than `limit` combinations, only those that differ from the first in one group.
/// REQUIRES: every group has at least one alternative; `groups` outlives the sketches.
std::vector<std::unique_ptr<Sketch>> compose(const std::vector<GroupSketches>& groups,
                                             std::size_t limit = 16);

}  // namespace tunesmith::schedules
