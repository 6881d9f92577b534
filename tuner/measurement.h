// Measurement: what running one candidate gave: times with their noise, or one of the failure classes.
#pragma once

#include <cstdint>
#include <string>

#include "cache/record.h"

namespace tunesmith::tuner {

/// ok, or the failure class: verify (illegal schedule), compile, wrong (differs from the reference),
/// crash, timeout, resource (memory).
using Status = cache::Status;

struct Measurement {
  Status status = Status::ok;
  double median_ns = 0;
  double mad_ns = 0;  // median absolute deviation
  std::int32_t samples = 0;
  double max_error = 0;  // largest |got - want| / (|want| + scale) over all outputs
  std::string message;   // what went wrong

  bool ok() const { return status == Status::ok; }
};

}  // namespace tunesmith::tuner
