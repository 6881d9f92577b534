// Features: what the learned cost models see of a candidate.
//
// features_of: the terms of the analytic model, as logarithms and ratios, so that tasks of different sizes share one
// model. statement_features: what each statement does and touches, with no time in it.
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

inline constexpr std::size_t statement_feature_count = 34;
/// A row of statement_feature_count numbers for each statement of the nest's body, one after the other.
std::vector<float> statement_features(const ir::LoopNest& nest, const schedules::Machine& machine, int threads);

}  // namespace tunesmith::tuner
