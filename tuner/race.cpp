#include "tuner/race.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ir/support/check.h"
#include "tuner/statistics.h"

namespace tunesmith::tuner {
namespace {

constexpr double doubt = 0.05;  // of the interval, both sides together

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

}  // namespace tunesmith::tuner
