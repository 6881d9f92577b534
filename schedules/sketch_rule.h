// What sketch rules make: partial sketches, one for each group of stages. A kernel's sketch joins the partial
// sketches of all its groups (sketch_compose.h).
//
// A rule is one free function: it looks at the structure of a group and returns its partial sketches, none
// where it does not fit. Thread safety: partial sketches are immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "schedules/machine.h"
#include "schedules/schedule.h"
#include "schedules/sketch.h"
#include "schedules/sketch_structure.h"

namespace tunesmith::schedules {

struct GpuMachine;

struct RuleContext {
  const KernelInfo& info;
  const Machine& machine;
  int threads = 1;
  const GpuMachine* gpu = nullptr;  // for GPU rules, which look at neither of the former
};

/// The schedule of one group with knobs in place of numbers.
class GroupSketch {
 public:
  virtual ~GroupSketch() = default;

  /// Short name of the rule and variant, e.g. "tile".
  virtual const std::string& name() const = 0;
  virtual std::span<const Knob> knobs() const = 0;
  virtual bool feasible(std::span<const std::int64_t> values) const = 0;
  virtual double estimate_ns(std::span<const std::int64_t> values) const = 0;
  /// Appends the steps of this group. REQUIRES: feasible(values).
  virtual void emit(std::span<const std::int64_t> values, Schedule& schedule) const = 0;
};

using GroupSketches = std::vector<std::unique_ptr<GroupSketch>>;

}  // namespace tunesmith::schedules
