#include "schedules/sketch_compose.h"

#include <fmt/format.h>

#include "ir/support/check.h"

namespace tunesmith::schedules {

using i64 = std::int64_t;

namespace {

class ComposedSketch : public Sketch {
 public:
  ComposedSketch(const std::vector<GroupSketches>& groups, const std::vector<std::size_t>& picks) {
    for (std::size_t g = 0; g < picks.size(); ++g) {
      const GroupSketch& part = *groups[g][picks[g]];
      parts_.push_back(&part);
      if (g > 0) name_ += "+";
      name_ += part.name();
      for (Knob knob : part.knobs()) {
        if (picks.size() > 1) knob.name = fmt::format("{}.{}", g, knob.name);
        knobs_.push_back(std::move(knob));
      }
    }
  }

  const std::string& name() const override { return name_; }
  std::span<const Knob> knobs() const override { return knobs_; }
  bool feasible(std::span<const i64> values) const override {
    bool ok = true;
    for_each_part(values,
                  [&](const GroupSketch& part, std::span<const i64> own) { ok = ok && part.feasible(own); });
    return ok;
  }
  Schedule instantiate(std::span<const i64> values) const override {
    Schedule schedule;
    for_each_part(values,
                  [&](const GroupSketch& part, std::span<const i64> own) { part.emit(own, schedule); });
    return schedule;
  }
  double estimate_ns(std::span<const i64> values) const override {
    double total = 0;
    for_each_part(values,
                  [&](const GroupSketch& part, std::span<const i64> own) { total += part.estimate_ns(own); });
    return total;
  }

 private:
  template <class Visit>
  void for_each_part(std::span<const i64> values, const Visit& visit) const {
    TS_CHECK(values.size() == knobs_.size(), "one value a knob");
    std::size_t first = 0;
    for (const GroupSketch* part : parts_) {
      const std::size_t count = part->knobs().size();
      visit(*part, values.subspan(first, count));
      first += count;
    }
  }

  std::vector<const GroupSketch*> parts_;
  std::vector<Knob> knobs_;
  std::string name_;
};

}  // namespace

std::vector<std::unique_ptr<Sketch>> compose(const std::vector<GroupSketches>& groups, std::size_t limit) {
  std::size_t combinations = 1;
  for (const GroupSketches& group : groups) {
    TS_CHECK(!group.empty(), "every group needs a sketch");
    combinations = std::min(limit + 1, combinations * group.size());
  }
  std::vector<std::unique_ptr<Sketch>> result;
  auto add = [&](const std::vector<std::size_t>& picks) {
    result.push_back(std::make_unique<ComposedSketch>(groups, picks));
  };
  std::vector<std::size_t> picks(groups.size(), 0);
  if (combinations > limit) {
    add(picks);
    for (std::size_t g = 0; g < groups.size(); ++g) {
      for (picks[g] = 1; picks[g] < groups[g].size(); ++picks[g]) add(picks);
      picks[g] = 0;
    }
    return result;
  }
  for (;;) {
    add(picks);
    std::size_t g = 0;
    while (g < picks.size() && ++picks[g] == groups[g].size()) picks[g++] = 0;
    if (g == picks.size()) return result;
  }
}

}  // namespace tunesmith::schedules
