#include "tests/bench/search_quality/contest.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "schedules/space.h"

namespace tunesmith::bench {

Run run_contest(const Contestant& contestant, const schedules::Space& space, std::uint64_t seed, std::size_t trials,
                const Similar& similar, TruthTable& table) {
  using Clock = std::chrono::steady_clock;
  Run run;
  run.contestant = contestant.name;
  run.seed = seed;
  const std::shared_ptr<tuner::CostModel> model = tuner::make_cost_model(contestant.cost_model, seed);
  const auto strategy = tuner::make_strategy(
      contestant.strategy, schedules::make_cpu_space(space.kernel(), space.machine(), space.threads()), seed, model);
  std::vector<tuner::TrainingRow> known;
  if (contestant.knows_similar) {
    known = similar.rows;
    for (const std::string& text : similar.best) strategy->add_seed(schedules::parse_schedule(text).value());
    model->train(known);
  }
  double seconds = 0, best = std::numeric_limits<double>::infinity();
  while (run.best_ns.size() < trials) {
    const Clock::time_point start = Clock::now();
    std::vector<tuner::Proposal> batch;
    if (contestant.measures_default)
      if (auto first = strategy->propose_default()) batch.push_back(std::move(*first));
    const std::size_t count = std::min(strategy->batch_size(), trials - run.best_ns.size()) - batch.size();
    if (count > 0)
      for (tuner::Proposal& proposal : strategy->propose(count)) batch.push_back(std::move(proposal));
    if (batch.empty()) break;
    seconds += std::chrono::duration<double>(Clock::now() - start).count();
    for (const tuner::Proposal& proposal : batch) {
      const TruthTable::Entry& entry = table.at(proposal.text, proposal.nest);
      strategy->record(proposal.text, entry.ns);
      seconds += entry.seconds;
      run.schedules.push_back(proposal.text);
      run.best_ns.push_back(best = std::min(best, entry.ns));
      run.seconds.push_back(seconds);
    }
    const Clock::time_point training = Clock::now();
    std::vector<tuner::TrainingRow> rows = strategy->training_rows();
    rows.insert(rows.end(), known.begin(), known.end());
    model->train(rows);
    seconds += std::chrono::duration<double>(Clock::now() - training).count();
  }
  run.rows = strategy->training_rows();
  return run;
}

void settle(Run& run, const TruthTable& table) {
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < run.schedules.size(); ++i)
    run.best_ns[i] = best = std::min(best, table.entries().at(run.schedules[i]).ns);
}

std::optional<std::size_t> trials_to(const Run& run, double best_ns, double share) {
  const auto reached = std::ranges::find_if(run.best_ns, [&](double ns) { return ns * share <= best_ns; });
  if (reached == run.best_ns.end()) return std::nullopt;
  return static_cast<std::size_t>(reached - run.best_ns.begin()) + 1;
}

}  // namespace tunesmith::bench
