// Promotion: records of others become knowledge of this machine. Each is replayed through the verifier,
// compiled, run in a worker process, compared with the reference and timed; the result, a failure too, is a
// measurement of this machine like any other (its source is "import"), and may be served when it is right.
// The foreign record itself stays as it came; one that gave a right result is trusted as verified.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cache/record.h"
#include "tuner/environment.h"
#include "tuner/measurement.h"
#include "tuner/measurer.h"

namespace tunesmith::tuner {

struct Promotion {
  Digest record;            // that was given
  bool known = false;       // its schedule was measured here before: nothing was done
  std::string refused;      // why it does not replay, or its kernel cannot be measured; empty: it does
  Measurement measurement;  // where it was not refused
  bool promoted() const { return refused.empty() && measurement.ok(); }
};

/// REQUIRES: an environment with a store. One result a record, in their order; `each` is given every result
/// as it comes and ends the work by returning false. The error says why nothing can be measured or stored;
/// what was measured before is kept.
Expected<std::vector<Promotion>, Error> promote(std::span<const cache::Record> records,
                                                const Environment& environment, Measurer& measurer,
                                                const std::function<bool(const Promotion&)>& each = {});

}  // namespace tunesmith::tuner
