#include "tuner/search.h"

#include <algorithm>
#include <cmath>

#include "schedules/apply.h"
#include "tuner/features.h"

namespace tunesmith::tuner {
namespace {

constexpr std::size_t class_limit = 11;       // class representatives proposed at the start
constexpr std::size_t parents = 6;            // best candidates that batches are built around
constexpr std::size_t mutations_a_parent = 8;
constexpr std::size_t crossovers = 12;
constexpr std::size_t random_draws = 40;
constexpr std::size_t pool_limit = 160;       // looked at by the analytic model, each batch
constexpr double optimism = 0.5;              // deviations of the model that count in a candidate's favour

}  // namespace

Search::Search(schedules::Space space, std::uint64_t seed) : space_(std::move(space)), rng_(seed) {
  const schedules::Candidate first = space_.default_candidate();
  initial_.push_back(first);
  for (schedules::RankedCandidate& ranked : space_.class_representatives(class_limit))
    if (!(ranked.candidate == first)) initial_.push_back(std::move(ranked.candidate));
}

void Search::add_seed(const schedules::Schedule& schedule) { seeds_.push_back(schedule); }

void Search::record(const std::string& text, double ns) {
  Known& known = known_[text];
  known.proposed = true;
  if (!std::isfinite(ns)) return;
  if (!std::isfinite(known.ns)) order_.push_back(text);
  known.ns = std::min(known.ns, ns);
  if (!known.has_cost) {  // from an earlier session: its cost is computed for the training data
    const auto schedule = schedules::parse_schedule(text);
    if (schedule) {
      if (const auto nest = schedules::apply(space_.kernel(), *schedule)) {
        const schedules::AnalyticCost cost = schedules::analytic_cost(*nest, space_.machine(), space_.threads());
        known.features = features_of(cost, space_.machine());
        known.analytic_ns = cost.time_ns;
        known.has_cost = true;
      }
    }
  }
  // Equal times are broken by the text, so that two tunings of one workload agree.
  if (known.ns < best_ns_ || (known.ns == best_ns_ && text < best_text_)) {
    best_ns_ = known.ns;
    best_text_ = text;
    improved_ = true;
  }
}

bool Search::make_entry(const schedules::Candidate& candidate, Entry& entry) {
  entry.candidate = candidate;
  entry.proposal.schedule = space_.to_schedule(candidate);
  entry.proposal.text = schedules::print_schedule(entry.proposal.schedule);
  const auto it = known_.find(entry.proposal.text);
  if (it != known_.end() && it->second.proposed) return false;
  auto nest = schedules::apply(space_.kernel(), entry.proposal.schedule);
  if (!nest) return false;
  entry.proposal.nest = std::move(*nest);
  entry.proposal.cost = schedules::analytic_cost(entry.proposal.nest, space_.machine(), space_.threads());
  entry.features = features_of(entry.proposal.cost, space_.machine());
  return true;
}

void Search::take(Entry&& entry, bool from_candidate, std::vector<Proposal>& out) {
  Known& known = known_[entry.proposal.text];
  known.proposed = true;
  known.has_candidate = from_candidate;
  known.candidate = std::move(entry.candidate);
  known.features = std::move(entry.features);
  known.analytic_ns = entry.proposal.cost.time_ns;
  known.has_cost = true;
  out.push_back(std::move(entry.proposal));
}

void Search::propose_initial(std::size_t count, std::vector<Proposal>& out) {
  while (out.size() < count && !(initial_.empty() && seeds_.empty())) {
    Entry entry;
    if (default_proposed_ && !seeds_.empty()) {
      const schedules::Schedule seed = std::move(seeds_.front());
      seeds_.pop_front();
      entry.proposal.text = schedules::print_schedule(seed);
      if (const auto it = known_.find(entry.proposal.text); it != known_.end() && it->second.proposed) continue;
      auto nest = schedules::apply(space_.kernel(), seed);
      if (!nest) continue;
      entry.proposal.schedule = seed;
      entry.proposal.nest = std::move(*nest);
      entry.proposal.cost = schedules::analytic_cost(entry.proposal.nest, space_.machine(), space_.threads());
      entry.features = features_of(entry.proposal.cost, space_.machine());
      take(std::move(entry), false, out);
      continue;
    }
    default_proposed_ = true;
    if (initial_.empty()) continue;
    const schedules::Candidate candidate = std::move(initial_.front());
    initial_.pop_front();
    if (make_entry(candidate, entry)) take(std::move(entry), true, out);
  }
}

std::vector<schedules::Candidate> Search::best_candidates(std::size_t count) const {
  std::vector<const std::string*> texts;
  for (const std::string& text : order_)
    if (known_.at(text).has_candidate) texts.push_back(&text);
  std::ranges::sort(texts, [&](const std::string* a, const std::string* b) {
    const double x = known_.at(*a).ns, y = known_.at(*b).ns;
    return x != y ? x < y : *a < *b;
  });
  std::vector<schedules::Candidate> best;
  for (std::size_t i = 0; i < std::min(count, texts.size()); ++i) best.push_back(known_.at(*texts[i]).candidate);
  return best;
}

std::vector<schedules::Candidate> Search::gather_pool() {
  std::vector<schedules::Candidate> pool;
  const std::vector<schedules::Candidate> best = best_candidates(parents);
  for (std::size_t i = 0; i < best.size(); ++i) {
    if (i < 2)
      for (schedules::Candidate& neighbour : space_.neighbours(best[i])) pool.push_back(std::move(neighbour));
    for (std::size_t m = 0; m < mutations_a_parent; ++m) pool.push_back(space_.mutate(best[i], rng_));
  }
  if (best.size() >= 2)
    for (std::size_t i = 0; i < crossovers; ++i)
      pool.push_back(space_.crossover(best[rng_.below(best.size())], best[rng_.below(best.size())], rng_));
  std::vector<schedules::Candidate> random;
  for (std::size_t i = 0; i < random_draws; ++i) random.push_back(space_.random_candidate(rng_));
  // The random half is wide; the quick estimate keeps its promising part.
  std::ranges::stable_sort(random, {}, [&](const schedules::Candidate& c) { return space_.estimate_ns(c); });
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

void Search::propose_ranked(std::size_t count, const CostModel& model, std::vector<Proposal>& out) {
  std::vector<Entry> entries;
  std::unordered_map<std::string, bool> texts;
  for (const schedules::Candidate& candidate : gather_pool()) {
    Entry entry;
    if (make_entry(candidate, entry) && texts.emplace(entry.proposal.text, true).second)
      entries.push_back(std::move(entry));
  }
  if (entries.empty()) {
    expected_gain_ = 0;
    return;
  }
  std::vector<std::vector<float>> rows;
  for (const Entry& entry : entries) rows.push_back(entry.features);
  const std::vector<Prediction> predictions = model.predict(rows);
  double best_predicted = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const double log_ns = std::log(std::max(1.0, entries[i].proposal.cost.time_ns)) + predictions[i].log_residual;
    entries[i].score = log_ns - optimism * predictions[i].deviation;
    best_predicted = std::min(best_predicted, entries[i].score);
  }
  std::ranges::stable_sort(entries, {}, &Entry::score);
  if (std::isfinite(best_ns_)) expected_gain_ = std::clamp(1 - std::exp(best_predicted) / best_ns_, 0.0, 1.0);

  std::vector<char> taken(entries.size(), 0);
  auto take_entry = [&](std::size_t i) {
    taken[i] = 1;
    take(std::move(entries[i]), true, out);
  };
  const std::size_t wanted = std::min(entries.size(), count - std::min(count, out.size()));
  const std::size_t ranked = wanted > 3 ? wanted - 2 : wanted;
  std::vector<std::uint64_t> classes;
  for (std::size_t i = 0; i < ranked; ++i) {
    classes.push_back(space_.class_of(entries[i].candidate));
    take_entry(i);
  }
  std::size_t left = wanted - ranked;
  for (std::size_t i = ranked; i < entries.size() && left == 2; ++i)  // the structural jump
    if (std::ranges::find(classes, space_.class_of(entries[i].candidate)) == classes.end()) {
      take_entry(i);
      --left;
    }
  while (left > 0) {
    const std::size_t i = rng_.below(entries.size());
    if (taken[i] != 0) continue;
    take_entry(i);
    --left;
  }
}

std::vector<Proposal> Search::propose(std::size_t count, const CostModel& model) {
  stale_rounds_ = improved_ ? 0 : stale_rounds_ + 1;
  improved_ = false;
  std::vector<Proposal> out;
  propose_initial(count, out);
  if (out.empty()) propose_ranked(count, model, out);
  return out;
}

std::vector<TrainingRow> Search::training_rows() const {
  std::vector<TrainingRow> rows;
  for (const std::string& text : order_) {
    const Known& known = known_.at(text);
    if (!known.has_cost || known.analytic_ns <= 0) continue;
    // Slow candidates matter less: what must be right is the order of the fast ones.
    const float weight = static_cast<float>(std::max(0.05, best_ns_ / known.ns));
    rows.push_back({known.features, std::log(known.ns / known.analytic_ns), weight});
  }
  return rows;
}

}  // namespace tunesmith::tuner
