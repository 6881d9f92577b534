// Coordinate descent: from the best of a few random samples, all values of one knob after the other, the best kept; when
// no knob helps any more, from new samples.
#include <algorithm>

#include "tuner/strategy.h"

namespace tunesmith::tuner {
namespace {

constexpr std::size_t samples_a_start = 16;
constexpr std::size_t most_repeats = 200;  // starts that give nothing new in a row, after which the space counts as dry

class DescentStrategy final : public Strategy {
 public:
  using Strategy::Strategy;

 protected:
  void fill(std::size_t count, std::vector<Proposal>& out) override {
    const std::size_t seeds = out.size();
    for (std::size_t repeats = 0; out.size() < count && repeats < most_repeats; ++repeats) {
      // What is out must be measured before the next step is known.
      if (queue_.empty() && out.size() > seeds) return;
      if (queue_.empty()) step();
      for (; out.size() < count && !queue_.empty(); queue_.pop_front())
        if (auto entry = make_entry(queue_.front())) {
          take(std::move(*entry), out);
          repeats = 0;
        }
    }
  }

 private:
  /// Queues the line of the next knob around where the descent stands, or the samples of a new one.
  void step() {
    move_to_best();
    if (!at_ || knobs_left_.empty()) {
      at_.reset();
      line_.clear();
      for (std::size_t i = 0; i < samples_a_start; ++i) line_.push_back(space().random_candidate(rng()));
    } else {
      const std::size_t pick = rng().below(knobs_left_.size());
      line_ = space().line(*at_, knobs_left_[pick]);
      knobs_left_.erase(knobs_left_.begin() + static_cast<std::ptrdiff_t>(pick));
    }
    queue_.assign(line_.begin(), line_.end());
  }

  void move_to_best() {
    const auto best = std::ranges::min_element(line_, {}, [&](const auto& candidate) { return time_of(candidate); });
    if (best == line_.end() || (at_ && time_of(*best) >= time_of(*at_))) return;
    at_ = *best;
    knobs_left_.clear();
    for (std::size_t knob = 0; knob < at_->choices.size(); ++knob) knobs_left_.push_back(knob);
  }

  std::optional<schedules::Candidate> at_;
  std::vector<std::size_t> knobs_left_;       // not yet swept from `at_`
  std::vector<schedules::Candidate> line_;    // that was queued last
  std::deque<schedules::Candidate> queue_;
};

}  // namespace

std::unique_ptr<Strategy> make_descent_strategy(schedules::Space space, std::uint64_t seed,
                                                std::shared_ptr<const CostModel> model) {
  return std::make_unique<DescentStrategy>(std::move(space), seed, std::move(model));
}

}  // namespace tunesmith::tuner
