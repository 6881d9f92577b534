// The C++ source of a kernel as plain loops: its stages one after another, each over its full axes, as a
// programmer would write it down without tuning. Pure function.
#pragma once

#include <string>

#include "ir/kernel.h"
#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::tools {

/// One function `extern "C" void NAME(void* const* arguments)`; the arguments are ir::arguments(kernel),
/// temporaries are its own. The error says what has no plain form (narrow types, tuple reductions). REQUIRES:
/// extents are numbers.
Expected<std::string, Error> loops_source(const ir::Kernel& kernel, const std::string& name);

/// What the functions need in front of them.
std::string loops_prelude();

}  // namespace tunesmith::tools
