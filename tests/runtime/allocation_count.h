// Counts the memory that this program's C++ code asks for.
#pragma once

#include <cstdint>

namespace tunesmith::runtime::testing {

/// Calls of operator new by all threads since the program began.
std::int64_t allocation_count();

}  // namespace tunesmith::runtime::testing
