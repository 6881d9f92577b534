// Feasible candidates at random; the model is not asked.
#include "tuner/strategy.h"

namespace tunesmith::tuner {
namespace {

constexpr std::size_t most_repeats = 200;  // draws of known candidates in a row, after which the space counts as dry

class RandomStrategy final : public Strategy {
 public:
  using Strategy::Strategy;

 protected:
  void fill(std::size_t count, std::vector<Proposal>& out) override {
    for (std::size_t repeats = 0; out.size() < count && repeats < most_repeats; ++repeats)
      if (auto entry = make_entry(space().random_candidate(rng()))) {
        take(std::move(*entry), out);
        repeats = 0;
      }
  }
};

}  // namespace

std::unique_ptr<Strategy> make_random_strategy(schedules::Space space, std::uint64_t seed,
                                               std::shared_ptr<const CostModel> model) {
  return std::make_unique<RandomStrategy>(std::move(space), seed, std::move(model));
}

}  // namespace tunesmith::tuner
