// Sketch: a schedule with knobs in place of numbers.
//
// A rule looks at the structure of a kernel's stages and makes sketches; a sketch turns knob values into a
// schedule. Feasibility is cheap (registers, cache footprints, divisibility) and is decided without
// building the schedule; whether the schedule applies is decided by apply().
// Invariants: every knob has at least one value; the first-choice values are feasible; all functions are
// pure, so a sketch may be used by several threads at once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "schedules/schedule.h"

namespace tunesmith::schedules {

/// A decision with an ordered domain: neighbours in the list are neighbours in effect.
struct Knob {
  std::string name;
  std::vector<std::int64_t> domain;
  /// Changes the shape of the program (what is packed, which loop is parallel), not only its numbers.
  bool structural = false;
};

class Sketch {
 public:
  virtual ~Sketch() = default;

  virtual const std::string& name() const = 0;
  virtual std::span<const Knob> knobs() const = 0;
  /// The constraints that are known without building the schedule. `values`: one a knob, in order.
  virtual bool feasible(std::span<const std::int64_t> values) const = 0;
  /// The concrete steps. REQUIRES: feasible(values).
  virtual Schedule instantiate(std::span<const std::int64_t> values) const = 0;
  /// A quick guess of the time in nanoseconds from the knobs alone (microseconds to compute): ranks
  /// candidates of one kernel before the analytic model looks at the best ones.
  virtual double estimate_ns(std::span<const std::int64_t> values) const = 0;
};

}  // namespace tunesmith::schedules
