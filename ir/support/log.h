// The log: levels from TUNESMITH_DEBUG, to stderr or a file. Thread-safe.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace tunesmith {

enum class LogLevel { error = 0, warning = 1, info = 2, debug = 3, trace = 4, everything = 5 };

/// True when messages of this level are written. Cheap enough for hot paths.
bool log_enabled(LogLevel level);
void log_message(LogLevel level, std::string_view message);

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_message(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tunesmith
