// Features: what the learned cost model sees of a candidate: the terms of the analytic model, as logarithms and
// ratios, so that tasks of different sizes share one model.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "schedules/analytic.h"
#include "schedules/machine.h"

namespace tunesmith::tuner {

/// Bumped when the meaning or the order of features changes: stored models of other versions are not used.
inline constexpr int feature_version = 1;

/// Names in order; for messages and for tests.
std::vector<std::string_view> feature_names();

/// One row, in the order of feature_names().
std::vector<float> features_of(const schedules::AnalyticCost& cost, const schedules::Machine& machine);

}  // namespace tunesmith::tuner
