#include "tools/cli/explain_why.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>
#include <vector>

#include "schedules/analytic.h"
#include "schedules/space.h"
#include "tools/cli/common.h"
#include "tuner/history.h"

namespace tunesmith::tools {
namespace {

std::string limit_line(const ir::Kernel& kernel, const tuner::Served& served, const tuner::Limits& limits) {
  const double flops = ir::flop_count(kernel), bytes = ir::argument_bytes(kernel), limit = tuner::limit_ns(kernel, limits);
  std::string text = fmt::format("  {:.4g} Mflop, {:.4g} MB of arguments: at least {} ({} bound)\n", flops * 1e-6,
                                 bytes * 1e-6, format_time(limit),
                                 tuner::is_compute_bound(kernel, limits) ? "compute" : "memory");
  if (!served.median_ns)
    return text + "  never measured here: the default by the analytic model (tunesmith tune measures it)\n";
  return text + fmt::format("  measured {}: {:.0f} % of the limit, {:.1f} GFLOP/s, {:.1f} GB/s\n",
                            format_time(*served.median_ns), 100 * limit / *served.median_ns, flops / *served.median_ns,
                            bytes / *served.median_ns);
}

/// What takes the time by the analytic model, the largest first.
std::string model_line(const schedules::AnalyticCost& cost) {
  struct Term {
    std::string_view name;
    double ns;
  };
  std::array terms = {Term{"arithmetic", cost.fma_ns}, Term{"load ports", cost.load_ns}, Term{"store ports", cost.store_ns},
                      Term{"L1", cost.l1_ns},          Term{"L2", cost.l2_ns},           Term{"L3", cost.l3_ns},
                      Term{"DRAM", cost.dram_ns},      Term{"latency", cost.latency_ns}, Term{"loop overhead", cost.overhead_ns},
                      Term{"packs", cost.pack_ns},     Term{"launch", cost.launch_ns}};
  std::ranges::stable_sort(terms, std::ranges::greater{}, &Term::ns);
  std::vector<std::string> parts;
  for (const Term& term : terms)
    if (term.ns > 0) parts.push_back(fmt::format("{} {}", term.name, format_time(term.ns)));
  std::string text = fmt::format("  model {}, bound by {}: {}\n", format_time(cost.time_ns), terms.front().name,
                                 fmt::join(parts, ", "));
  if (cost.tail_waste > 0.02) text += fmt::format("  {:.0f} % of the vector lanes compute nothing (tails)\n", 100 * cost.tail_waste);
  if (cost.spilled_registers > 0) text += fmt::format("  {:.0f} vector registers too many are live\n", cost.spilled_registers);
  if (cost.imbalance > 0.02) text += fmt::format("  the busiest thread has {:.0f} % more to do than the mean\n", 100 * cost.imbalance);
  return text;
}

/// What the search saw: how much of the space, what failed, and what the winner has that the runner-up has not.
std::string search_lines(const ir::Kernel& kernel, const tuner::Served& served, const tuner::Environment& environment) {
  const std::vector<tuner::KnownSchedule> known = tuner::History(environment).known(kernel);
  if (known.empty()) return "";
  const schedules::Space space = schedules::make_cpu_space(kernel, environment.machine(), environment.threads);
  std::map<std::string, std::string> failures;  // class -> an example of its message
  std::map<std::string, int> counts;
  const std::string best = schedules::print_schedule(served.schedule);
  const tuner::KnownSchedule* runner_up = nullptr;
  const tuner::KnownSchedule* fallback = nullptr;
  const std::string default_text = schedules::print_schedule(space.to_schedule(space.default_candidate()));
  for (const tuner::KnownSchedule& one : known) {
    if (!one.measurement.ok()) {
      const std::string status(cache::to_string(one.measurement.status));
      failures[status] = one.measurement.message;
      ++counts[status];
      continue;
    }
    if (one.schedule == default_text) fallback = &one;
    if (one.schedule != best && (!runner_up || one.measurement.median_ns < runner_up->measurement.median_ns)) runner_up = &one;
  }
  std::string text = fmt::format("  tried {} of about 10^{:.0f} candidates in {}\n", plural(known.size(), "schedule"),
                                 space.log10_size(), space.sketch_count() == 1 ? "one sketch" : fmt::format("{} sketches", space.sketch_count()));
  for (const auto& [status, message] : failures)
    text += fmt::format("  rejected {} ({}), e.g.: {}\n", counts.at(status), status, message);
  auto compare = [&](const char* name, const tuner::KnownSchedule& other) {
    const double slower = served.median_ns ? other.measurement.median_ns / *served.median_ns - 1 : 0;
    text += fmt::format("  {} {} ({:+.1f} %): {}\n", name, format_time(other.measurement.median_ns), 100 * slower,
                        difference_of_steps(other.schedule, best));
  };
  if (runner_up) compare("runner-up", *runner_up);
  if (fallback && fallback != runner_up && fallback->schedule != best) compare("default", *fallback);
  return text;
}

std::vector<std::string> steps_of(const std::string& schedule) {
  std::vector<std::string> steps;
  for (std::size_t at = 0; at < schedule.size();) {
    const std::size_t end = std::min(schedule.find("; ", at), schedule.size());
    steps.push_back(schedule.substr(at, end - at));
    at = end + 2;
  }
  return steps;
}

}  // namespace

std::string difference_of_steps(const std::string& from, const std::string& to) {
  const std::vector<std::string> before = steps_of(from), after = steps_of(to);
  std::vector<std::string> parts;
  auto only_in = [&](const std::vector<std::string>& one, const std::vector<std::string>& other, char sign) {
    for (const std::string& step : one)
      if (std::ranges::count(other, step) < std::ranges::count(one, step)) parts.push_back(sign + step);
  };
  only_in(before, after, '-');
  only_in(after, before, '+');
  return parts.empty() ? "the same steps in another order" : fmt::format("{}", fmt::join(parts, " "));
}

std::string explain_why(const ir::Kernel& kernel, const tuner::Served& served, const tuner::Environment& environment,
                        const tuner::Limits& limits) {
  return limit_line(kernel, served, limits) +
         model_line(schedules::analytic_cost(served.nest, environment.machine(), environment.threads)) +
         search_lines(kernel, served, environment) +
         fmt::format("  schedule: {}\n", schedules::print_schedule(served.schedule));
}

}  // namespace tunesmith::tools
