#include "cache/sqlite/database.h"

#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <utility>

#include "ir/support/check.h"
#include "ir/support/hash.h"
#include "ir/support/log.h"

namespace tunesmith::cache::sqlite {
namespace {

using std::chrono::steady_clock;

constexpr int max_value_bytes = 256 << 20;
constexpr auto foreign_file_time = std::chrono::minutes(10);
constexpr auto checkpoint_wait = std::chrono::milliseconds(100);

/// A path as SQLite's URI, so that options can follow it.
std::string uri(const std::string& path, std::string_view options) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string text = "file:";
  for (unsigned char c : path) {
    if (std::isalnum(c) || std::strchr("/-_.~", c) != nullptr) {
      text.push_back(static_cast<char>(c));
    } else {
      text.push_back('%');
      text.push_back(digits[c >> 4]);
      text.push_back(digits[c & 15]);
    }
  }
  return text.append(options);
}

int open_handle(const std::string& path, Access access, sqlite3** database) {
  constexpr int common = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  switch (access) {
    case Access::read_write:
      return sqlite3_open_v2(path.c_str(), database, common | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                             nullptr);
    case Access::read_only:
      return sqlite3_open_v2(path.c_str(), database, common | SQLITE_OPEN_READONLY, nullptr);
    case Access::immutable:
      return sqlite3_open_v2(uri(path, "?immutable=1").c_str(), database,
                             common | SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, nullptr);
    case Access::memory:
      return sqlite3_open_v2(":memory:", database, common | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                             nullptr);
  }
  TS_UNREACHABLE("kind of access");
}

}  // namespace

Expected<std::string, int> read_beginning(const std::string& path, std::size_t bytes) {
  sqlite3* database = nullptr;
  const int opened = open_handle(path, Access::immutable, &database);
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> closer(database, sqlite3_close_v2);
  sqlite3_file* file = nullptr;
  if (opened == SQLITE_OK) sqlite3_file_control(database, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  const int code = database != nullptr ? sqlite3_system_errno(database) : ENOMEM;
  if (file == nullptr || file->pMethods == nullptr) return Unexpected(code != 0 ? code : EIO);
  sqlite3_int64 size = 0;
  if (file->pMethods->xFileSize(file, &size) != SQLITE_OK) return Unexpected(EIO);
  std::string text(std::min<std::size_t>(bytes, static_cast<std::size_t>(size)), '\0');
  if (!text.empty() && file->pMethods->xRead(file, text.data(), static_cast<int>(text.size()), 0) != SQLITE_OK)
    return Unexpected(EIO);
  return text;
}

Statement::Statement(Statement&& other) noexcept
    : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(connection_, other.connection_);
  std::swap(statement_, other.statement_);
  return *this;
}

Statement::~Statement() {
  // In a forked child the connection belongs to the parent: touching it could break the parent's locks.
  if (statement_ != nullptr && connection_->check_process()) sqlite3_finalize(statement_);
}

Statement& Statement::bind(int index, std::int64_t value) {
  TS_CHECK(sqlite3_bind_int64(statement_, index, value) == SQLITE_OK, "binding an integer");
  return *this;
}

Statement& Statement::bind(int index, double value) {
  TS_CHECK(sqlite3_bind_double(statement_, index, value) == SQLITE_OK, "binding a number");
  return *this;
}

Statement& Statement::bind(int index, std::string_view bytes) {
  // A null pointer would bind NULL in place of an empty blob.
  const char* data = bytes.data() != nullptr ? bytes.data() : "";
  const int code = sqlite3_bind_blob64(statement_, index, data, bytes.size(), SQLITE_STATIC);
  TS_CHECK(code == SQLITE_OK || code == SQLITE_TOOBIG, "binding bytes");
  return *this;
}

Statement& Statement::bind(int index, const Digest& digest) {
  const int code = sqlite3_bind_blob(statement_, index, digest.bytes.data(),
                                     static_cast<int>(digest.bytes.size()), SQLITE_TRANSIENT);
  TS_CHECK(code == SQLITE_OK, "binding a digest");
  return *this;
}

Statement& Statement::bind_text(int index, std::string_view text) {
  const int code =
      sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  TS_CHECK(code == SQLITE_OK, "binding a text");
  return *this;
}

Expected<bool, Error> Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Error error = connection_->error(code);
  sqlite3_reset(statement_);
  return Unexpected(std::move(error));
}

Expected<void, Error> Statement::run() {
  const auto row = step();
  if (!row) return Unexpected(row.error());
  reset();
  return {};
}

void Statement::reset() { sqlite3_reset(statement_); }

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }

std::string_view Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(data), size);
}

std::optional<Digest> Statement::digest(int column) const {
  const std::string_view value = bytes(column);
  Digest result;
  if (value.size() != result.bytes.size()) return std::nullopt;
  std::memcpy(result.bytes.data(), value.data(), value.size());
  return result;
}

bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

Connection::Connection(std::string path, const ConnectionOptions& options)
    : path_(std::move(path)), options_(options), process_(getpid()), busy_wait_(options.busy_wait) {
  random_ = std::random_device{}();
  deadline_ = steady_clock::now() + foreign_file_time;
}

Connection::~Connection() {
  if (database_ != nullptr && check_process()) sqlite3_close_v2(database_);
}

Expected<std::unique_ptr<Connection>, Error> Connection::open(const std::string& path,
                                                              const ConnectionOptions& options,
                                                              bool* damaged) {
  std::unique_ptr<Connection> connection(new Connection(path, options));
  const int code = open_handle(path, options.access, &connection->database_);
  if (connection->database_ == nullptr) return Unexpected(make_error("database '{}': out of memory", path));
  auto ready = code == SQLITE_OK ? connection->configure() : Unexpected(connection->error(code));
  if (ready) return connection;
  if (damaged != nullptr) *damaged = connection->damaged();
  return Unexpected(ready.error());
}

Expected<void, Error> Connection::configure() {
  sqlite3_busy_handler(database_, &Connection::on_busy, this);
  sqlite3_limit(database_, SQLITE_LIMIT_LENGTH, max_value_bytes);
  sqlite3_limit(database_, SQLITE_LIMIT_ATTACHED, options_.access == Access::read_write ? 1 : 0);
  sqlite3_db_config(database_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(database_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(database_, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(database_, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  if (options_.access == Access::read_write) sqlite3_wal_hook(database_, &Connection::on_wal, this);
  if (options_.foreign_file) sqlite3_progress_handler(database_, 100000, &Connection::on_progress, this);
  if (auto set = execute("PRAGMA mmap_size=0; PRAGMA foreign_keys=ON;"); !set) return set;
  if (options_.foreign_file)
    if (auto set = execute("PRAGMA cell_size_check=ON"); !set) return set;
  return execute(options_.full_sync ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

Expected<Statement, Error> Connection::prepare(std::string_view sql) {
  if (auto process = check_process(); !process) return Unexpected(process.error());
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return Unexpected(error(code));
  TS_CHECK(statement != nullptr, "an empty statement");
  return Statement(*this, statement);
}

Expected<void, Error> Connection::execute(std::string_view sql) {
  if (auto process = check_process(); !process) return process;
  const int code = sqlite3_exec(database_, std::string(sql).c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return Unexpected(error(code));
  return {};
}

Expected<std::int64_t, Error> Connection::integer(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return Unexpected(statement.error());
  const auto row = statement->step();
  if (!row) return Unexpected(row.error());
  return *row ? statement->integer(0) : std::int64_t{0};
}

Expected<void, Error> Connection::begin() { return execute("BEGIN IMMEDIATE"); }

Expected<void, Error> Connection::commit() { return execute("COMMIT"); }

void Connection::rollback() {
  // Some errors roll back by themselves.
  if (check_process() && sqlite3_get_autocommit(database_) == 0)
    sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
}

std::int64_t Connection::changes() const { return sqlite3_changes64(database_); }

std::int64_t Connection::last_row_id() const { return sqlite3_last_insert_rowid(database_); }

Error Connection::error(int code) const {
  const int system = sqlite3_system_errno(database_);
  const std::string reason = system == 0
                                 ? sqlite3_errmsg(database_)
                                 : fmt::format("{} ({})", sqlite3_errmsg(database_), std::strerror(system));
  last_error_damage_ = false;
  // Depending on the file system, a full disk is an I/O error or one of its own.
  const bool full = system == ENOSPC || system == EDQUOT || system == EFBIG;
  switch (full ? SQLITE_FULL : code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return make_error("database '{}' stayed locked by another process for {} ms", path_,
                        busy_wait_.count());
    case SQLITE_FULL:
      return make_error("database '{}': the disk is full; nothing stored before is lost", path_);
    case SQLITE_READONLY: return make_error("database '{}' cannot be written: {}", path_, reason);
    case SQLITE_CANTOPEN: return make_error("database '{}' cannot be opened: {}", path_, reason);
    case SQLITE_CORRUPT:
      last_error_damage_ = true;
      return make_error("database '{}' is damaged: {}", path_, reason);
    case SQLITE_NOTADB: last_error_damage_ = true; return make_error("'{}' is not a SQLite database", path_);
    case SQLITE_INTERRUPT: return make_error("database '{}': reading took too long and was stopped", path_);
    default: return make_error("database '{}': {}", path_, reason);
  }
}

Expected<void, Error> Connection::check_process() const {
  if (process_ == getpid()) return {};
  return Unexpected(
      make_error("database '{}' was opened before fork(); a child process must open it again", path_));
}

int Connection::on_busy(void* self, int count) {
  auto& connection = *static_cast<Connection*>(self);
  const auto now = steady_clock::now();
  if (count == 0) connection.busy_since_ = now;
  const auto left = connection.busy_wait_ - (now - connection.busy_since_);
  if (left <= steady_clock::duration::zero()) return 0;
  // Random waits: with fixed ones the same process loses every round.
  connection.random_ = mix64(connection.random_ + 0x9e3779b97f4a7c15ull);
  const auto wait = std::chrono::microseconds(200 + connection.random_ % 1800);
  std::this_thread::sleep_for(std::min<steady_clock::duration>(wait, left));
  return 1;
}

int Connection::on_wal(void* self, sqlite3* database, const char* schema, int pages) {
  auto& connection = *static_cast<Connection*>(self);
  constexpr std::int64_t page_bytes = 4096;
  if (pages * page_bytes < connection.options_.wal_limit_bytes) return SQLITE_OK;
  // A reader may hold the log; then the next commit tries again.
  const auto wait = std::exchange(connection.busy_wait_, checkpoint_wait);
  const int code = sqlite3_wal_checkpoint_v2(database, schema, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  connection.busy_wait_ = wait;
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY)
    log(LogLevel::warning, "database '{}': writing back the log failed: {}", connection.path_,
        sqlite3_errstr(code));
  return SQLITE_OK;  // the commit itself succeeded
}

int Connection::on_progress(void* self) {
  return steady_clock::now() > static_cast<Connection*>(self)->deadline_ ? 1 : 0;
}

Transaction::~Transaction() {
  if (open_) connection_.rollback();
}

Expected<void, Error> Transaction::begin() {
  auto begun = connection_.begin();
  open_ = begun.has_value();
  return begun;
}

Expected<void, Error> Transaction::commit() {
  auto committed = connection_.commit();
  if (committed) open_ = false;
  return committed;
}

}  // namespace tunesmith::cache::sqlite
