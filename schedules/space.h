// Space: all the schedules that the search may propose for one kernel on one machine.
//
// A candidate is a sketch and a choice for each of its knobs. Records store the concrete steps, never
// candidates, so the space may change freely.
// Deterministic: the same kernel, machine, threads and random sequence give the same candidates.
// Thread safety: a Space is immutable after construction; all functions may be called concurrently
// (each caller with its own Rng). Movable; candidates stay valid as long as the Space lives.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/kernel.h"
#include "ir/support/rng.h"
#include "schedules/analytic.h"
#include "schedules/gpu_machine.h"
#include "schedules/machine.h"
#include "schedules/sketch.h"
#include "schedules/sketch_rule.h"

namespace tunesmith::schedules {

struct Candidate {
  std::uint32_t sketch = 0;
  std::vector<std::uint32_t> choices;  // index into the domain of each knob of the sketch

  bool operator==(const Candidate&) const = default;
};
/// In-memory hash; equal on every machine, never stored.
std::uint64_t hash(const Candidate& candidate);

/// A candidate with the time that the analytic model gives it.
struct RankedCandidate {
  Candidate candidate;
  AnalyticCost cost;
};

/// What sketches refer to; stays in place when a Space moves.
struct SpaceParts {
  ir::Kernel kernel;
  KernelInfo info;  // of `kernel`
  Machine machine;
  int threads = 1;
  std::unique_ptr<const GpuMachine> gpu;  // null: a CPU
  std::vector<GroupSketches> groups;    // alternatives of each group
  std::vector<GroupSketches> fallback;  // one sketch over all stages
};

class Space {
 public:
  /// REQUIRES: at least one sketch that applies for all its choices (make_cpu_space guarantees it).
  Space(std::unique_ptr<const SpaceParts> parts, std::vector<std::unique_ptr<Sketch>> sketches);

  const ir::Kernel& kernel() const { return parts_->kernel; }
  const Machine& machine() const { return parts_->machine; }
  int threads() const { return parts_->threads; }
  std::size_t sketch_count() const { return sketches_.size(); }
  const Sketch& sketch(std::size_t index) const { return *sketches_.at(index); }
  const Sketch& sketch(const Candidate& candidate) const { return sketch(candidate.sketch); }

  /// log10 of the number of candidates, infeasible ones included.
  double log10_size() const;

  /// Knob values of a candidate, in the order of its sketch's knobs.
  std::vector<std::int64_t> values(const Candidate& candidate) const;
  /// Within the sketch's domains and constraints. Cheap; does not build the schedule.
  bool feasible(const Candidate& candidate) const;
  Schedule to_schedule(const Candidate& candidate) const;
  /// "sketch{knob=value,…}"; from_text gives nullopt for text that names no candidate of this space.
  std::string to_text(const Candidate& candidate) const;
  std::optional<Candidate> from_text(std::string_view text) const;

  /// The sketch's own quick guess; see Sketch::estimate_ns.
  double estimate_ns(const Candidate& candidate) const;
  /// Applies the schedule and runs the analytic model on the nest; nullopt when it does not apply.
  std::optional<AnalyticCost> analytic(const Candidate& candidate) const;

  /// Feasible; sketches are drawn by the logarithm of their size, knob values uniformly among the feasible.
  Candidate random_candidate(Rng& rng) const;
  /// The same within one sketch.
  Candidate random_candidate(Rng& rng, std::uint32_t sketch) const;
  /// Feasible candidates that differ in one knob by one step, in knob order (down, then up).
  std::vector<Candidate> neighbours(const Candidate& candidate) const;
  /// All feasible candidates that differ from `candidate` in this knob only, in domain order.
  std::vector<Candidate> line(const Candidate& candidate, std::size_t knob) const;
  /// Changes one or two knobs at random; feasible, and different whenever another candidate exists.
  Candidate mutate(const Candidate& candidate, Rng& rng) const;
  /// Takes each knob from either parent. Parents of different sketches give a mutation of `a`.
  Candidate crossover(const Candidate& a, const Candidate& b, Rng& rng) const;

  /// The structural class: the sketch and its structural knobs. Equal numbers, equal class.
  std::uint64_t class_of(const Candidate& candidate) const;
  /// The best candidate of each class by the analytic model, best class first. At most `limit` classes.
  std::vector<RankedCandidate> class_representatives(std::size_t limit = 32) const;
  /// What to run with no trial: the best of the class representatives. Always applies.
  Candidate default_candidate() const;

 private:
  std::unique_ptr<const SpaceParts> parts_;
  std::vector<std::unique_ptr<Sketch>> sketches_;
};

/// The space of a kernel on a GPU. Never empty, like that of a CPU. Times are what the sketches estimate.
Space make_cuda_space(const ir::Kernel& kernel, const GpuMachine& machine);

/// The space of a kernel on a CPU. Never empty: kernels that no other rule understands get the generic one.
/// REQUIRES: verify(kernel) succeeds and the kernel has no unbound symbols.
Space make_cpu_space(const ir::Kernel& kernel, const Machine& machine, int threads);

}  // namespace tunesmith::schedules
