// SpeedProbe: whether this core runs at full speed right now.
//
// A short loop of independent multiply-adds in registers, of known work: it takes longer when a neighbour shares the
// core, when the clock is lower, or when the host runs something else meanwhile. Not synchronised; use it in the thread
// that is timed.
#pragma once

#include <chrono>
#include <limits>

namespace tunesmith::tuner {

class SpeedProbe {
 public:
  /// Runs the loop, about 13 us. True where it was within 4 % of the fastest so far.
  bool is_at_full_speed() {
    const double ns = run();
    if (ns < fastest_ns_) fastest_ns_ = ns;
    return ns * least_speed <= fastest_ns_;
  }

 private:
  static constexpr double least_speed = 0.96;
  static constexpr int rounds = 5600;

  double run() {
    using Lanes = float __attribute__((vector_size(16)));
    const Lanes factor = {0.999f, 0.998f, 0.997f, 0.996f};
    Lanes sums[8];
    for (Lanes& sum : sums) sum = factor;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < rounds; ++i)
      for (Lanes& sum : sums) sum = sum * factor + factor;
    const auto end = std::chrono::steady_clock::now();
    for (const Lanes& sum : sums) sink_ = sum[0];  // the loop has a result that counts
    return std::chrono::duration<double, std::nano>(end - start).count();
  }

  volatile float sink_ = 0;
  double fastest_ns_ = std::numeric_limits<double>::infinity();
};

}  // namespace tunesmith::tuner
