#include "ir/support/env.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "ir/support/check.h"

namespace tunesmith {
namespace {

constexpr std::array variables = {
    EnvVariable{"TUNESMITH_DEBUG", "0..5[,FILE]",
                "log level (0 errors only, 5 everything) and, optionally, the file to log to"},
    EnvVariable{"TUNESMITH_DUMP_DIR", "DIR",
                "write every stage of every kernel (kernel, schedule, nest, LLVM IR, assembly) "
                "there, numbered"},
    EnvVariable{"TUNESMITH_DB", "PATH",
                "tuning database to use where --db is not given; the default is "
                "$XDG_DATA_HOME/tunesmith/tuning.db"},
    EnvVariable{"TUNESMITH_WORKER", "PATH",
                "measurement worker to start in place of the one installed beside the library"},
    EnvVariable{"TUNESMITH_PYTHON", "PATH",
                "Python with numpy, onnx and onnxruntime for `bench --against onnxruntime`; the default is "
                "python3"},
    EnvVariable{"TUNESMITH_NVRTC", "PATH", "CUDA's run-time compiler (libnvrtc.so) to use in place of the one that is found"},
    EnvVariable{"TUNESMITH_SEED", "N", "seed of the property tests, as printed by a failure"},
};

}  // namespace

std::span<const EnvVariable> env_table() { return variables; }

std::optional<std::string> env_value(std::string_view name) {
  const bool listed = std::ranges::any_of(variables, [&](const EnvVariable& v) { return v.name == name; });
  TS_CHECK(listed, name);
  const char* value = std::getenv(std::string(name).c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

std::string render_env_help() {
  std::string text;
  for (const EnvVariable& v : variables) text += fmt::format("{}={}\n    {}\n", v.name, v.values, v.help);
  return text;
}

}  // namespace tunesmith
