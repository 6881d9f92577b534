// What a cost model learns before a session measures anything: what the database holds of all kernels.
//
// Measurements of other machines count as far as they are known to agree with this one: Spearman's correlation over the
// schedules that both measured. Failures count from this machine and compiler only.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "cache/record.h"
#include "tuner/cost_model.h"
#include "tuner/environment.h"

namespace tunesmith::tuner {

/// How far the order of another target's times is the order here, 0 to 1, by target text. A target that shares fewer than
/// `least_shared` schedules with `target` is taken at `unknown_agreement`.
std::map<std::string, double> rank_agreement(std::span<const cache::Record> records, const std::string& target);
inline constexpr std::size_t least_shared = 8;
inline constexpr double unknown_agreement = 0.25;

/// Rows of the environment's records with the same protocol, at most `limit`, this machine's and the newest first; those
/// that no longer apply are left out. Weights below 1: what a session measures itself counts more.
std::vector<TrainingRow> past_rows(const Environment& environment, const CostModel& model, std::size_t limit = 250);

}  // namespace tunesmith::tuner
