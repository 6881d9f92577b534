// Backing up a SQLite file, see backup.h.
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cache/backup.h"
#include "cache/sqlite/format.h"
#include "ir/support/log.h"

namespace tunesmith::cache {
namespace {

namespace fs = std::filesystem;
using sqlite::Connection;

/// Readings that a writer overtook (of a file without log) before giving up.
constexpr int tries = 5;

/// The copy under a name of its own, removed with everything SQLite laid beside it unless it was published.
class Partial {
 public:
  explicit Partial(const std::string& to) : path_(fmt::format("{}.{}.partial", to, getpid())) {}
  ~Partial() {
    std::error_code ignored;
    for (const char* suffix : {"", "-journal", "-wal", "-shm"}) fs::remove(path_ + suffix, ignored);
  }
  Partial(const Partial&) = delete;
  Partial& operator=(const Partial&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Error write_error(const std::string& to, int code) {
  return make_error("cannot write the backup '{}': {}", to, std::strerror(code));
}

Error exists_error(const std::string& to) {
  return make_error("'{}' exists already; a backup replaces nothing: choose another name", to);
}

/// Writes the copy and gives its number of measurements.
Expected<std::int64_t, Error> copy(Connection& from, const Partial& partial, const std::string& to) {
  sqlite::ConnectionOptions options;
  options.access = sqlite::Access::read_write;
  auto opened = Connection::open(partial.path(), options);
  if (!opened) return Unexpected(make_error("cannot write the backup '{}': {}", to, opened.error().message));
  Connection& copy = **opened;
  sqlite3_backup* backup = sqlite3_backup_init(copy.handle(), "main", from.handle(), "main");
  if (backup == nullptr) return Unexpected(copy.error(sqlite3_errcode(copy.handle())));
  // In one step, so that the source is read at one moment; in WAL mode its writers go on meanwhile.
  const int stepped = sqlite3_backup_step(backup, -1);
  const int finished = sqlite3_backup_finish(backup);
  if (stepped != SQLITE_DONE) {
    const int code = finished != SQLITE_OK ? finished : stepped;
    if ((code & 0xff) == SQLITE_FULL || (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN)
      return Unexpected(make_error("cannot write the backup '{}': {}; the database stays as it is", to,
                                   sqlite3_errstr(code)));
    return Unexpected(make_error("database '{}' cannot be copied: {}", from.path(), sqlite3_errstr(code)));
  }
  // A rollback journal in place of the log: the copy is one file until somebody writes it.
  if (auto single = copy.execute("PRAGMA journal_mode=DELETE"); !single) return Unexpected(single.error());
  return copy.integer("SELECT count(*) FROM measurement");
}

Expected<std::int64_t, Error> copy_at_one_moment(const std::string& from, const Partial& partial,
                                                 const std::string& to) {
  sqlite::ConnectionOptions options;
  options.busy_wait = std::chrono::seconds(5);
  for (int i = 0; i < tries; ++i) {
    const sqlite::FileStamp before = sqlite::file_stamp(from);
    auto source = sqlite::open_for_reading(from, sqlite::tuning_format(), options);
    if (!source) return Unexpected(source.error());
    auto copied = copy(**source, partial, to);
    // A file without log is read without locks: what was written meanwhile may have torn the copy.
    if (!(*source)->is_immutable() || sqlite::file_stamp(from) == before) return copied;
    std::error_code ignored;
    fs::remove(partial.path(), ignored);
  }
  return Unexpected(make_error("database '{}' was written all the time; try again", from));
}

/// Puts a file or folder's entries on disk.
bool sync(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool done = fsync(file) == 0;
  const int code = errno;
  close(file);
  errno = code;
  return done;
}

/// Gives the copy its name, which must be free.
Expected<void, Error> publish(const Partial& partial, const std::string& to) {
  if (!sync(partial.path())) return Unexpected(write_error(to, errno));
  if (renameat2(AT_FDCWD, partial.path().c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) return Unexpected(exists_error(to));
    // Not every file system knows the flag; a hard link does not replace either.
    if ((errno != EINVAL && errno != ENOSYS) || link(partial.path().c_str(), to.c_str()) != 0)
      return Unexpected(errno == EEXIST ? exists_error(to) : write_error(to, errno));
  }
  const std::string folder = fs::path(to).parent_path().string();
  if (!sync(folder.empty() ? "." : folder))
    log(LogLevel::warning, "the folder of the backup '{}' is not on disk yet: {}", to, std::strerror(errno));
  return {};
}

}  // namespace

Expected<BackupReport, Error> backup_database(const std::string& from, const std::string& to) {
  std::error_code error;
  if (fs::symlink_status(to, error).type() != fs::file_type::not_found) return Unexpected(exists_error(to));
  const Partial partial(to);
  const auto measurements = copy_at_one_moment(from, partial, to);
  if (!measurements) return Unexpected(measurements.error());
  if (auto published = publish(partial, to); !published) return Unexpected(published.error());
  return BackupReport{fs::file_size(to, error), static_cast<std::size_t>(*measurements)};
}

}  // namespace tunesmith::cache
