// The environment variables that Tunesmith reads: one table, printed by --help-env.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tunesmith {

struct EnvVariable {
  std::string_view name;
  std::string_view values;
  std::string_view help;
};

/// Every variable that any room reads. env_value() refuses names that are not listed.
std::span<const EnvVariable> env_table();

/// The value of a listed variable; empty when it is unset. REQUIRES: `name` is in env_table().
std::optional<std::string> env_value(std::string_view name);

/// The table as text, one variable a paragraph.
std::string render_env_help();

}  // namespace tunesmith
