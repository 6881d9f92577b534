// What `explain` says of a kernel on a GPU, which need not be there.
#pragma once

#include <string>
#include <string_view>

#include "ir/kernel.h"

namespace tunesmith::tools {

/// `target`: "cuda" for the first GPU of this machine, or e.g. "cuda:sm_90a". `show`: schedule, nest, source or why. Throws a
/// user error where the target or what it takes is not there.
std::string explain_cuda(const ir::Kernel& kernel, std::string_view target, std::string_view show);

}  // namespace tunesmith::tools
