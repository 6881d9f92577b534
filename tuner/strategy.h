// Strategy: proposes schedules for one kernel and learns from what they measured.
//
// A strategy draws from a space and ranks by a cost model; it sees the machine through nothing else, so it can be
// run against a machine with known costs. Deterministic: the same kernel, seed, model, seeds and measured times give
// the same proposals. Not synchronised.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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

class Strategy {
 public:
  /// `model` is asked, never trained: who owns it trains it with training_rows().
  Strategy(schedules::Space space, std::uint64_t seed, std::shared_ptr<const CostModel> model);
  virtual ~Strategy() = default;
  Strategy(const Strategy&) = delete;
  Strategy& operator=(const Strategy&) = delete;

  const schedules::Space& space() const { return space_; }
  /// space().default_candidate(), found once.
  const schedules::Candidate& default_candidate() const { return default_; }

  /// A schedule to try early, e.g. from a similar kernel. Ignored when it does not apply, or when the analytic model takes it
  /// for `hopeless_ratio` times as slow as the default: what is that slow may take seconds to compile, too.
  void add_seed(const schedules::Schedule& schedule) { seeds_.push_back(schedule); }
  /// A result of an earlier session or of a proposal; `ns` is infinite for failures. Never proposed again.
  void record(const std::string& schedule_text, double ns);

  /// What runs without any trial; nullopt when it was proposed or recorded before.
  std::optional<Proposal> propose_default();
  /// At most `count` new proposals, seeds first; fewer, or none, when the space runs dry.
  std::vector<Proposal> propose(std::size_t count);
  /// How many proposals to ask for at once: what is learned from them counts from the next batch on.
  virtual std::size_t batch_size() const { return 8; }

  /// Everything that was measured, failures included, as training data.
  std::vector<TrainingRow> training_rows() const;

  double best_ns() const { return best_ns_; }  // infinite before the first good result
  const std::string& best_text() const { return best_text_; }
  /// Gain over the best measured candidate that the last propose() expects of its best one, as a fraction.
  double expected_gain() const { return expected_gain_; }
  /// Batches since the best result changed.
  std::int64_t stale_rounds() const { return stale_rounds_; }

 protected:
  struct Entry {  // a candidate under consideration
    Proposal proposal;
    std::optional<schedules::Candidate> candidate;  // none for seeds
    Sample sample;
  };

  /// Adds proposals until there are `count`, or none is left.
  virtual void fill(std::size_t count, std::vector<Proposal>& out) = 0;

  /// Whether the analytic model takes it for too slow to be worth a trial at the beginning, when nothing else is known.
  bool is_hopeless(const Entry& entry);

  /// nullopt: it was proposed before, or does not apply. A result of an earlier session is recognised by it: its candidate
  /// is known from then on.
  std::optional<Entry> make_entry(const schedules::Candidate& candidate);
  std::optional<Entry> make_entry(const schedules::Schedule& schedule);
  void take(Entry&& entry, std::vector<Proposal>& out);
  Sample sample_of(const ir::LoopNest& nest, const schedules::AnalyticCost& cost) const;
  /// Candidates with a good result, fastest first; equal times by their text.
  std::vector<schedules::Candidate> best_candidates(std::size_t count) const;
  /// How many results of earlier sessions were recognised so far.
  std::size_t recognised() const { return recognised_; }
  /// Time of a candidate that was taken; infinite while it has none.
  double time_of(const schedules::Candidate& candidate) const;
  /// Sets expected_gain().
  void expect(double gain) { expected_gain_ = gain; }

  const CostModel& model() const { return *model_; }
  Rng& rng() { return rng_; }

 private:
  struct Known {
    double ns = std::numeric_limits<double>::infinity();
    bool is_proposed = false;
    std::optional<schedules::Candidate> candidate;
    std::optional<Sample> sample;
  };
  static constexpr double hopeless_ratio = 3;

  schedules::Space space_;
  schedules::Candidate default_;
  std::optional<double> default_estimate_ns_;
  std::uint64_t kernel_;  // Sample::kernel
  Rng rng_;
  std::shared_ptr<const CostModel> model_;
  std::deque<schedules::Schedule> seeds_;
  std::unordered_map<std::string, Known> known_;  // by schedule text
  std::vector<std::string> order_;                // texts with a good result, in the order recorded
  std::vector<std::string> failures_;             // texts that failed, likewise
  double best_ns_ = std::numeric_limits<double>::infinity();
  std::string best_text_;
  double expected_gain_ = 1;
  std::int64_t stale_rounds_ = 0;
  bool improved_ = true;
  std::size_t recognised_ = 0;
};

/// Names for make_strategy; the first is the one that sessions use unless told otherwise.
///   guided     the default, the best of each structural class, then what the model ranks best around the best measured
///   evolution  genetic search over large random populations (Zheng et al., "Ansor", 2020)
///   descent    from the best of random samples, one knob after the other
///   random     feasible candidates at random
std::vector<std::string_view> strategy_names();
/// REQUIRES: a name of strategy_names().
std::unique_ptr<Strategy> make_strategy(std::string_view name, schedules::Space space, std::uint64_t seed,
                                        std::shared_ptr<const CostModel> model);

std::unique_ptr<Strategy> make_guided_strategy(schedules::Space space, std::uint64_t seed,
                                               std::shared_ptr<const CostModel> model);
/// `population`: candidates a generation; 2048 as published.
std::unique_ptr<Strategy> make_evolution_strategy(schedules::Space space, std::uint64_t seed,
                                                  std::shared_ptr<const CostModel> model, std::size_t population = 2048);
std::unique_ptr<Strategy> make_descent_strategy(schedules::Space space, std::uint64_t seed,
                                                std::shared_ptr<const CostModel> model);
std::unique_ptr<Strategy> make_random_strategy(schedules::Space space, std::uint64_t seed,
                                               std::shared_ptr<const CostModel> model);

}  // namespace tunesmith::tuner
