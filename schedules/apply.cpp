#include "schedules/apply.h"

#include "ir/simplify.h"
#include "ir/support/check.h"
#include "ir/verify.h"
#include "schedules/check_nest.h"
#include "schedules/lower.h"
#include "schedules/partition.h"
#include "schedules/prune.h"
#include "schedules/steps.h"

namespace tunesmith::schedules {

using Code = ScheduleError::Code;

Expected<ir::LoopNest, ScheduleError> apply(const ir::Kernel& kernel, const Schedule& schedule) {
  if (!kernel.symbols.empty()) return Unexpected(ScheduleError{Code::symbolic_kernel, 0});
  LoopTree tree(kernel);
  for (std::uint32_t i = 0; i < schedule.size(); ++i) {
    const Status status = std::visit([&](const auto& step) { return take(tree, step, i); }, schedule[i]);
    if (!status) return Unexpected(ScheduleError{status.error(), i});
  }
  if (const auto error = check_annotations(tree)) return Unexpected(*error);
  auto lowered = lower(tree);
  if (!lowered) return Unexpected(ScheduleError{Code::too_much_code, static_cast<std::uint32_t>(schedule.size())});
  ir::LoopNest& nest = *lowered;
  nest.body = ir::simplify(nest.body);
  partition_loops(nest);
  if (nest.prepare) nest.prepare = ir::simplify(nest.prepare);
  prune_buffers(nest);
  if (const auto error = check_registers(tree, nest)) return Unexpected(*error);
  if (const auto error = check_code_size(tree, nest)) return Unexpected(*error);
#ifndef NDEBUG
  const auto verified = ir::verify(nest);
  TS_CHECK(verified.has_value(), verified.error().message + " after " + print_schedule(schedule));
#endif
  return std::move(nest);
}

}  // namespace tunesmith::schedules
