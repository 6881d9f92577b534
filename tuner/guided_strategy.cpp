// The strategy of sessions: the default schedule, the best of each structural class by the analytic model, then batches around the best
// measured ones (neighbours, mutations, crossovers, random draws), ranked by expected improvement (Jones, Schonlau and Welch,
// "Efficient global optimization", 1998), each batch with one forced structural jump and one random draw.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <unordered_set>
#include <utility>

#include "tuner/strategy.h"

namespace tunesmith::tuner {
namespace {

constexpr std::size_t class_limit = 11;       // class representatives proposed at the start
constexpr std::size_t parents = 6;            // best candidates that batches are built around
constexpr std::size_t mutations_a_parent = 8;
constexpr std::size_t crossovers = 12;
constexpr std::size_t random_draws = 40;
constexpr std::size_t pool_limit = 160;       // looked at by the analytic model, each batch
constexpr std::size_t most_steps = 16;        // from known candidates to better known ones, after a resume
constexpr double least_deviation = 0.02;      // of any prediction: what measurements differ by themselves

/// Mean of how much faster than a time a candidate is, as a logarithm, where slower counts 0.
double expected_improvement(const Prediction& prediction, double log_best_ns) {
  const double deviation = std::hypot(prediction.deviation, least_deviation);
  const double z = (log_best_ns - prediction.log_ns) / deviation;
  const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
  const double chance = std::erfc(-z / std::numbers::sqrt2) / 2;
  return prediction.validity * deviation * std::max(0.0, z * chance + density);
}

class GuidedStrategy final : public Strategy {
 public:
  GuidedStrategy(schedules::Space space, std::uint64_t seed, std::shared_ptr<const CostModel> model)
      : Strategy(std::move(space), seed, std::move(model)), initial_{default_candidate()} {
    for (schedules::RankedCandidate& ranked : this->space().class_representatives(class_limit))
      initial_.push_back(std::move(ranked.candidate));
  }

 protected:
  void fill(std::size_t count, std::vector<Proposal>& out) override {
    for (; out.size() < count && !initial_.empty(); initial_.pop_front())
      if (auto entry = make_entry(initial_.front()); entry && !is_hopeless(*entry)) take(std::move(*entry), out);
    if (out.empty()) fill_ranked(count, out);
  }

 private:
  std::vector<schedules::Candidate> gather_pool();
  void fill_ranked(std::size_t count, std::vector<Proposal>& out);

  std::deque<schedules::Candidate> initial_;
};

std::vector<schedules::Candidate> GuidedStrategy::gather_pool() {
  std::vector<schedules::Candidate> pool;
  const std::vector<schedules::Candidate> best = best_candidates(parents);
  for (std::size_t i = 0; i < best.size(); ++i) {
    if (i < 2)
      for (schedules::Candidate& neighbour : space().neighbours(best[i])) pool.push_back(std::move(neighbour));
    for (std::size_t m = 0; m < mutations_a_parent; ++m) pool.push_back(space().mutate(best[i], rng()));
  }
  if (best.size() >= 2)
    for (std::size_t i = 0; i < crossovers; ++i) {
      const std::size_t a = rng().below(best.size()), b = rng().below(best.size());
      pool.push_back(space().crossover(best[a], best[b], rng()));
    }
  std::vector<schedules::Candidate> random;
  for (std::size_t i = 0; i < random_draws; ++i) random.push_back(space().random_candidate(rng()));
  // The random half is wide; the quick estimate keeps its promising part.
  std::ranges::stable_sort(random, {}, [&](const schedules::Candidate& c) { return space().estimate_ns(c); });
  random.resize(std::min(random.size(), random_draws / 2));
  pool.insert(pool.end(), random.begin(), random.end());

  std::vector<schedules::Candidate> unique;
  std::unordered_multimap<std::uint64_t, std::size_t> seen;
  for (schedules::Candidate& candidate : pool) {
    const std::uint64_t key = schedules::hash(candidate);
    const auto [first, last] = seen.equal_range(key);
    if (std::any_of(first, last, [&](const auto& entry) { return unique[entry.second] == candidate; })) continue;
    seen.emplace(key, unique.size());
    unique.push_back(std::move(candidate));
    if (unique.size() == pool_limit) break;
  }
  return unique;
}

void GuidedStrategy::fill_ranked(std::size_t count, std::vector<Proposal>& out) {
  std::vector<Entry> entries;
  // After a resume the pool leads from one known candidate to the next, until it is around the best again.
  for (std::size_t recognised_before = recognised() + 1, step = 0; recognised() != recognised_before && step < most_steps; ++step) {
    recognised_before = recognised();
    entries.clear();
    std::unordered_set<std::string> texts;
    for (const schedules::Candidate& candidate : gather_pool())
      if (auto entry = make_entry(candidate); entry && texts.insert(entry->proposal.text).second)
        entries.push_back(std::move(*entry));
  }
  if (entries.empty()) {
    expect(0);
    return;
  }
  std::vector<Sample> samples;
  for (const Entry& entry : entries) samples.push_back(entry.sample);
  const std::vector<Prediction> predictions = model().predict(samples);
  struct Rank {
    double improvement = 0;
    double log_ns = 0;  // decides between those of which nothing is expected
    Entry* entry = nullptr;
  };
  std::vector<Rank> ranks;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const double improvement = std::isfinite(best_ns()) ? expected_improvement(predictions[i], std::log(best_ns())) : 0;
    ranks.push_back({improvement, predictions[i].log_ns - std::log(predictions[i].validity), &entries[i]});
  }
  std::ranges::stable_sort(ranks, [](const Rank& a, const Rank& b) {
    return std::pair(-a.improvement, a.log_ns) < std::pair(-b.improvement, b.log_ns);
  });
  if (std::isfinite(best_ns())) expect(1 - std::exp(-ranks.front().improvement));

  std::vector<char> taken(entries.size(), 0);
  auto take_entry = [&](std::size_t i) {
    taken[i] = 1;
    take(std::move(*ranks[i].entry), out);
  };
  const std::size_t wanted = std::min(entries.size(), count - std::min(count, out.size()));
  const std::size_t ranked = wanted > 3 ? wanted - 2 : wanted;
  std::vector<std::uint64_t> classes;
  for (std::size_t i = 0; i < ranked; ++i) {
    classes.push_back(space().class_of(*ranks[i].entry->candidate));
    take_entry(i);
  }
  std::size_t left = wanted - ranked;
  for (std::size_t i = ranked; i < entries.size() && left == 2; ++i)  // the structural jump
    if (std::ranges::find(classes, space().class_of(*ranks[i].entry->candidate)) == classes.end()) {
      take_entry(i);
      --left;
    }
  while (left > 0) {
    const std::size_t i = rng().below(entries.size());
    if (taken[i] != 0) continue;
    take_entry(i);
    --left;
  }
}

}  // namespace

std::unique_ptr<Strategy> make_guided_strategy(schedules::Space space, std::uint64_t seed,
                                               std::shared_ptr<const CostModel> model) {
  return std::make_unique<GuidedStrategy>(std::move(space), seed, std::move(model));
}

}  // namespace tunesmith::tuner
