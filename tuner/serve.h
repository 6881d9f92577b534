// Serving: which schedule to use for a kernel right now, without any search.
#pragma once

#include <optional>
#include <string>

#include "ir/loop_nest.h"
#include "schedules/schedule.h"
#include "tuner/environment.h"

namespace tunesmith::tuner {

enum class Origin : std::uint8_t {
  tuned,     // measured on this target with this toolchain
  stale,     // measured on this target with another code generator: serve, re-measure when there is time
  fallback,  // the analytic model's default, never measured
};
std::string_view to_string(Origin origin);

struct Served {
  schedules::Schedule schedule;
  ir::LoopNest nest;
  Origin origin = Origin::fallback;
  std::optional<double> median_ns;  // when measured
};

/// The best known schedule that applies; the default of the space otherwise. A record that does not parse or
/// apply is passed over (and logged). Never fails: every kernel has a default.
Served serve(const ir::Kernel& kernel, const Environment& environment);

}  // namespace tunesmith::tuner
