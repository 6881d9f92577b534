// The suites of `tunesmith bench`: lists of operator texts. Each has the shapes of well-known networks and as
// many odd ones drawn by seed, so that no suite is only what the schedules were made for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tunesmith::tools {

/// gemm, small, conv, depthwise, reduction, fused, attention, models.
std::vector<std::string> suite_names();

/// The workloads of a suite. "models": every .onnx file under `model_folder`, in the order of their names.
/// Throws a UserError for an unknown name or a folder without models.
std::vector<std::string> suite_workloads(const std::string& name, std::uint64_t seed,
                                         const std::string& model_folder);

}  // namespace tunesmith::tools
