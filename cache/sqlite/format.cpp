#include "cache/sqlite/format.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

#include "cache/location.h"
#include "ir/support/check.h"
#include "ir/support/log.h"

namespace tunesmith::cache::sqlite {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view magic("SQLite format 3\0", 16);

std::uint32_t big_endian_32(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::string newer_message(const std::string& path, const Format& format, std::int64_t version) {
  return fmt::format(
      "{} '{}' has format version {}; this Tunesmith knows versions up to {}: use a newer Tunesmith",
      format.name, path, version, format.version());
}

std::string other_message(const std::string& path, const Format& format) {
  return fmt::format("'{}' is a database of another program, not a Tunesmith {}; it was left as it is", path,
                     format.name);
}

/// What the open connection says the file is: 0 for an empty one, else its version.
Expected<std::int64_t, Error> version_of(Connection& connection, const Format& format) {
  // One statement sees one moment: another process may make the file meanwhile.
  auto statement = connection.prepare(
      "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) "
      "FROM pragma_application_id, pragma_user_version");
  if (!statement) return Unexpected(statement.error());
  const auto row = statement->step();
  if (!row) return Unexpected(row.error());
  const std::int64_t application = statement->integer(0), version = statement->integer(1);
  const std::int64_t objects = statement->integer(2);
  if (application == 0 && version == 0 && objects == 0) return std::int64_t{0};
  if (application != format.application_id)
    return Unexpected(Error{other_message(connection.path(), format)});
  if (version > format.version()) return Unexpected(Error{newer_message(connection.path(), format, version)});
  if (version < 1 || objects == 0)
    return Unexpected(make_error("{} '{}' is damaged: it has no tables", format.name, connection.path()));
  return version;
}

/// A copy of the file as it was, beside it, under a name that is free.
Expected<void, Error> copy_before_migration(Connection& connection, std::int64_t version) {
  std::string copy = fmt::format("{}.v{}.backup", connection.path(), version);
  for (int i = 1; fs::exists(copy); ++i)
    copy = fmt::format("{}.v{}.backup.{}", connection.path(), version, i);
  auto statement = connection.prepare("VACUUM INTO ?1");
  if (!statement) return Unexpected(statement.error());
  if (auto copied = statement->bind_text(1, copy).run(); !copied) return copied;
  log(LogLevel::info, "database '{}': a copy of format version {} is in '{}'", connection.path(), version,
      copy);
  return {};
}

/// Runs the migrations that are missing, in one transaction. Another process may have run them meanwhile.
Expected<void, Error> migrate(Connection& connection, const Format& format) {
  Transaction transaction(connection);
  if (auto begun = transaction.begin(); !begun) return begun;
  const auto version = version_of(connection, format);
  if (!version) return Unexpected(version.error());
  for (std::int64_t v = *version; v < format.version(); ++v)
    if (auto done = connection.execute(format.migrations[static_cast<std::size_t>(v)]); !done) return done;
  auto stamped = connection.execute(fmt::format("PRAGMA application_id={}; PRAGMA user_version={}",
                                                format.application_id, format.version()));
  if (!stamped) return stamped;
  return transaction.commit();
}

/// Switching needs the file for a moment without any other connection; SQLite does not wait for that itself.
Expected<void, Error> use_write_ahead_log(Connection& connection, std::chrono::milliseconds wait) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  while (true) {
    auto statement = connection.prepare("PRAGMA journal_mode=WAL");
    if (!statement) return Unexpected(statement.error());
    const auto row = statement->step();
    if (row && *row && statement->bytes(0) == "wal") return {};
    if (std::chrono::steady_clock::now() >= deadline)
      return Unexpected(row ? make_error("database '{}': no write-ahead log is possible on this file system",
                                         connection.path())
                            : row.error());
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

Expected<void, Error> bring_up_to_date(Connection& connection, const Format& format,
                                       std::chrono::milliseconds wait) {
  const auto version = version_of(connection, format);
  if (!version) return Unexpected(version.error());
  if (*version != format.version()) {
    if (*version != 0)
      if (auto copied = copy_before_migration(connection, *version); !copied) return copied;
    if (auto migrated = migrate(connection, format); !migrated) return migrated;
  }
  auto mode = connection.prepare("PRAGMA journal_mode");
  if (!mode) return Unexpected(mode.error());
  const auto row = mode->step();
  if (!row) return Unexpected(row.error());
  const bool is_wal = *row && mode->bytes(0) == "wal";
  mode->reset();
  return is_wal ? Expected<void, Error>() : use_write_ahead_log(connection, wait);
}

/// The file can be read, and is ours and of our version.
Expected<void, Error> check_readable(Connection& connection, const Format& format) {
  const auto version = version_of(connection, format);
  if (!version) return Unexpected(version.error());
  if (*version == 0) return Unexpected(make_error("{} '{}' is empty", format.name, connection.path()));
  if (*version != format.version())
    return Unexpected(
        make_error("{} '{}' has the older format version {}; open it for writing once to bring it to {}",
                   format.name, connection.path(), *version, format.version()));
  return {};
}

/// SQLite opens what it must not write for reading, without a word, and lays its log beside it.
Expected<void, Error> check_writable(const std::string& path, const Format& format) {
  if (faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0 && errno != ENOENT)
    return Unexpected(make_error("{} '{}' cannot be written: {}", format.name, path, std::strerror(errno)));
  std::error_code error;  // SQLite follows links
  const std::string folder = fs::weakly_canonical(fs::absolute(path, error), error).parent_path().string();
  if (faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    return Unexpected(make_error("{} '{}' cannot be written: its log must lie in the folder '{}': {}",
                                 format.name, path, folder, std::strerror(errno)));
  return {};
}

}  // namespace

FileCheck check_file(const std::string& path, const Format& format) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) return {FileState::missing, ""};
  if (fs::is_directory(status))
    return {FileState::other, fmt::format("'{}' is a folder, not a {}", path, format.name)};
  constexpr std::size_t header_bytes = 100;
  const auto beginning = read_beginning(path, header_bytes);
  if (!beginning)
    return {FileState::unreadable,
            fmt::format("{} '{}' cannot be read: {}", format.name, path, std::strerror(beginning.error()))};
  const std::string& header = *beginning;
  const std::size_t got = header.size();
  if (got == 0) return {FileState::empty, ""};
  if (header.substr(0, magic.size()) != magic.substr(0, got))
    return {FileState::other,
            fmt::format("'{}' is not a SQLite database, so no {}; it was left as it is", path, format.name)};
  if (got < header_bytes)
    return {FileState::damaged, fmt::format("{} '{}' is cut short", format.name, path)};
  const std::int64_t version = static_cast<std::int32_t>(big_endian_32(header.data() + 60));
  const std::int64_t application = static_cast<std::int32_t>(big_endian_32(header.data() + 68));
  if (application != format.application_id) return {FileState::other, other_message(path, format)};
  if (version > format.version()) return {FileState::newer, newer_message(path, format, version)};
  const std::uint32_t page_bytes =
      static_cast<unsigned char>(header[16]) << 8 | static_cast<unsigned char>(header[17]);
  const std::uint64_t expected =
      std::uint64_t{big_endian_32(header.data() + 28)} * (page_bytes == 1 ? 65536 : page_bytes);
  // Pages that are still in the log are not in the file yet.
  if (!file_stamp(path).has_log && fs::file_size(path, error) < expected)
    return {FileState::damaged, fmt::format("{} '{}' is cut short: {} of {} bytes are there", format.name,
                                            path, fs::file_size(path, error), expected)};
  return {FileState::ours, ""};
}

Expected<std::unique_ptr<Connection>, Error> open_for_writing(const std::string& path, const Format& format,
                                                              ConnectionOptions options, bool* damaged) {
  const FileCheck check = check_file(path, format);
  if (damaged != nullptr) *damaged = check.state == FileState::damaged;
  if (!check.message.empty()) return Unexpected(Error{check.message});
  if (const auto network = network_file_system(path))
    return Unexpected(
        make_error("{} '{}' is on a network file system ({}), where writing is not safe; use a local path "
                   "such as '/var/tmp/tunesmith/tuning.db' and exchange records with db export and import",
                   format.name, path, *network));
  if (auto folders = create_parent_folders(path); !folders) return Unexpected(folders.error());
  if (auto writable = check_writable(path, format); !writable) return Unexpected(writable.error());
  options.access = Access::read_write;
  auto connection = Connection::open(path, options, damaged);
  if (!connection) return connection;
  auto ready = bring_up_to_date(**connection, format, options.busy_wait);
  if (ready) return connection;
  if (damaged != nullptr) *damaged = (*connection)->damaged();
  return Unexpected(ready.error());
}

Expected<std::unique_ptr<Connection>, Error> open_for_reading(const std::string& path, const Format& format,
                                                              ConnectionOptions options) {
  const FileCheck check = check_file(path, format);
  if (check.state == FileState::missing)
    return Unexpected(make_error("{} '{}' does not exist", format.name, path));
  if (check.state == FileState::empty) return Unexpected(make_error("{} '{}' is empty", format.name, path));
  if (!check.message.empty()) return Unexpected(Error{check.message});
  options.access = file_stamp(path).has_log ? Access::read_only : Access::immutable;
  if (const auto network = network_file_system(path); network && options.access == Access::read_only)
    return Unexpected(
        make_error("{} '{}' on a network file system ({}) is being written by some machine; copy it to a "
                   "local path",
                   format.name, path, *network));
  auto connection = Connection::open(path, options);
  if (!connection) return connection;
  if (auto readable = check_readable(**connection, format); !readable) return Unexpected(readable.error());
  return connection;
}

FileStamp file_stamp(const std::string& path) {
  FileStamp stamp;
  struct stat status {};
  if (stat(path.c_str(), &status) == 0) {
    stamp.modified_ns = status.st_mtim.tv_sec * 1000000000ll + status.st_mtim.tv_nsec;
    stamp.size = status.st_size;
    stamp.inode = static_cast<std::int64_t>(status.st_ino);
  }
  for (const char* suffix : {"-wal", "-journal"})
    if (stat((path + suffix).c_str(), &status) == 0 && status.st_size > 0) stamp.has_log = true;
  return stamp;
}

Expected<std::string, Error> schema_text(Connection& connection) {
  auto statement =
      connection.prepare("SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name");
  if (!statement) return Unexpected(statement.error());
  std::string text;
  while (true) {
    const auto row = statement->step();
    if (!row) return Unexpected(row.error());
    if (!*row) return text;
    text += fmt::format("{} {} {}\n", statement->bytes(0), statement->bytes(1), statement->bytes(2));
  }
}

std::string expected_schema_text(const Format& format) {
  ConnectionOptions options;
  options.access = Access::memory;
  auto connection = Connection::open("the schema in memory", options);
  TS_CHECK(connection.has_value(), "a database in memory");
  const auto migrated = migrate(**connection, format);
  TS_CHECK(migrated.has_value(), "the migrations of a format run");
  auto text = schema_text(**connection);
  TS_CHECK(text.has_value(), "the schema of a database in memory");
  return *text;
}

}  // namespace tunesmith::cache::sqlite
