// How times are ranked, by look-ups and by pruning alike. Internal to the cache room.
//
// Thread safety: pure functions.
#pragma once

#include <algorithm>
#include <cmath>

namespace tunesmith::cache::sqlite {

/// Times closer than this to the best are not told apart: the standard error of its median, at most 1 %.
inline double tie_window_ns(double median_ns, double mad_ns, int samples) {
  const double standard_error = 1.858 * mad_ns / std::sqrt(std::max(1, samples));
  return std::min(standard_error, 0.01 * median_ns);
}

}  // namespace tunesmith::cache::sqlite
