// UserError: bad input (model, option, file, database). The message names the thing at fault and
// what would be accepted; the command line prints it as one line and exits with 2.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace tunesmith {

class UserError : public std::runtime_error {
 public:
  explicit UserError(const std::string& message) : std::runtime_error(message) {}
};

/// Throws a UserError with a formatted message.
template <class... Args>
[[noreturn]] void throw_user_error(fmt::format_string<Args...> format, Args&&... args) {
  throw UserError(fmt::format(format, std::forward<Args>(args)...));
}

/// An error as a value, for functions that return Expected<T, Error>.
struct Error {
  std::string message;
};

template <class... Args>
Error make_error(fmt::format_string<Args...> format, Args&&... args) {
  return Error{fmt::format(format, std::forward<Args>(args)...)};
}

}  // namespace tunesmith
