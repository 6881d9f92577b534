// Check: is a tuning database whole? Reads everything, changes nothing.
//
// Thread safety: functions without state; the file may be in use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::cache {

struct CheckIssue {
  std::string table;     // empty: the file as a whole
  std::int64_t row = 0;  // 0: the table as a whole
  std::string message;
};

struct CheckReport {
  std::size_t rows = 0;            // that were hashed again
  std::size_t issue_count = 0;     // of damage
  std::vector<CheckIssue> issues;  // the first max_issues
  std::size_t orphans = 0;         // rows that no measurement uses: harmless
  bool whole() const { return issue_count == 0; }
  static constexpr std::size_t max_issues = 1000;
};

/// SQLite's integrity and foreign key checks, every row against its key or hash, rows that nothing uses. The
/// error says why the file cannot be checked at all (missing, not ours, unreadable).
Expected<CheckReport, Error> check_database(const std::string& path);

}  // namespace tunesmith::cache
