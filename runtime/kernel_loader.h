// Loads the kernels of a program: looks up the best schedule, takes compiled code from the object store or
// compiles it, several kernels at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cache/object_store.h"
#include "codegen/executable.h"
#include "tracer/program.h"
#include "tuner/environment.h"
#include "tuner/serve.h"

namespace tunesmith::runtime {

struct LoadedKernel {
  std::shared_ptr<const codegen::Executable> executable;  // null for host steps
  tuner::Origin origin = tuner::Origin::fallback;
  std::optional<double> median_ns;
  bool from_object_store = false;
};

/// Schedules by workload (hex digest of the kernel's canonical text).
using ScheduleTexts = std::map<std::string, std::string>;

/// One entry a step, in order; steps that do the same work share an executable. `chosen` goes before what the
/// database knows. The error names the step.
Expected<std::vector<LoadedKernel>, Error> load_kernels(std::span<const tracer::ProgramStep> steps,
                                                        const tuner::Environment& environment,
                                                        cache::ObjectStore* objects,
                                                        const ScheduleTexts& chosen = {});

}  // namespace tunesmith::runtime
