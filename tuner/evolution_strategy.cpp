// Genetic search as published for Ansor (Zheng et al., 2020): a large population, four generations of mutation with
// parents drawn by their predicted score, the best of all generations measured 64 at a time, 5 % of them at random.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>
#include <tuple>
#include <unordered_map>

#include "schedules/apply.h"
#include "tuner/strategy.h"

namespace tunesmith::tuner {
namespace {

constexpr std::size_t generations = 4;
constexpr double mutation_chance = 0.85;
constexpr double measured_share = 0.2;   // of the population, at most
constexpr double random_share = 0.05;    // of what is measured
constexpr std::size_t most_repeats = 200;

class EvolutionStrategy final : public Strategy {
 public:
  EvolutionStrategy(schedules::Space space, std::uint64_t seed, std::shared_ptr<const CostModel> model,
                    std::size_t population)
      : Strategy(std::move(space), seed, std::move(model)), population_size_(population) {}
  std::size_t batch_size() const override { return 64; }

 protected:
  void fill(std::size_t count, std::vector<Proposal>& out) override {
    const std::vector<schedules::Candidate> ranked = evolve();
    const auto random = static_cast<std::size_t>(std::lround(random_share * static_cast<double>(count)));
    for (const schedules::Candidate& candidate : ranked) {
      if (out.size() + random >= count) break;
      if (auto entry = make_entry(candidate)) take(std::move(*entry), out);
    }
    for (std::size_t repeats = 0; out.size() < count && repeats < most_repeats; ++repeats)
      if (auto entry = make_entry(space().random_candidate(rng()))) {
        take(std::move(*entry), out);
        repeats = 0;
      }
  }

 private:
  struct Hash {
    std::size_t operator()(const schedules::Candidate& candidate) const { return schedules::hash(candidate); }
  };

  /// nullopt: the candidate does not apply. REQUIRES: add_samples of it.
  const std::optional<Sample>& sample(const schedules::Candidate& candidate) const { return samples_.at(candidate); }

  /// Thousands a round: on all cores.
  void add_samples(const std::vector<schedules::Candidate>& population) {
    std::vector<std::pair<const schedules::Candidate, std::optional<Sample>>*> missing;
    for (const schedules::Candidate& candidate : population)
      if (const auto [it, added] = samples_.try_emplace(candidate); added) missing.push_back(&*it);
    std::atomic<std::size_t> next{0};
    auto work = [&] {
      for (std::size_t i = next++; i < missing.size(); i = next++)
        if (const auto nest = schedules::apply(space().kernel(), space().to_schedule(missing[i]->first)))
          missing[i]->second = sample_of(*nest, schedules::analytic_cost(*nest, space().machine(), space().threads()));
    };
    std::vector<std::jthread> helpers;
    for (unsigned t = 1; t < std::thread::hardware_concurrency(); ++t) helpers.emplace_back(work);
    work();
  }

  /// All candidates of all generations, best predicted first.
  std::vector<schedules::Candidate> evolve() {
    std::vector<schedules::Candidate> population =
        best_candidates(static_cast<std::size_t>(measured_share * static_cast<double>(population_size_)));
    while (population.size() < population_size_) population.push_back(space().random_candidate(rng()));
    std::unordered_map<schedules::Candidate, double, Hash> log_times;  // of every generation
    for (std::size_t generation = 0;; ++generation) {
      const std::vector<double> scores = rate(population, log_times);
      if (generation == generations || population.empty()) break;
      population = next_generation(population, scores);
    }
    std::vector<std::pair<double, schedules::Candidate>> ranked;
    for (const auto& [candidate, log_ns] : log_times) ranked.emplace_back(log_ns, candidate);
    std::ranges::sort(ranked, [](const auto& a, const auto& b) {
      if (a.first != b.first) return a.first < b.first;
      return std::tie(a.second.sketch, a.second.choices) < std::tie(b.second.sketch, b.second.choices);
    });
    std::vector<schedules::Candidate> result;
    for (auto& [log_ns, candidate] : ranked) result.push_back(std::move(candidate));
    return result;
  }

  /// Drops what does not apply; scores of the rest, proportional to predicted throughput.
  std::vector<double> rate(std::vector<schedules::Candidate>& population,
                           std::unordered_map<schedules::Candidate, double, Hash>& log_times) {
    add_samples(population);
    std::erase_if(population, [&](const schedules::Candidate& candidate) { return !sample(candidate); });
    std::vector<Sample> samples;
    for (const schedules::Candidate& candidate : population) samples.push_back(*sample(candidate));
    const std::vector<Prediction> predictions = model().predict(samples);
    double least = std::numeric_limits<double>::infinity();
    for (const Prediction& prediction : predictions) least = std::min(least, prediction.log_ns);
    std::vector<double> scores;
    for (std::size_t i = 0; i < population.size(); ++i) {
      log_times.emplace(population[i], predictions[i].log_ns);
      scores.push_back(std::exp(least - predictions[i].log_ns));
    }
    return scores;
  }

  std::vector<schedules::Candidate> next_generation(const std::vector<schedules::Candidate>& population,
                                                    const std::vector<double>& scores) {
    std::vector<double> sums;
    double sum = 0;
    for (double score : scores) sums.push_back(sum += score);
    std::vector<schedules::Candidate> next;
    for (std::size_t i = 0; i < population_size_; ++i) {
      const auto at = std::ranges::upper_bound(sums, rng().unit() * sum);
      const auto& parent = population[std::min<std::size_t>(static_cast<std::size_t>(at - sums.begin()), sums.size() - 1)];
      next.push_back(rng().unit() < mutation_chance ? space().mutate(parent, rng()) : parent);
    }
    return next;
  }

  std::size_t population_size_;
  std::unordered_map<schedules::Candidate, std::optional<Sample>, Hash> samples_;  // of this and earlier rounds
};

}  // namespace

std::unique_ptr<Strategy> make_evolution_strategy(schedules::Space space, std::uint64_t seed,
                                                  std::shared_ptr<const CostModel> model, std::size_t population) {
  return std::make_unique<EvolutionStrategy>(std::move(space), seed, std::move(model), population);
}

}  // namespace tunesmith::tuner
