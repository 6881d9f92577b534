// build_space: a kernel's groups of stages, each with the sketches that fit it, joined to a space. Internal to the room.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>

#include "schedules/space.h"

namespace tunesmith::schedules {

using Rule = std::function<GroupSketches(const RuleContext&, const StageGroup&)>;

/// What all of these rules make of a group, in order.
GroupSketches ask(std::initializer_list<Rule> rules, const RuleContext& context, const StageGroup& group);

/// `alternatives`: what may fit a group; `last_resort`: fits any group, and is legal whatever the stages. Fills `info` of the
/// parts; the rest is given.
Space build_space(std::unique_ptr<SpaceParts> parts, const Rule& alternatives, const Rule& last_resort);

}  // namespace tunesmith::schedules
