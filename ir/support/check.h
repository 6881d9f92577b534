// Assertions for our own bugs. A failed check prints place and message and aborts; it is never
// used for bad input (see error.h and expected.h for that).
#pragma once

#include <string_view>

namespace tunesmith {

[[noreturn]] void check_failed(const char* file, int line, const char* condition, std::string_view message);

}  // namespace tunesmith

#define TS_CHECK(condition, message)                                        \
  do {                                                                      \
    if (!(condition)) [[unlikely]]                                          \
      ::tunesmith::check_failed(__FILE__, __LINE__, #condition, (message)); \
  } while (false)

#define TS_UNREACHABLE(message) ::tunesmith::check_failed(__FILE__, __LINE__, "unreachable", (message))
