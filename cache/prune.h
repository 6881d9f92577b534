// Prune: lets go of records that are not worth their place. The only way in which measurements leave a tuning
// database; retractions never leave it.
//
// What is chosen goes, unless it belongs to the fastest of its kind: the `keep` fastest schedules (and those
// that cannot be told from the fastest) of every workload under each target, toolchain, protocol and schedule
// language, of what was measured here and of what came from others, each with all its measurements. So with
// `keep` of at least 1, Store::best answers as before. Damaged rows are neither chosen nor ranked.
//
// Thread safety: functions without state; the file may be in use. Everything goes in one transaction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cache/record.h"

namespace tunesmith::cache {

struct PruneOptions {
  std::optional<std::int64_t> before_us;   // choose only records made before (microseconds since 1970)
  std::optional<std::string> target_kind;  // choose only records of this kind of target
  std::optional<std::string> target;       // choose only records of this target; REQUIRES target_kind
  std::size_t keep = 1;                    // 0: nothing is spared
  bool dry_run = false;                    // only tell what would go
};

struct PrunedWorkload {
  std::string workload;
  std::size_t removed = 0;
  std::size_t left = 0;
};

struct PruneReport {
  std::size_t removed = 0;      // measurements
  std::size_t failures = 0;     // of the removed: of candidates that failed, which a search may now try again
  std::size_t foreign = 0;      // of the removed: not measured here
  std::size_t spared = 0;       // chosen, but of the fastest
  std::size_t left = 0;         // measurements in the database afterwards, damaged ones included
  std::size_t damaged = 0;      // left as they are
  std::size_t cost_models = 0;  // of a chosen target of which nothing is left
  std::vector<PrunedWorkload> by_workload;  // that lose something, most removed first, at most max_workloads
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
  std::string not_shrunk;  // why the file could not be made smaller (it will be reused); empty: it was
  static constexpr std::size_t max_workloads = 1000;
};

/// Errors: the file is missing, not ours, damaged, on a network file system, locked for long, the disk is
/// full; then nothing has gone.
Expected<PruneReport, Error> prune_database(const std::string& path, const PruneOptions& options);

}  // namespace tunesmith::cache
