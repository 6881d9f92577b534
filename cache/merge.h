// Merge: the records of one SQLite file into a store, as a union of sets. The file is treated as a
// stranger's: hardened reading, its schema must be ours, every record is hashed again and comes in as
// foreign.
//
// Merging twice changes nothing more; the order of merges does not matter for the set of records.
// Cost models are not merged: they are not data but the input of a foreign parser.
//
// Thread safety: as the store's.
#pragma once

#include <string>

#include "cache/bundle.h"

namespace tunesmith::cache {

struct MergeIssue {
  std::string where;  // row or hash of the measurement
  std::string message;
};

struct MergeReport {
  std::size_t added = 0;
  std::size_t present = 0;
  std::size_t retractions = 0;
  std::size_t rejected = 0;        // damaged or refused
  std::vector<MergeIssue> issues;  // the first max_issues
  static constexpr std::size_t max_issues = 1000;
};

/// Errors: the file is missing, not ours, of another version, fails SQLite's own check, or storing failed.
Expected<MergeReport, Error> merge_database(Store& into, const std::string& from, const Refuse& refuse = {});

}  // namespace tunesmith::cache
