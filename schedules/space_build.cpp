// See space_build.h.
#include "schedules/space_build.h"

#include <algorithm>

#include "schedules/apply.h"
#include "schedules/sketch_compose.h"

namespace tunesmith::schedules {

using i64 = std::int64_t;

namespace {

constexpr int probes = 4;  // random points at which an alternative is tried before it is believed
constexpr std::uint64_t probe_seed = 0x9b0e;

/// Some of its points give a schedule that applies, all other groups left as they are.
bool applies(const ir::Kernel& kernel, const GroupSketch& sketch) {
  Rng rng(probe_seed);
  std::vector<i64> values;
  for (const Knob& knob : sketch.knobs()) values.push_back(knob.domain.front());
  for (int probe = 0; probe < probes; ++probe) {
    if (sketch.feasible(values)) {
      Schedule schedule;
      sketch.emit(values, schedule);
      if (schedules::apply(kernel, schedule)) return true;
    }
    for (std::size_t k = 0; k < values.size(); ++k) {
      const auto& domain = sketch.knobs()[k].domain;
      values[k] = domain[static_cast<std::size_t>(rng.below(domain.size()))];
    }
  }
  return false;
}

/// A group of rows that no rule could place falls apart into its stages.
std::vector<StageGroup> single_stages(const StageGroup& group) {
  std::vector<StageGroup> result;
  for (std::size_t s : group.prologue) result.push_back({s, {}, {}, 0});
  result.push_back({group.anchor, {}, {}, 0});
  for (std::size_t s : group.epilogue) result.push_back({s, {}, {}, 0});
  return result;
}

}  // namespace

GroupSketches ask(std::initializer_list<Rule> rules, const RuleContext& context, const StageGroup& group) {
  GroupSketches all;
  for (const Rule& rule : rules)
    for (auto& sketch : rule(context, group)) all.push_back(std::move(sketch));
  return all;
}

Space build_space(std::unique_ptr<SpaceParts> parts, const Rule& alternatives, const Rule& last_resort) {
  parts->info = analyse(parts->kernel);
  const RuleContext context{parts->info, parts->machine, parts->threads, parts->gpu.get()};

  std::vector<StageGroup> open(parts->info.groups.rbegin(), parts->info.groups.rend());
  while (!open.empty()) {
    const StageGroup group = std::move(open.back());
    open.pop_back();
    GroupSketches fitting = alternatives(context, group);
    std::erase_if(fitting, [&](const auto& sketch) { return !applies(parts->kernel, *sketch); });
    const std::size_t size = 1 + group.prologue.size() + group.epilogue.size();
    if (fitting.empty() && size > 1) {
      auto singles = single_stages(group);
      open.insert(open.end(), singles.rbegin(), singles.rend());
      continue;
    }
    if (fitting.empty()) fitting = last_resort(context, group);
    parts->groups.push_back(std::move(fitting));
  }
  auto sketches = compose(parts->groups);

  if (parts->groups.size() == 1 && parts->groups[0][0]->name() == "plain")
    return Space(std::move(parts), std::move(sketches));

  // Last resort, always legal: every stage as the kernel states it.
  StageGroup all;
  all.anchor = parts->info.stages.size() - 1;
  for (std::size_t s = 0; s < all.anchor; ++s) all.prologue.push_back(s);
  parts->fallback.push_back(last_resort(context, all));
  for (auto& sketch : compose(parts->fallback)) sketches.push_back(std::move(sketch));
  return Space(std::move(parts), std::move(sketches));
}

}  // namespace tunesmith::schedules
