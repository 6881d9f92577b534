// Search: proposes schedules for one kernel, best guesses first, and learns from what they measured.
//
// Order of proposals: the default schedule, seeds (schedules that were good for similar kernels), the best of each
// structural class; then batches around the best measured ones (neighbours, mutations, crossovers, random draws), ranked by
// the cost model's optimistic estimate, each batch with one forced structural jump and one random draw.
// Deterministic: the same kernel, seed, seeds and measured times give the same proposals. Not synchronised.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/support/rng.h"
#include "schedules/space.h"
#include "tuner/cost_model.h"

namespace tunesmith::tuner {

struct Proposal {
  schedules::Schedule schedule;
  std::string text;  // of the schedule: its identity
  ir::LoopNest nest;
  schedules::AnalyticCost cost;
};

class Search {
 public:
  Search(schedules::Space space, std::uint64_t seed);

  const schedules::Space& space() const { return space_; }

  /// A schedule to try early, e.g. from a similar kernel. Ignored when it does not apply.
  void add_seed(const schedules::Schedule& schedule);
  /// A result of an earlier session or of a proposal; `ns` is infinite for failures. Never proposed again.
  void record(const std::string& schedule_text, double ns);

  /// At most `count` new proposals; fewer, or none, when the space runs dry.
  std::vector<Proposal> propose(std::size_t count, const CostModel& model);

  /// Everything that measured ok in this search, as training data.
  std::vector<TrainingRow> training_rows() const;

  double best_ns() const { return best_ns_; }  // infinite before the first good result
  const std::string& best_text() const { return best_text_; }
  /// Predicted gain of the best candidate of the last propose() over the best measured one, as a fraction.
  double expected_gain() const { return expected_gain_; }
  /// Batches since the best result changed.
  std::int64_t stale_rounds() const { return stale_rounds_; }

 private:
  struct Known {
    double ns = std::numeric_limits<double>::infinity();
    bool proposed = false;
    bool has_cost = false;
    schedules::Candidate candidate;
    bool has_candidate = false;
    std::vector<float> features;
    double analytic_ns = 0;
  };
  struct Entry {  // a candidate under consideration
    Proposal proposal;
    schedules::Candidate candidate;
    std::vector<float> features;
    double score = 0;
  };

  bool make_entry(const schedules::Candidate& candidate, Entry& entry);
  void take(Entry&& entry, bool from_candidate, std::vector<Proposal>& out);
  void propose_initial(std::size_t count, std::vector<Proposal>& out);
  void propose_ranked(std::size_t count, const CostModel& model, std::vector<Proposal>& out);
  std::vector<schedules::Candidate> gather_pool();
  std::vector<schedules::Candidate> best_candidates(std::size_t count) const;

  schedules::Space space_;
  Rng rng_;
  std::deque<schedules::Candidate> initial_;
  std::deque<schedules::Schedule> seeds_;
  bool default_proposed_ = false;
  std::unordered_map<std::string, Known> known_;  // by schedule text
  std::vector<std::string> order_;                // texts with a good result, in the order recorded
  double best_ns_ = std::numeric_limits<double>::infinity();
  std::string best_text_;
  double expected_gain_ = 1;
  std::int64_t stale_rounds_ = 0;
  bool improved_ = true;
};

}  // namespace tunesmith::tuner
