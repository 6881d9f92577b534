// Robust statistics of samples.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "ir/support/check.h"

namespace tunesmith::tuner {

/// The middle value; the mean of the two middle ones for an even count. REQUIRES: not empty.
inline double median(std::vector<double> values) {
  TS_CHECK(!values.empty(), "median of nothing");
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::ranges::max_element(values.begin(), middle)) / 2;
}

/// Median of |x - median|: the spread that outliers do not move.
inline double median_absolute_deviation(const std::vector<double>& values) {
  const double center = median(values);
  std::vector<double> distances;
  distances.reserve(values.size());
  for (double value : values) distances.push_back(std::abs(value - center));
  return median(std::move(distances));
}

/// Spearman's rank correlation, -1 to 1: ties share the mean of their ranks. 0 where one side is all ties.
/// REQUIRES: equal sizes.
double rank_correlation(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace tunesmith::tuner
