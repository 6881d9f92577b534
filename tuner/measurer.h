// Measurer: decides whether a compiled candidate is right, then how fast it is.
//
// The search talks to this interface only, so that it can be run against a machine with known costs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "codegen/executable.h"
#include "ir/kernel.h"
#include "tuner/environment.h"
#include "tuner/measurement.h"

namespace tunesmith::tuner {

/// What a candidate may take before it counts as a failure.
struct MeasureOptions {
  /// Beyond 20 times the best time so far; then it hangs.
  double timeout_seconds = 2;
  /// For the buffers of a kernel and the scratch of a candidate together; 0: half of the machine's memory.
  std::int64_t memory_bytes = 0;
  /// Asked while the reference of a large kernel is computed, which may take minutes; true gives the kernel up.
  std::function<bool()> should_stop;
};

class Measurer {
 public:
  virtual ~Measurer() = default;
  /// Makes inputs and the reference for the kernel that the next candidates belong to; there is no incumbent. The error
  /// says why this kernel cannot be measured here.
  virtual Expected<void, Error> begin_kernel(const ir::Kernel& kernel) = 0;
  /// The best so far of this kernel and its time. A candidate that is clearly slower is not timed to the end; one that comes near
  /// is raced against it.
  virtual void set_incumbent(const codegen::Object& object, double ns) = 0;
  /// Verifies, times, and verifies that the result did not change. After a race the time is the incumbent's times the
  /// ratio of the race, and exactly the incumbent's for a tie. What the candidate does wrong is its measurement; an
  /// error says that there is no worker to measure with.
  virtual Expected<Measurement, Error> measure(const codegen::Object& object) = 0;
  /// Worker processes started so far.
  virtual std::int64_t worker_starts() const = 0;
};

/// Measures in an isolated worker process. The reference is computed once a kernel: by the interpreter where
/// that is affordable, else by the unscheduled kernel, compiled (stages one after another, no schedule step
/// at all).
std::unique_ptr<Measurer> make_worker_measurer(const Environment& environment, std::string worker_path,
                                               const MeasureOptions& options);

}  // namespace tunesmith::tuner
