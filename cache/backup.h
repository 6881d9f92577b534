// Backup: a copy of a tuning database as it is at one moment, while others may write it.
//
// Thread safety: functions without state; the file may be in use and its writers do not wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::cache {

struct BackupReport {
  std::uint64_t bytes = 0;  // of the copy
  std::size_t measurements = 0;
};

/// Copies page by page (SQLite's online backup). The copy is a tuning database like the original, appears
/// under `to` whole and on disk or not at all, and never replaces anything. Errors: the original cannot be
/// read, `to` exists, cannot be written, the disk is full.
Expected<BackupReport, Error> backup_database(const std::string& from, const std::string& to);

}  // namespace tunesmith::cache
