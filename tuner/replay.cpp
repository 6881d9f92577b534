#include "tuner/replay.h"

#include <fmt/format.h>

#include "ir/canonical.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "schedules/apply.h"
#include "schedules/version.h"

namespace tunesmith::tuner {

std::optional<std::string> refuse_unplayable(const cache::Record& record) {
  if (record.language_major != schedules::language_major)
    return fmt::format("schedule language {}, this program speaks {}", record.language_major, schedules::language_major);
  // The first line of a canonical text is its version.
  const std::size_t line_end = record.workload.find('\n');
  const std::string head = fmt::format("canon {}", ir::canon_version);
  if (line_end == std::string::npos || record.workload.substr(0, line_end) != head)
    return fmt::format("the workload is not of the form '{}'", head);
  const auto kernel = ir::parse_kernel(std::string_view(record.workload).substr(line_end + 1));
  if (!kernel) return fmt::format("the workload does not parse: {}", kernel.error().message);
  if (const auto verified = ir::verify(*kernel); !verified)
    return fmt::format("the workload is not a valid kernel: {}", verified.error().message);
  const auto schedule = schedules::parse_schedule(record.schedule);
  if (!schedule) return fmt::format("the schedule does not parse: {}", schedule.error().message);
  if (record.status != cache::Status::ok) return std::nullopt;  // failures need not apply
  const auto nest = schedules::apply(*kernel, *schedule);
  if (!nest) return fmt::format("the schedule does not apply: {}", schedules::render(*kernel, *schedule, nest.error()));
  return std::nullopt;
}

}  // namespace tunesmith::tuner
