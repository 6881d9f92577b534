// The SQLite implementation of Store: one connection that writes (the queue's thread, imports) and one that
// reads, each behind its own mutex. Readers see committed rows without waiting for writers.
#include <unistd.h>

#include <mutex>
#include <type_traits>
#include <utility>

#include "cache/sqlite/format.h"
#include "cache/sqlite/reader.h"
#include "cache/sqlite/rows.h"
#include "cache/store.h"
#include "cache/write_queue.h"
#include "ir/support/check.h"
#include "ir/support/log.h"

namespace tunesmith::cache {
namespace {

using sqlite::Connection;
using sqlite::ConnectionOptions;

constexpr std::chrono::milliseconds write_wait = std::chrono::seconds(60);
/// Look-ups of a store that only reads, and of one that writes too: these may wait for their own rows.
constexpr std::chrono::milliseconds lookup_wait{5};
constexpr std::chrono::milliseconds own_rows_wait{250};
constexpr std::size_t import_rows = 1024;

/// Cuts a message to what is stored, not inside a UTF-8 character.
void clip_message(std::string& message) {
  if (message.size() <= max_message_bytes) return;
  std::size_t end = max_message_bytes;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0) == 0x80) --end;
  message.resize(end);
}

/// The half that writes.
class Writer {
 public:
  static Expected<std::unique_ptr<Writer>, Error> open(const std::string& path) {
    ConnectionOptions options;
    options.busy_wait = write_wait;
    auto connection = sqlite::open_for_writing(path, sqlite::tuning_format(), options);
    if (!connection) return Unexpected(connection.error());
    auto rows = sqlite::RecordWriter::prepare(**connection);
    if (!rows) return Unexpected(rows.error());
    return std::unique_ptr<Writer>(new Writer(*std::move(connection), *std::move(rows)));
  }

  /// Runs `body(rows, connection)` in one transaction.
  template <class Body>
  Expected<void, Error> transact(Body&& body) {
    const std::lock_guard lock(mutex_);
    sqlite::Transaction transaction(*connection_);
    if (auto begun = transaction.begin(); !begun) return begun;
    if (Expected<void, Error> done = body(rows_, *connection_); !done) return done;
    return transaction.commit();
  }

  Expected<void, Error> insert(std::span<const Record> records) {
    return transact([&](sqlite::RecordWriter& rows, Connection&) -> Expected<void, Error> {
      for (const Record& record : records)
        if (auto added = rows.insert(record, true); !added) return Unexpected(added.error());
      return {};
    });
  }

 private:
  Writer(std::unique_ptr<Connection> connection, sqlite::RecordWriter rows)
      : connection_(std::move(connection)), rows_(std::move(rows)) {}

  std::mutex mutex_;
  std::unique_ptr<Connection> connection_;
  sqlite::RecordWriter rows_;
};

class SqliteStore final : public Store {
 public:
  explicit SqliteStore(std::string path) : path_(std::move(path)), process_(getpid()) {}

  Expected<void, Error> open(OpenMode mode) {
    if (mode == OpenMode::read_write) {
      auto writer = Writer::open(path_);
      if (!writer) return Unexpected(writer.error());
      writer_ = *std::move(writer);
      queue_ = std::make_unique<WriteQueue>(
          [this](std::span<const Record> rows) { return writer_->insert(rows); });
    }
    const std::lock_guard lock(read_mutex_);
    return open_reader();
  }

  Expected<void, Error> put(std::span<const Record> records, Durability durability) override {
    if (auto fine = check_writable(); !fine) return fine;
    std::vector<Record> accepted(records.begin(), records.end());
    for (Record& record : accepted) {
      clip_message(record.message);
      if (auto valid = validate(record); !valid) return valid;
    }
    if (auto pushed = queue_->push(std::move(accepted)); !pushed) return pushed;
    return durability == Durability::on_disk ? queue_->flush() : Expected<void, Error>();
  }

  Expected<void, Error> flush() override {
    return queue_ == nullptr ? Expected<void, Error>() : queue_->flush();
  }

  Expected<Added, Error> import_records(std::span<const Record> records) override {
    if (auto fine = check_writable(); !fine) return Unexpected(fine.error());
    for (const Record& record : records)
      if (auto valid = validate(record); !valid) return Unexpected(valid.error());
    Added total;
    for (std::size_t begin = 0; begin < records.size(); begin += import_rows) {
      const auto part = records.subspan(begin, std::min(import_rows, records.size() - begin));
      Added counts;
      auto done = writer_->transact([&](sqlite::RecordWriter& rows, Connection&) -> Expected<void, Error> {
        for (Record record : part) {
          record.trust = Trust::foreign;
          const auto added = rows.insert(record, false);
          if (!added) return Unexpected(added.error());
          ++(*added ? counts.added : counts.present);
        }
        return {};
      });
      if (!done) return Unexpected(done.error());
      total.added += counts.added;
      total.present += counts.present;
    }
    return total;
  }

  Expected<void, Error> promote(std::span<const Digest> measurements, Trust trust) override {
    if (auto fine = flush_before_write(); !fine) return fine;
    return writer_->transact([&](sqlite::RecordWriter& rows, Connection&) -> Expected<void, Error> {
      for (const Digest& hash : measurements)
        if (auto raised = rows.raise_trust(hash, trust); !raised) return Unexpected(raised.error());
      return {};
    });
  }

  Expected<void, Error> retract(std::span<const Retraction> retractions) override {
    if (auto fine = flush_before_write(); !fine) return fine;
    return writer_->transact([&](sqlite::RecordWriter& rows, Connection&) -> Expected<void, Error> {
      for (const Retraction& retraction : retractions)
        if (auto added = rows.insert(retraction); !added) return Unexpected(added.error());
      return {};
    });
  }

  Expected<std::optional<Record>, Error> best(std::string_view workload,
                                              const Conditions& conditions) override {
    return read([&](sqlite::Reader& reader) { return reader.best(workload, conditions); });
  }

  Expected<std::optional<Served>, Error> serve(std::string_view workload,
                                               const Conditions& conditions) override {
    return read([&](sqlite::Reader& reader) { return reader.serve(workload, conditions); });
  }

  Expected<std::vector<Record>, Error> records(std::string_view workload, std::string_view target_kind,
                                               std::string_view target) override {
    return read([&](sqlite::Reader& reader) { return reader.records(workload, target_kind, target); });
  }

  Expected<std::vector<Neighbour>, Error> neighbours(const NeighbourQuery& query) override {
    return read([&](sqlite::Reader& reader) { return reader.neighbours(query); });
  }

  Expected<std::size_t, Error> visit(const Filter& filter,
                                     const std::function<bool(const Record&)>& each) override {
    TS_CHECK(!filter.target || filter.target_kind, "a filter of a target names its kind");
    sqlite::Reader::Cursor cursor;
    while (!cursor.done) {
      sqlite::Reader::Cursor next;
      auto page = read([&](sqlite::Reader& reader) {
        next = cursor;  // a page may be read twice
        return reader.page(filter, next);
      });
      if (!page) return Unexpected(page.error());
      cursor = std::move(next);
      for (const Record& record : *page)
        if (!each(record)) return cursor.damaged.size();
    }
    for (const sqlite::DamagedRow& row : cursor.damaged)
      log(LogLevel::warning, "database '{}': measurement {} is damaged ({}) and left out", path_, row.id,
          row.reason);
    return cursor.damaged.size();
  }

  Expected<std::vector<Retraction>, Error> retractions() override {
    return read([](sqlite::Reader& reader) { return reader.retractions(); });
  }

  Expected<void, Error> save_model(std::string_view target_kind, std::string_view target,
                                   std::string_view feature_version,
                                   std::span<const std::byte> model) override {
    if (auto fine = check_writable(); !fine) return fine;
    const std::string_view bytes(reinterpret_cast<const char*>(model.data()), model.size());
    return writer_->transact(
        [&](sqlite::RecordWriter& rows, Connection& connection) -> Expected<void, Error> {
          const auto id = rows.target_id(target_kind, target);
          if (!id) return Unexpected(id.error());
          auto statement = connection.prepare(
              "INSERT INTO cost_model(target_id, feature_version, model, hash, created_us) VALUES(?1, ?2, "
              "?3, ?4, ?5) "
              "ON CONFLICT(target_id, feature_version) DO UPDATE SET model = excluded.model, hash = "
              "excluded.hash, "
              "created_us = excluded.created_us");
          if (!statement) return Unexpected(statement.error());
          return statement->bind(1, *id)
              .bind(2, feature_version)
              .bind(3, bytes)
              .bind(4, sqlite::model_hash(feature_version, bytes))
              .bind(5, now_us())
              .run();
        });
  }

  Expected<std::optional<std::vector<std::byte>>, Error> load_model(
      std::string_view target_kind, std::string_view target, std::string_view feature_version) override {
    return read(
        [&](sqlite::Reader& reader) { return reader.load_model(target_kind, target, feature_version); });
  }

  const std::string& location() const override { return path_; }

 private:
  Expected<void, Error> check_process() const {
    if (process_ == getpid()) return {};
    return Unexpected(
        make_error("database '{}' was opened before fork(); a child process must open it again", path_));
  }

  Expected<void, Error> check_writable() const {
    if (queue_ == nullptr) return Unexpected(make_error("database '{}' was opened for reading only", path_));
    return check_process();
  }

  /// What was put before must be there when a later write refers to it.
  Expected<void, Error> flush_before_write() {
    if (auto fine = check_writable(); !fine) return fine;
    return queue_->flush();
  }

  Expected<void, Error> open_reader() {
    ConnectionOptions options;
    options.busy_wait = writer_ != nullptr ? own_rows_wait : lookup_wait;
    stamp_ = sqlite::file_stamp(path_);
    // Beside our own writer there is always a log; without one the file may be read without locks.
    auto connection = writer_ != nullptr ? Connection::open(path_, options)
                                         : sqlite::open_for_reading(path_, sqlite::tuning_format(), options);
    if (!connection) return Unexpected(connection.error());
    reader_ = std::make_unique<sqlite::Reader>(*std::move(connection));
    return {};
  }

  /// A reader without locks reads a file that nobody writes: once somebody did, it is opened again.
  bool reader_is_outdated() const {
    return reader_->connection().is_immutable() && sqlite::file_stamp(path_) != stamp_;
  }

  template <class Query>
  std::invoke_result_t<Query, sqlite::Reader&> read(Query&& query) {
    if (auto process = check_process(); !process) return Unexpected(process.error());
    // What does not get to disk in time is told by put and flush; what is committed can be read.
    if (queue_ != nullptr) queue_->settle(own_rows_wait);
    const std::lock_guard lock(read_mutex_);
    for (bool again = false;; again = true) {
      if (reader_ == nullptr || reader_is_outdated())
        if (auto opened = open_reader(); !opened) return Unexpected(opened.error());
      auto result = query(*reader_);
      if (again || !reader_is_outdated()) return result;
    }
  }

  const std::string path_;
  const pid_t process_;
  std::unique_ptr<Writer> writer_;
  std::mutex read_mutex_;
  std::unique_ptr<sqlite::Reader> reader_;
  sqlite::FileStamp stamp_;
  std::unique_ptr<WriteQueue> queue_;  // last: its thread uses the writer
};

}  // namespace

Expected<std::unique_ptr<Store>, Error> open_sqlite(const std::string& path, OpenMode mode) {
  if (path.empty()) return Unexpected(Error{"the path of the tuning database is empty"});
  if (path.find("://") != std::string::npos)
    return Unexpected(make_error("'{}' is not a path; a tuning database is a file", path));
  auto store = std::make_unique<SqliteStore>(path);
  if (auto opened = store->open(mode); !opened) return Unexpected(opened.error());
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace tunesmith::cache
