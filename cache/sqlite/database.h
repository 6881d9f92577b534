// Thin RAII layer over SQLite's C API: connections with this project's fixed settings, prepared statements,
// transactions. Internal to the cache room.
//
// Settings of every connection: own busy handler (random sleep of 0.2 to 2 ms up to the given wait),
// mmap_size=0, foreign keys on, defensive mode, no trusted schema, no triggers or views, bounded lengths.
//
// Thread safety: none; one thread at a time uses a connection and its statements. Every statement must be
// destroyed before its connection.
#pragma once

#include <sys/types.h>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ir/support/error.h"
#include "ir/support/expected.h"
#include "ir/support/hash.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tunesmith::cache::sqlite {

enum class Access {
  read_write,  // creates the file
  read_only,
  immutable,  // read-only, without locks and without the write-ahead log: nobody writes the file
  memory,     // a fresh database in memory
};

struct ConnectionOptions {
  Access access = Access::read_only;
  std::chrono::milliseconds busy_wait{5};
  bool full_sync = true;                      // FULL, else NORMAL
  bool foreign_file = false;                  // made by a stranger: cell checks and a time limit
  std::int64_t wal_limit_bytes = 64ll << 20;  // a larger log is written back and truncated
};

class Connection;

/// A prepared statement. Bind, step until it gives no row, reset; columns are valid until the next step.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, int value) { return bind(index, static_cast<std::int64_t>(value)); }
  Statement& bind(int index, double value);
  /// Bound as a blob, not copied: the bytes must live until reset().
  Statement& bind(int index, std::string_view bytes);
  Statement& bind(int index, const Digest& digest);
  Statement& bind_text(int index, std::string_view text);

  /// True: a row is there; false: done.
  Expected<bool, Error> step();
  /// Steps a statement that gives no rows, and resets it.
  Expected<void, Error> run();
  void reset();

  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string_view bytes(int column) const;
  /// Empty where the column does not have 32 bytes.
  std::optional<Digest> digest(int column) const;
  bool is_null(int column) const;

 private:
  friend class Connection;
  Statement(Connection& connection, sqlite3_stmt* statement)
      : connection_(&connection), statement_(statement) {}
  Connection* connection_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
};

class Connection {
 public:
  /// After a failure, `damaged` tells whether the file's contents are the reason.
  static Expected<std::unique_ptr<Connection>, Error> open(const std::string& path,
                                                           const ConnectionOptions& options,
                                                           bool* damaged = nullptr);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Expected<Statement, Error> prepare(std::string_view sql);
  /// Runs one or more statements that give no rows of interest.
  Expected<void, Error> execute(std::string_view sql);
  /// First column of the first row.
  Expected<std::int64_t, Error> integer(std::string_view sql);

  /// BEGIN IMMEDIATE; the transaction is rolled back unless commit() succeeded.
  Expected<void, Error> begin();
  Expected<void, Error> commit();
  void rollback();

  /// Rows changed by the last statement.
  std::int64_t changes() const;
  std::int64_t last_row_id() const;

  /// The last failure as one line that names the file, and what to do where that is known.
  Error error(int code) const;
  /// The last failure came from the file's contents, not from the system.
  bool damaged() const { return last_error_damage_; }
  bool is_immutable() const { return options_.access == Access::immutable; }
  const std::string& path() const { return path_; }
  /// Error in a process that inherited the connection by fork().
  Expected<void, Error> check_process() const;

  sqlite3* handle() const { return database_; }

 private:
  Connection(std::string path, const ConnectionOptions& options);
  Expected<void, Error> configure();
  static int on_busy(void* self, int count);
  static int on_wal(void* self, sqlite3* database, const char* schema, int pages);
  static int on_progress(void* self);

  std::string path_;
  ConnectionOptions options_;
  sqlite3* database_ = nullptr;
  pid_t process_ = 0;
  std::chrono::steady_clock::time_point busy_since_{};
  std::chrono::milliseconds busy_wait_{0};
  std::uint64_t random_ = 0;
  std::chrono::steady_clock::time_point deadline_{};
  mutable bool last_error_damage_ = false;
};

/// Scope of a transaction: rolls back in its destructor what was not committed.
class Transaction {
 public:
  explicit Transaction(Connection& connection) : connection_(connection) {}
  ~Transaction();
  Expected<void, Error> begin();
  Expected<void, Error> commit();

 private:
  Connection& connection_;
  bool open_ = false;
};

/// The first bytes of a file (fewer where it is shorter), or the errno of the refusal. Leaves the locks of this process's
/// connections to the file as they are, which opening and closing it otherwise would not.
Expected<std::string, int> read_beginning(const std::string& path, std::size_t bytes);

}  // namespace tunesmith::cache::sqlite
