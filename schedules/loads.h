// The loads of an expression, each once however often its node is shared. Internal to the room. Thread
// safety: pure functions.
#pragma once

#include <functional>

#include "ir/expr.h"

namespace tunesmith::schedules {

void for_each_load(const ir::Expr& e, const std::function<void(const ir::Load&)>& visit);

}  // namespace tunesmith::schedules
