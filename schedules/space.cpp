#include "schedules/space.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "ir/support/check.h"
#include "ir/support/hash.h"
#include "schedules/apply.h"

namespace tunesmith::schedules {

using i64 = std::int64_t;

namespace {

constexpr int rejection_tries = 64;
constexpr int class_samples = 600;          // per sketch, when it has too many candidates to enumerate
constexpr double enumerable = 600;          // sketches up to this size are enumerated
constexpr std::size_t descents = 8;         // from the best samples of a sketch
constexpr std::size_t applied_a_class = 2;  // candidates of a class that are tried on the analytic model
constexpr std::uint64_t sampling_seed = 0x7453;

double combinations(const Sketch& sketch) {
  double count = 1;
  for (const Knob& knob : sketch.knobs()) count *= static_cast<double>(knob.domain.size());
  return count;
}

/// Larger sketches are drawn more often, but no sketch is crowded out.
double weight(const Sketch& sketch) { return 1 + std::log2(combinations(sketch)); }

std::vector<i64> values_of(const Sketch& sketch, const std::vector<std::uint32_t>& choices) {
  std::vector<i64> result;
  const auto knobs = sketch.knobs();
  for (std::size_t k = 0; k < knobs.size(); ++k) result.push_back(knobs[k].domain.at(choices[k]));
  return result;
}

/// Candidates with the estimate that ranks them.
struct Estimated {
  Candidate candidate;
  double ns = 0;
};

/// Best few of each structural class, by estimate.
class ClassTable {
 public:
  explicit ClassTable(const Space& space) : space_(space) {}

  void offer(Candidate candidate) {
    const double ns = space_.estimate_ns(candidate);
    std::vector<Estimated>& best = classes_[space_.class_of(candidate)];
    if (best.size() == applied_a_class && best.back().ns <= ns) return;
    if (std::ranges::any_of(best, [&](const Estimated& e) { return e.candidate == candidate; })) return;
    best.push_back({std::move(candidate), ns});
    std::ranges::stable_sort(best, {}, &Estimated::ns);
    if (best.size() > applied_a_class) best.pop_back();
  }
  /// Classes in order of their best estimate.
  std::vector<std::vector<Estimated>> ranked() const {
    std::vector<std::vector<Estimated>> result;
    for (const auto& [key, best] : classes_) result.push_back(best);
    std::ranges::sort(result, [](const auto& a, const auto& b) {
      if (a[0].ns != b[0].ns) return a[0].ns < b[0].ns;
      if (a[0].candidate.sketch != b[0].candidate.sketch)
        return a[0].candidate.sketch < b[0].candidate.sketch;
      return a[0].candidate.choices < b[0].candidate.choices;
    });
    return result;
  }

 private:
  const Space& space_;
  std::unordered_map<std::uint64_t, std::vector<Estimated>> classes_;
};

void enumerate(const Space& space, std::uint32_t sketch, ClassTable& table) {
  const auto knobs = space.sketch(sketch).knobs();
  Candidate candidate{sketch, std::vector<std::uint32_t>(knobs.size(), 0)};
  for (;;) {
    if (space.feasible(candidate)) table.offer(candidate);
    std::size_t k = 0;
    while (k < knobs.size() && ++candidate.choices[k] == knobs[k].domain.size()) candidate.choices[k++] = 0;
    if (k == knobs.size()) return;
  }
}

/// Coordinate descent on the estimate over the knobs that `allowed` accepts.
Candidate descend(const Space& space, Candidate at, bool structural_too) {
  double best = space.estimate_ns(at);
  for (int round = 0; round < 4; ++round) {
    const Candidate before = at;
    const auto knobs = space.sketch(at).knobs();
    for (std::size_t k = 0; k < knobs.size(); ++k) {
      if (knobs[k].structural && !structural_too) continue;
      for (Candidate& next : space.line(at, k)) {
        const double ns = space.estimate_ns(next);
        if (ns >= best) continue;
        best = ns;
        at = std::move(next);
      }
    }
    if (at == before) break;
  }
  return at;
}

}  // namespace

std::uint64_t hash(const Candidate& candidate) {
  std::uint64_t h = combine64(0, candidate.sketch);
  for (std::uint32_t choice : candidate.choices) h = combine64(h, choice);
  return h;
}

Space::Space(std::unique_ptr<const SpaceParts> parts, std::vector<std::unique_ptr<Sketch>> sketches)
    : parts_(std::move(parts)), sketches_(std::move(sketches)) {
  TS_CHECK(!sketches_.empty(), "a space needs at least one sketch");
}

double Space::log10_size() const {
  double total = 0;
  for (const auto& s : sketches_) total += combinations(*s);
  return std::log10(total);
}

std::vector<i64> Space::values(const Candidate& candidate) const {
  return values_of(sketch(candidate), candidate.choices);
}

bool Space::feasible(const Candidate& candidate) const {
  if (candidate.sketch >= sketches_.size()) return false;
  const auto knobs = sketch(candidate).knobs();
  if (candidate.choices.size() != knobs.size()) return false;
  for (std::size_t k = 0; k < knobs.size(); ++k)
    if (candidate.choices[k] >= knobs[k].domain.size()) return false;
  return sketch(candidate).feasible(values(candidate));
}

Schedule Space::to_schedule(const Candidate& candidate) const {
  return sketch(candidate).instantiate(values(candidate));
}

std::string Space::to_text(const Candidate& candidate) const {
  const Sketch& s = sketch(candidate);
  std::string text = s.name() + "{";
  for (std::size_t k = 0; k < s.knobs().size(); ++k)
    text += fmt::format("{}{}={}", k == 0 ? "" : ",", s.knobs()[k].name,
                        s.knobs()[k].domain.at(candidate.choices[k]));
  return text + "}";
}

std::optional<Candidate> Space::from_text(std::string_view text) const {
  const std::size_t open = text.find('{');
  if (open == std::string_view::npos || text.back() != '}') return std::nullopt;
  Candidate candidate;
  while (candidate.sketch < sketches_.size() && sketches_[candidate.sketch]->name() != text.substr(0, open))
    ++candidate.sketch;
  if (candidate.sketch == sketches_.size()) return std::nullopt;
  std::string_view rest = text.substr(open + 1, text.size() - open - 2);
  for (const Knob& knob : sketch(candidate).knobs()) {
    const std::string prefix = knob.name + "=";
    if (!rest.starts_with(prefix)) return std::nullopt;
    rest.remove_prefix(prefix.size());
    i64 value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc{}) return std::nullopt;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const auto found = std::ranges::find(knob.domain, value);
    if (found == knob.domain.end()) return std::nullopt;
    candidate.choices.push_back(static_cast<std::uint32_t>(found - knob.domain.begin()));
    if (rest.starts_with(",")) rest.remove_prefix(1);
  }
  return rest.empty() ? std::optional(candidate) : std::nullopt;
}

double Space::estimate_ns(const Candidate& candidate) const {
  return sketch(candidate).estimate_ns(values(candidate));
}

std::optional<AnalyticCost> Space::analytic(const Candidate& candidate) const {
  const auto nest = schedules::apply(kernel(), to_schedule(candidate));
  if (!nest) return std::nullopt;
  if (!parts_->gpu) return analytic_cost(*nest, machine(), threads());
  AnalyticCost cost;
  cost.time_ns = estimate_ns(candidate);
  return cost;
}

Candidate Space::random_candidate(Rng& rng) const {
  double total = 0;
  for (const auto& s : sketches_) total += weight(*s);
  double at = rng.unit() * total;
  std::uint32_t index = 0;
  while (index + 1 < sketches_.size() && (at -= weight(*sketches_[index])) >= 0) ++index;
  return random_candidate(rng, index);
}

Candidate Space::random_candidate(Rng& rng, std::uint32_t index) const {
  const auto knobs = sketch(index).knobs();
  Candidate candidate{index, std::vector<std::uint32_t>(knobs.size(), 0)};
  for (int attempt = 0; attempt < rejection_tries; ++attempt) {
    for (std::size_t k = 0; k < knobs.size(); ++k)
      candidate.choices[k] = static_cast<std::uint32_t>(rng.below(knobs[k].domain.size()));
    if (feasible(candidate)) return candidate;
  }
  // The feasible part is small: walk inside it from the first choices.
  std::ranges::fill(candidate.choices, 0);
  for (std::size_t move = 0; move < 8 * knobs.size(); ++move) {
    const std::size_t k = static_cast<std::size_t>(rng.below(knobs.size()));
    Candidate next = candidate;
    next.choices[k] = static_cast<std::uint32_t>(rng.below(knobs[k].domain.size()));
    if (feasible(next)) candidate = std::move(next);
  }
  return candidate;
}

std::vector<Candidate> Space::neighbours(const Candidate& candidate) const {
  std::vector<Candidate> result;
  const auto knobs = sketch(candidate).knobs();
  for (std::size_t k = 0; k < knobs.size(); ++k)
    for (int step : {-1, 1}) {
      const i64 choice = static_cast<i64>(candidate.choices[k]) + step;
      if (choice < 0 || choice >= static_cast<i64>(knobs[k].domain.size())) continue;
      Candidate next = candidate;
      next.choices[k] = static_cast<std::uint32_t>(choice);
      if (feasible(next)) result.push_back(std::move(next));
    }
  return result;
}

std::vector<Candidate> Space::line(const Candidate& candidate, std::size_t knob) const {
  std::vector<Candidate> result;
  const std::size_t count = sketch(candidate).knobs()[knob].domain.size();
  for (std::uint32_t choice = 0; choice < count; ++choice) {
    if (choice == candidate.choices[knob]) continue;
    Candidate next = candidate;
    next.choices[knob] = choice;
    if (feasible(next)) result.push_back(std::move(next));
  }
  return result;
}

Candidate Space::mutate(const Candidate& candidate, Rng& rng) const {
  const auto knobs = sketch(candidate).knobs();
  std::vector<std::size_t> open;  // knobs with a choice
  for (std::size_t k = 0; k < knobs.size(); ++k)
    if (knobs[k].domain.size() > 1) open.push_back(k);
  for (int attempt = 0; attempt < rejection_tries && !open.empty(); ++attempt) {
    Candidate next = candidate;
    const int changes = rng.below(3) == 0 ? 2 : 1;
    for (int c = 0; c < changes; ++c) {
      const std::size_t k = open[static_cast<std::size_t>(rng.below(open.size()))];
      next.choices[k] = static_cast<std::uint32_t>(rng.below(knobs[k].domain.size()));
    }
    if (next != candidate && feasible(next)) return next;
  }
  for (int attempt = 0; attempt < rejection_tries; ++attempt) {
    Candidate next = random_candidate(rng);
    if (next != candidate) return next;
  }
  return candidate;
}

Candidate Space::crossover(const Candidate& a, const Candidate& b, Rng& rng) const {
  if (a.sketch != b.sketch) return mutate(a, rng);
  for (int attempt = 0; attempt < rejection_tries; ++attempt) {
    Candidate child = a;
    for (std::size_t k = 0; k < child.choices.size(); ++k)
      if (rng.below(2) == 0) child.choices[k] = b.choices[k];
    if (feasible(child)) return child;
  }
  return mutate(a, rng);
}

std::uint64_t Space::class_of(const Candidate& candidate) const {
  std::uint64_t h = combine64(1, candidate.sketch);
  const auto knobs = sketch(candidate).knobs();
  for (std::size_t k = 0; k < knobs.size(); ++k)
    if (knobs[k].structural) h = combine64(h, candidate.choices[k]);
  return h;
}

std::vector<RankedCandidate> Space::class_representatives(std::size_t limit) const {
  ClassTable table(*this);
  Rng rng(sampling_seed);
  for (std::uint32_t s = 0; s < sketches_.size(); ++s) {
    if (combinations(sketch(s)) <= enumerable) {
      enumerate(*this, s, table);
      continue;
    }
    std::vector<Estimated> drawn;
    for (int i = 0; i < class_samples; ++i) {
      Candidate candidate = random_candidate(rng, s);
      const double ns = estimate_ns(candidate);
      drawn.push_back({candidate, ns});
      table.offer(std::move(candidate));
    }
    std::ranges::stable_sort(drawn, {}, &Estimated::ns);
    for (std::size_t i = 0; i < descents && i < drawn.size(); ++i)
      table.offer(descend(*this, std::move(drawn[i].candidate), true));
  }
  std::vector<RankedCandidate> result;
  for (std::vector<Estimated>& members : table.ranked()) {
    if (result.size() == limit) break;
    members.insert(members.begin(), {descend(*this, members[0].candidate, false), 0});
    std::optional<RankedCandidate> best;
    for (const Estimated& member : members) {
      const auto cost = analytic(member.candidate);
      if (cost && (!best || cost->time_ns < best->cost.time_ns)) best = {member.candidate, *cost};
    }
    if (best) result.push_back(std::move(*best));
  }
  std::ranges::stable_sort(result, {}, [](const RankedCandidate& r) { return r.cost.time_ns; });
  return result;
}

Candidate Space::default_candidate() const {
  constexpr std::size_t considered = 5;
  const auto ranked = class_representatives(considered);
  TS_CHECK(!ranked.empty(), "no sketch of the space applies to its kernel");
  return ranked[0].candidate;
}

}  // namespace tunesmith::schedules
