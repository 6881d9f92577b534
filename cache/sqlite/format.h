// File formats: which SQLite file is ours, of which version, and how it is created and brought up to date.
// Internal to the cache room.
//
// Invariants: a file of another program, of a newer version or with a damaged header is refused before SQLite
// opens it for writing, and stays as it is. Migrations only go forward, in one transaction, after a copy was
// made. The application id stands in the file itself before the write-ahead log is switched on, so that the
// header alone always tells.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "cache/sqlite/database.h"

namespace tunesmith::cache::sqlite {

/// The statements that make version `n` from version `n - 1`; migration i makes version i + 1.
using Migration = std::string_view;

struct Format {
  std::string_view name;  // for messages: "tuning database"
  std::int64_t application_id = 0;
  std::span<const Migration> migrations;

  std::int64_t version() const { return static_cast<std::int64_t>(migrations.size()); }
};

/// The knowledge of tuning: records, retractions, cost models.
const Format& tuning_format();
/// Compiled code.
const Format& object_format();

enum class FileState { missing, empty, ours, other, newer, damaged, unreadable };

struct FileCheck {
  FileState state = FileState::missing;
  std::string message;  // for other, newer, damaged, unreadable
};

/// Reads the header only, and through SQLite: a file that is opened and closed beside it takes away the locks that other
/// connections of this process hold ("How to corrupt an SQLite database file", 2.2).
FileCheck check_file(const std::string& path, const Format& format);

/// Opens for writing: creates what is missing, migrates what is older. After a failure, `damaged` tells
/// whether the file's contents are the reason.
Expected<std::unique_ptr<Connection>, Error> open_for_writing(const std::string& path, const Format& format,
                                                              ConnectionOptions options,
                                                              bool* damaged = nullptr);

/// Opens for reading without writing anything, not even SQLite's side files where no writer is active:
/// immutable while the file has no log, else read-only.
Expected<std::unique_ptr<Connection>, Error> open_for_reading(const std::string& path, const Format& format,
                                                              ConnectionOptions options);

/// Tells whether a file was written since, for connections that take no locks.
struct FileStamp {
  std::int64_t modified_ns = 0;
  std::int64_t size = 0;
  std::int64_t inode = 0;
  bool has_log = false;

  bool operator==(const FileStamp&) const = default;
};
FileStamp file_stamp(const std::string& path);

/// The schema as text, one statement a line, for comparing files.
Expected<std::string, Error> schema_text(Connection& connection);
/// The schema that `format` gives to a new file.
std::string expected_schema_text(const Format& format);

}  // namespace tunesmith::cache::sqlite
