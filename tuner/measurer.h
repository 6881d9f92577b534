// Measurer: decides whether a compiled candidate is right, then how fast it is.
//
// The search talks to this interface only, so that it can be run against a machine with known costs.
#pragma once

#include <memory>
#include <string>

#include "codegen/executable.h"
#include "ir/kernel.h"
#include "tuner/environment.h"
#include "tuner/measurement.h"

namespace tunesmith::tuner {

class Measurer {
 public:
  virtual ~Measurer() = default;
  /// Makes inputs and the reference for the kernel that the next candidates belong to.
  virtual Expected<void, Error> begin_kernel(const ir::Kernel& kernel) = 0;
  /// Verifies, then times. `incumbent_ns`: best so far (0: none); a candidate twice as slow is not timed to the end.
  virtual Measurement measure(const codegen::Object& object, double incumbent_ns) = 0;
};

/// Measures in an isolated worker process. The reference is computed once a kernel: by the interpreter where that is
/// affordable, else by the unscheduled kernel, compiled (stages one after another, no schedule step at all).
std::unique_ptr<Measurer> make_worker_measurer(const Environment& environment, std::string worker_path);

}  // namespace tunesmith::tuner
