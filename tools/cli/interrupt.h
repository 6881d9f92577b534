// Ctrl-C and SIGTERM as a request: long commands end at the next point at which nothing is lost.
#pragma once

#include <atomic>

namespace tunesmith::tools {

/// From here on SIGINT and SIGTERM set the flag instead of ending the process; a second one ends it.
const std::atomic<bool>& catch_interrupts();

}  // namespace tunesmith::tools
