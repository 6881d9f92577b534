// Why a kernel is as fast as it is: its bound, what the model says takes the time, and what the search tried.
#pragma once

#include <string>

#include "ir/kernel.h"
#include "tuner/environment.h"
#include "tuner/limits.h"
#include "tuner/serve.h"

namespace tunesmith::tools {

/// Indented lines.
std::string explain_why(const ir::Kernel& kernel, const tuner::Served& served, const tuner::Environment& environment,
                        const tuner::Limits& limits);

/// Steps that only one of two schedule texts has: "-split(s0.a0, 8, peel) +split(s0.a0, 14, peel)".
std::string difference_of_steps(const std::string& from, const std::string& to);

}  // namespace tunesmith::tools
