// Rule: what always works. Fits every group: the outer loops in parallel where they are spatial, nothing
// else.
//
// Thread safety: pure functions.
#pragma once

#include "schedules/sketch_rule.h"

namespace tunesmith::schedules {

/// One sketch, always.
GroupSketches plain_rule(const RuleContext& context, const StageGroup& group);

}  // namespace tunesmith::schedules
