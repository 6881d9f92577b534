// The SQLite implementation of ObjectStore: a connection for get() that hardly waits and one for put(). When
// an entry was used is noted in memory and written with the next put() or at the end, so that get() never
// writes.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "cache/object_store.h"
#include "cache/record.h"
#include "cache/sqlite/format.h"
#include "ir/support/log.h"

namespace tunesmith::cache {
namespace {

using sqlite::Connection;
using sqlite::ConnectionOptions;
using sqlite::Statement;

constexpr std::chrono::milliseconds get_wait{5};
constexpr std::chrono::milliseconds put_wait{1000};

Digest object_hash(const Digest& key, std::string_view bytes) {
  return CanonicalWriter().text("tunesmith").text("object").digest(key).text(bytes).finish();
}

void remove_file(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::error_code error;
    std::filesystem::remove(path + suffix, error);
  }
}

class SqliteObjectStore final : public ObjectStore {
 public:
  SqliteObjectStore(std::string path, std::uint64_t max_bytes)
      : path_(std::move(path)), max_bytes_(max_bytes), process_(getpid()) {}

  ~SqliteObjectStore() override {
    if (process_ == getpid() && writer_ != nullptr) (void)write({}, {});
  }

  Expected<void, Error> open() {
    bool damaged = false;
    auto opened = open_connections(&damaged);
    if (opened || !damaged) return opened;
    log(LogLevel::warning, "{}; it is made anew", opened.error().message);
    remove_file(path_);
    return open_connections(nullptr);
  }

  std::optional<std::vector<std::byte>> get(const Digest& key) override {
    if (process_ != getpid()) return std::nullopt;
    const std::lock_guard lock(read_mutex_);
    if (reader_ == nullptr) return std::nullopt;
    auto found = read_object(key);
    if (!found) {
      log(LogLevel::info, "{}", found.error().message);
      return std::nullopt;
    }
    return *std::move(found);
  }

  bool put(const Digest& key, std::span<const std::byte> bytes) override {
    if (process_ != getpid() || bytes.size() > max_bytes_) return false;
    const std::scoped_lock lock(write_mutex_);
    if (writer_ == nullptr) return false;
    auto written = write(&key, bytes);
    if (!written && writer_->damaged()) {
      log(LogLevel::warning, "{}; it is made anew", written.error().message);
      written = remake() ? write(&key, bytes) : written;
    }
    if (!written) log(LogLevel::warning, "{}", written.error().message);
    return written.has_value();
  }

  std::uint64_t size_bytes() override {
    if (process_ != getpid()) return 0;
    const std::lock_guard lock(read_mutex_);
    if (reader_ == nullptr) return 0;
    const auto size = reader_->integer("SELECT coalesce(sum(size), 0) FROM object");
    return size ? static_cast<std::uint64_t>(*size) : 0;
  }

 private:
  Expected<void, Error> open_connections(bool* damaged) {
    ConnectionOptions options;
    options.full_sync = false;
    options.busy_wait = put_wait;
    auto writer = sqlite::open_for_writing(path_, sqlite::object_format(), options, damaged);
    if (!writer) return Unexpected(writer.error());
    options.busy_wait = get_wait;
    auto reader = Connection::open(path_, options, damaged);
    if (!reader) return Unexpected(reader.error());
    writer_ = *std::move(writer);
    reader_ = *std::move(reader);
    return {};
  }

  /// REQUIRES: write_mutex_ is held.
  bool remake() {
    const std::lock_guard lock(read_mutex_);
    reader_.reset();
    writer_.reset();
    remove_file(path_);
    const auto opened = open_connections(nullptr);
    if (!opened) log(LogLevel::warning, "{}", opened.error().message);
    return opened.has_value();
  }

  Expected<std::optional<std::vector<std::byte>>, Error> read_object(const Digest& key) {
    std::optional<std::vector<std::byte>> result;
    auto query = reader_->prepare("SELECT bytes, hash FROM object WHERE key = ?1");
    if (!query) return Unexpected(query.error());
    const auto row = query->bind(1, key).step();
    if (!row) return Unexpected(row.error());
    if (!*row) return result;
    const std::string_view bytes = query->bytes(0);
    const std::lock_guard lock(note_mutex_);
    if (query->digest(1) != object_hash(key, bytes)) {
      log(LogLevel::warning, "object store '{}': {} is damaged and dropped", path_, key.hex());
      damaged_.insert(key);
      return result;
    }
    used_[key] = now_us();
    const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
    result.emplace(data, data + bytes.size());
    return result;
  }

  /// Writes what was noted and, with a key, an object; evicts what is too much.
  /// REQUIRES: write_mutex_ is held, or nobody else uses the store.
  Expected<void, Error> write(const Digest* key, std::span<const std::byte> bytes) {
    std::map<Digest, std::int64_t> used;
    std::set<Digest> damaged;
    {
      const std::lock_guard lock(note_mutex_);
      used.swap(used_);
      damaged.swap(damaged_);
    }
    if (key == nullptr && used.empty() && damaged.empty()) return {};
    sqlite::Transaction transaction(*writer_);
    if (auto begun = transaction.begin(); !begun) return begun;
    if (auto noted = write_notes(used, damaged); !noted) return noted;
    if (key != nullptr) {
      if (auto added = add(*key, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
          !added)
        return added;
      if (auto evicted = evict(*key); !evicted) return evicted;
    }
    return transaction.commit();
  }

  Expected<void, Error> write_notes(const std::map<Digest, std::int64_t>& used,
                                    const std::set<Digest>& damaged) {
    auto touch = writer_->prepare("UPDATE object SET used_us = max(used_us, ?2) WHERE key = ?1");
    if (!touch) return Unexpected(touch.error());
    for (const auto& [key, time] : used)
      if (auto done = touch->bind(1, key).bind(2, time).run(); !done) return done;
    auto drop = writer_->prepare("DELETE FROM object WHERE key = ?1");
    if (!drop) return Unexpected(drop.error());
    for (const Digest& key : damaged)
      if (auto done = drop->bind(1, key).run(); !done) return done;
    return {};
  }

  Expected<void, Error> add(const Digest& key, std::string_view bytes) {
    auto statement = writer_->prepare(
        "INSERT INTO object(key, hash, size, used_us, bytes) VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(key) DO "
        "UPDATE SET "
        "hash = excluded.hash, size = excluded.size, used_us = excluded.used_us, bytes = excluded.bytes");
    if (!statement) return Unexpected(statement.error());
    return statement->bind(1, key)
        .bind(2, object_hash(key, bytes))
        .bind(3, static_cast<std::int64_t>(bytes.size()))
        .bind(4, now_us())
        .bind(5, bytes)
        .run();
  }

  Expected<void, Error> evict(const Digest& keep) {
    auto total = writer_->integer("SELECT coalesce(sum(size), 0) FROM object");
    if (!total) return Unexpected(total.error());
    auto drop = writer_->prepare(
        "DELETE FROM object WHERE id = (SELECT id FROM object WHERE key != ?1 ORDER BY used_us, id LIMIT 1) "
        "RETURNING size");
    if (!drop) return Unexpected(drop.error());
    while (static_cast<std::uint64_t>(*total) > max_bytes_) {
      const auto row = drop->bind(1, keep).step();
      if (!row) return Unexpected(row.error());
      if (!*row) break;
      *total -= drop->integer(0);
      drop->reset();
    }
    return {};
  }

  const std::string path_;
  const std::uint64_t max_bytes_;
  const pid_t process_;
  std::mutex write_mutex_;  // locked before read_mutex_, and that before note_mutex_
  std::unique_ptr<Connection> writer_;
  std::mutex read_mutex_;
  std::unique_ptr<Connection> reader_;
  std::mutex note_mutex_;
  std::map<Digest, std::int64_t> used_;
  std::set<Digest> damaged_;
};

}  // namespace

std::string object_store_path(const std::string& database_path) {
  return (std::filesystem::path(database_path).parent_path() / "objects.db").string();
}

Expected<std::unique_ptr<ObjectStore>, Error> open_object_store(const std::string& path,
                                                                std::uint64_t max_bytes) {
  auto store = std::make_unique<SqliteObjectStore>(path, max_bytes);
  if (auto opened = store->open(); !opened) return Unexpected(opened.error());
  return std::unique_ptr<ObjectStore>(std::move(store));
}

}  // namespace tunesmith::cache
