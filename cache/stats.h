// Stats: what a tuning database holds, in numbers.
//
// Thread safety: functions without state; the file may be in use.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cache/record.h"

namespace tunesmith::cache {

struct TargetStats {
  std::string kind;
  std::string target;
  std::size_t measurements = 0;
};

struct WorkloadStats {
  std::string workload;
  std::size_t measurements = 0;
  std::size_t failures = 0;
  double best_ns = 0;  // over all targets and conditions, measured here; 0: none
};

struct DatabaseStats {
  std::int64_t format_version = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t log_bytes = 0;  // written, not yet in the file
  std::size_t measurements = 0;
  std::size_t workloads = 0;
  std::size_t schedules = 0;
  std::size_t toolchains = 0;
  std::size_t sources = 0;
  std::size_t retractions = 0;
  std::size_t cost_models = 0;
  std::array<std::size_t, status_count> by_status{};
  std::array<std::size_t, 3> by_trust{};
  std::vector<TargetStats> by_target;      // most measurements first
  std::vector<WorkloadStats> by_workload;  // most measurements first
};

/// The error says why the file cannot be read.
Expected<DatabaseStats, Error> database_stats(const std::string& path, std::size_t max_workloads = 100);

}  // namespace tunesmith::cache
