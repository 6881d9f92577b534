#include "tuner/replay.h"

#include <fmt/format.h>

#include "ir/canonical.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "schedules/apply.h"
#include "schedules/version.h"

namespace tunesmith::tuner {

Expected<Replayed, Error> replay(const cache::Record& record) {
  if (record.language_major != schedules::language_major)
    return Unexpected(make_error("schedule language {}, this program speaks {}", record.language_major,
                                 schedules::language_major));
  // The first line of a canonical text is its version.
  const std::size_t line_end = record.workload.find('\n');
  const std::string head = fmt::format("canon {}", ir::canon_version);
  if (line_end == std::string::npos || record.workload.substr(0, line_end) != head)
    return Unexpected(make_error("the workload is not of the form '{}'", head));
  auto kernel = ir::parse_kernel(std::string_view(record.workload).substr(line_end + 1));
  if (!kernel) return Unexpected(make_error("the workload does not parse: {}", kernel.error().message));
  if (const auto verified = ir::verify(*kernel); !verified)
    return Unexpected(make_error("the workload is not a valid kernel: {}", verified.error().message));
  const auto schedule = schedules::parse_schedule(record.schedule);
  if (!schedule) return Unexpected(make_error("the schedule does not parse: {}", schedule.error().message));
  auto nest = schedules::apply(*kernel, *schedule);
  if (!nest && record.status != cache::Status::ok) return Replayed{*std::move(kernel), std::nullopt};
  if (!nest)
    return Unexpected(
        make_error("the schedule does not apply: {}", schedules::render(*kernel, *schedule, nest.error())));
  return Replayed{*std::move(kernel), *std::move(nest)};
}

std::optional<std::string> refuse_unplayable(const cache::Record& record) {
  const auto replayed = replay(record);
  return replayed ? std::nullopt : std::optional(replayed.error().message);
}

}  // namespace tunesmith::tuner
