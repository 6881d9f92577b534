// Race: is a candidate faster than the incumbent, whatever the machine does meanwhile?
//
// Both run in pairs, one right after the other, in turns of order, so that drift of the clock and busy neighbours act on
// both. What counts is the median of the logarithms of the pairs' ratios with its distribution-free confidence interval
// (order statistics; Conover, "Practical Nonparametric Statistics", 1999, section 3.2): outliers move neither.
#pragma once

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
RaceResult judge_race(std::span<const double> log_ratios);

/// One race, whoever runs the pairs. It is looked at a few times only, so that the confidence holds. Who is found to be
/// faster must win a second turn, and that alone says by how much: the pairs that first told a winner are luckier than
/// others, and the luck of a long row of winners would add up.
class Race {
 public:
  /// Pairs to run next; 0: it is over.
  std::size_t wanted() const;
  /// ln(candidate / incumbent) of each. Fewer than wanted: there is no time for more.
  void add(std::span<const double> log_ratios);
  /// The candidate was found to be faster once.
  bool is_second_turn() const { return second_turn_ > 0; }
  RaceResult result() const { return result_; }
  /// Of all pairs.
  std::span<const double> log_ratios() const { return log_ratios_; }

 private:
  std::span<const double> turn() const { return log_ratios().subspan(second_turn_); }

  std::vector<double> log_ratios_;
  std::size_t second_turn_ = 0;  // where it begins
  bool over_ = false;
  RaceResult result_;
};

}  // namespace tunesmith::tuner
