#include "tuner/serve.h"

#include "ir/support/log.h"
#include "schedules/apply.h"
#include "schedules/space.h"
#include "tuner/history.h"

namespace tunesmith::tuner {

std::string_view to_string(Origin origin) {
  switch (origin) {
    case Origin::tuned: return "tuned";
    case Origin::stale: return "stale";
    case Origin::fallback: return "default";
  }
  TS_UNREACHABLE("origin");
}

Served serve(const ir::Kernel& kernel, const Environment& environment) {
  if (const auto known = History(environment).best(kernel)) {
    const auto schedule = schedules::parse_schedule(known->schedule);
    if (schedule) {
      auto nest = schedules::apply(kernel, *schedule);
      if (nest)
        return {*schedule, std::move(*nest), known->same_toolchain ? Origin::tuned : Origin::stale,
                known->measurement.median_ns};
    }
    log(LogLevel::warning, "the best record of kernel {} does not apply and is passed over: {}", kernel.name,
        known->schedule);
  }
  const schedules::Space space = schedules::make_cpu_space(kernel, environment.machine(), environment.threads);
  schedules::Schedule schedule = space.to_schedule(space.default_candidate());
  auto nest = schedules::apply(kernel, schedule);
  TS_CHECK(nest.has_value(), "the default candidate always applies");
  return {std::move(schedule), std::move(*nest), Origin::fallback, std::nullopt};
}

}  // namespace tunesmith::tuner
