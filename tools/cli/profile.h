// Where the time of a model goes: a line a kernel, the slowest first.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/compiled_model.h"
#include "tools/cli/common.h"
#include "tuner/limits.h"

namespace tunesmith::tools {

struct KernelTime {
  std::size_t index = 0;  // of the step in its program
  std::string name;
  std::string origin;                // of its schedule; "host" for what its reference runs
  double median_ns = 0;              // inside the model, over all runs
  double share = 0;                  // of the sum over all kernels
  std::optional<double> limit_ns;  // none for host steps
};

/// `step_ns[run][step]`, one list a timed run. The slowest kernel comes first.
std::vector<KernelTime> profile(const runtime::CompiledModel& model, const std::vector<std::vector<double>>& step_ns,
                                const tuner::Limits& limits);
std::string profile_text(const std::vector<KernelTime>& kernels);
Json profile_json(const std::vector<KernelTime>& kernels);

}  // namespace tunesmith::tools
