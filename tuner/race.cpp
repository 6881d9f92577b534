#include "tuner/race.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ir/support/check.h"
#include "tuner/statistics.h"

namespace tunesmith::tuner {
namespace {

constexpr double doubt = 0.05;  // of the interval, both sides together
constexpr std::array<std::size_t, 4> looks = {6, 12, 24, 48};  // pairs of a turn

/// How many values lie outside of the interval on each side: the largest k with P(Binomial(n, 1/2) < k) <= doubt / 2.
std::size_t outside(std::size_t n) {
  double term = std::pow(0.5, static_cast<double>(n)), sum = term;
  std::size_t k = 0;
  while (sum <= doubt / 2) {
    ++k;
    term *= static_cast<double>(n - k + 1) / static_cast<double>(k);
    sum += term;
  }
  return k;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::faster: return "faster";
    case Verdict::slower: return "slower";
    case Verdict::tie: return "tie";
    case Verdict::open: return "open";
  }
  TS_UNREACHABLE("verdict");
}

RaceResult judge_race(std::span<const double> log_ratios) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  RaceResult result{Verdict::open, 0, -infinity, infinity};
  if (log_ratios.empty()) return result;
  std::vector<double> sorted(log_ratios.begin(), log_ratios.end());
  std::ranges::sort(sorted);
  result.log_ratio = median(sorted);
  const std::size_t k = outside(sorted.size());
  if (k == 0) return result;
  result.low = sorted[k - 1];
  result.high = sorted[sorted.size() - k];
  if (result.low > -tie_width && result.high < tie_width)
    result.verdict = Verdict::tie;
  else if (result.high < 0)
    result.verdict = Verdict::faster;
  else if (result.low > 0)
    result.verdict = Verdict::slower;
  return result;
}

std::size_t Race::wanted() const {
  const auto next = std::ranges::find_if(looks, [&](std::size_t look) { return look > turn().size(); });
  return over_ ? 0 : *next - turn().size();
}

void Race::add(std::span<const double> log_ratios) {
  TS_CHECK(!over_ && log_ratios.size() <= wanted(), "pairs that nobody asked for");
  const bool no_time = log_ratios.size() < wanted();
  log_ratios_.insert(log_ratios_.end(), log_ratios.begin(), log_ratios.end());
  if (is_second_turn() && turn().empty()) {  // the first one stands
    over_ = true;
    return;
  }
  result_ = judge_race(turn());
  if (result_.verdict == Verdict::faster && !is_second_turn())
    second_turn_ = log_ratios_.size();
  else
    over_ = result_.verdict != Verdict::open || turn().size() == looks.back() || no_time;
  // The first turn was sure, and this one leans to the same side.
  if (over_ && is_second_turn() && result_.verdict == Verdict::open &&
      result_.log_ratio < -tie_width / 2)
    result_.verdict = Verdict::faster;
}

}  // namespace tunesmith::tuner
