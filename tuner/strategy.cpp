#include "tuner/strategy.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "ir/canonical.h"
#include "ir/support/check.h"
#include "ir/support/hash.h"
#include "schedules/apply.h"

namespace tunesmith::tuner {
namespace {

using Make = std::unique_ptr<Strategy> (*)(schedules::Space, std::uint64_t, std::shared_ptr<const CostModel>);
struct Row {
  std::string_view name;
  Make make;
};
std::unique_ptr<Strategy> make_published_evolution(schedules::Space space, std::uint64_t seed,
                                                   std::shared_ptr<const CostModel> model) {
  return make_evolution_strategy(std::move(space), seed, std::move(model));
}
constexpr std::array strategies = {Row{"guided", make_guided_strategy}, Row{"evolution", make_published_evolution},
                                   Row{"descent", make_descent_strategy}, Row{"random", make_random_strategy}};

}  // namespace

std::vector<std::string_view> strategy_names() {
  std::vector<std::string_view> names;
  for (const Row& row : strategies) names.push_back(row.name);
  return names;
}

std::unique_ptr<Strategy> make_strategy(std::string_view name, schedules::Space space, std::uint64_t seed,
                                        std::shared_ptr<const CostModel> model) {
  const auto row = std::ranges::find(strategies, name, &Row::name);
  TS_CHECK(row != strategies.end(), "an unknown strategy");
  return row->make(std::move(space), seed, std::move(model));
}

Strategy::Strategy(schedules::Space space, std::uint64_t seed, std::shared_ptr<const CostModel> model)
    : space_(std::move(space)),
      default_(space_.default_candidate()),
      kernel_(hash64(ir::canonical_text(space_.kernel()))),
      rng_(seed),
      model_(std::move(model)) {}

Sample Strategy::sample_of(const ir::LoopNest& nest, const schedules::AnalyticCost& cost) const {
  return {model_->features(nest, cost, space_.machine(), space_.threads()), cost.time_ns, kernel_};
}

void Strategy::record(const std::string& text, double ns) {
  Known& known = known_[text];
  known.is_proposed = true;
  if (std::isfinite(ns) && !std::isfinite(known.ns)) order_.push_back(text);
  if (!std::isfinite(ns)) failures_.push_back(text);
  known.ns = std::min(known.ns, ns);
  if (!known.sample) {  // from an earlier session: training data
    const auto schedule = schedules::parse_schedule(text);
    if (schedule)
      if (const auto nest = schedules::apply(space_.kernel(), *schedule))
        known.sample = sample_of(*nest, schedules::analytic_cost(*nest, space_.machine(), space_.threads()));
  }
  if (!std::isfinite(ns)) return;
  // Equal times are broken by the text, so that two tunings of one workload agree.
  if (known.ns < best_ns_ || (known.ns == best_ns_ && text < best_text_)) {
    best_ns_ = known.ns;
    best_text_ = text;
    improved_ = true;
  }
}

std::optional<Strategy::Entry> Strategy::make_entry(const schedules::Schedule& schedule) {
  Entry entry;
  entry.proposal.schedule = schedule;
  entry.proposal.text = schedules::print_schedule(schedule);
  const auto it = known_.find(entry.proposal.text);
  if (it != known_.end() && it->second.is_proposed) return std::nullopt;
  auto nest = schedules::apply(space_.kernel(), schedule);
  if (!nest) return std::nullopt;
  entry.proposal.nest = std::move(*nest);
  entry.proposal.cost = schedules::analytic_cost(entry.proposal.nest, space_.machine(), space_.threads());
  entry.sample = sample_of(entry.proposal.nest, entry.proposal.cost);
  return entry;
}

std::optional<Strategy::Entry> Strategy::make_entry(const schedules::Candidate& candidate) {
  auto entry = make_entry(space_.to_schedule(candidate));
  if (entry) {
    entry->candidate = candidate;
    return entry;
  }
  const auto it = known_.find(schedules::print_schedule(space_.to_schedule(candidate)));
  if (it != known_.end() && std::isfinite(it->second.ns) && !it->second.candidate) {
    it->second.candidate = candidate;
    ++recognised_;
  }
  return entry;
}

bool Strategy::is_hopeless(const Entry& entry) {
  if (!default_estimate_ns_) {
    const auto cost = space_.analytic(default_);
    default_estimate_ns_ = cost ? cost->time_ns : std::numeric_limits<double>::infinity();
  }
  return entry.proposal.cost.time_ns > hopeless_ratio * *default_estimate_ns_;
}

void Strategy::take(Entry&& entry, std::vector<Proposal>& out) {
  Known& known = known_[entry.proposal.text];
  known.is_proposed = true;
  known.candidate = std::move(entry.candidate);
  known.sample = std::move(entry.sample);
  out.push_back(std::move(entry.proposal));
}

std::optional<Proposal> Strategy::propose_default() {
  auto entry = make_entry(default_);
  if (!entry) return std::nullopt;
  std::vector<Proposal> out;
  take(std::move(*entry), out);
  return std::move(out.front());
}

std::vector<Proposal> Strategy::propose(std::size_t count) {
  stale_rounds_ = improved_ ? 0 : stale_rounds_ + 1;
  improved_ = false;
  std::vector<Proposal> out;
  for (; out.size() < count && !seeds_.empty(); seeds_.pop_front())
    if (auto entry = make_entry(seeds_.front()); entry && !is_hopeless(*entry)) take(std::move(*entry), out);
  fill(count, out);
  return out;
}

std::vector<schedules::Candidate> Strategy::best_candidates(std::size_t count) const {
  std::vector<const std::string*> texts;
  for (const std::string& text : order_)
    if (known_.at(text).candidate) texts.push_back(&text);
  std::ranges::sort(texts, [&](const std::string* a, const std::string* b) {
    const double x = known_.at(*a).ns, y = known_.at(*b).ns;
    return x != y ? x < y : *a < *b;
  });
  std::vector<schedules::Candidate> best;
  for (std::size_t i = 0; i < std::min(count, texts.size()); ++i) best.push_back(*known_.at(*texts[i]).candidate);
  return best;
}

double Strategy::time_of(const schedules::Candidate& candidate) const {
  const auto it = known_.find(schedules::print_schedule(space_.to_schedule(candidate)));
  return it == known_.end() ? std::numeric_limits<double>::infinity() : it->second.ns;
}

std::vector<TrainingRow> Strategy::training_rows() const {
  std::vector<TrainingRow> rows;
  for (const std::string& text : order_) {
    const Known& known = known_.at(text);
    if (!known.sample || known.sample->analytic_ns <= 0) continue;
    rows.push_back({*known.sample, known.ns, best_ns_ / known.ns});
  }
  for (const std::string& text : failures_)
    if (const Known& known = known_.at(text); known.sample && !std::isfinite(known.ns))
      rows.push_back({*known.sample, known.ns, 0});
  return rows;
}

}  // namespace tunesmith::tuner
