// Race: is a candidate faster than the incumbent, whatever the machine does meanwhile?
//
// Both run in pairs, one right after the other, in turns of order, so that drift of the clock and busy neighbours act on
// both. What counts is the median of the logarithms of the pairs' ratios with its distribution-free confidence interval
// (order statistics; Conover, "Practical Nonparametric Statistics", 1999, section 3.2): outliers move neither.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tunesmith::tuner {

enum class Verdict : std::uint8_t {
  faster,  // the candidate, by more than the noise
  slower,
  tie,   // inside `tie_width`
  open,  // more pairs may tell
};
std::string_view to_string(Verdict verdict);

struct RaceResult {
  Verdict verdict = Verdict::open;
  double log_ratio = 0;  // median ln(candidate / incumbent)
  double low = 0;        // of its 95 % confidence interval; infinite with fewer than 6 pairs
  double high = 0;
};

inline constexpr double tie_width = 0.01;
/// Pairs after which a race is looked at: few looks, so that the confidence holds.
inline constexpr std::array<std::size_t, 4> race_looks = {6, 12, 24, 48};

RaceResult judge_race(std::span<const double> log_ratios);

}  // namespace tunesmith::tuner
