// Rows of the tuning database: records to rows and back, each checked against its digests. Internal to
// the cache room.
//
// Thread safety: as the connection's (one thread at a time).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cache/record.h"
#include "cache/sqlite/database.h"

namespace tunesmith::cache::sqlite {

/// FROM and the columns that read_record() expects, in its order; add WHERE over m (measurement), w
/// (workload), g (target), t (toolchain), p (protocol), s (schedule), o (source).
extern const std::string_view record_columns;
/// A condition: the measurement is not withdrawn.
extern const std::string_view not_retracted;

/// A row that is there but not what was stored.
struct DamagedRow {
  std::int64_t id = 0;
  std::string reason;
};

/// What a row gave: the record, or what is wrong with it.
using ReadRecord = Expected<Record, DamagedRow>;

/// The record of the current row, re-hashed.
ReadRecord read_record(const Statement& row);
/// Row number of the current row of record_columns.
std::int64_t record_id(const Statement& row);
std::string record_hash_bytes(const Statement& row);
/// The retraction of a row of hash, subject, reason, source, created_us, trust, seal.
std::optional<Retraction> read_retraction(const Statement& row);

std::string encode_extents(std::span<const std::int64_t> extents);
std::optional<std::vector<std::int64_t>> decode_extents(std::string_view bytes);
/// Covers what the workload's key does not.
Digest workload_row_hash(const Digest& key, std::string_view family, std::span<const std::int64_t> extents);
/// Guards the trust column, which no content hash covers.
std::int64_t trust_seal(const Digest& hash, Trust trust);
Digest model_hash(std::string_view feature_version, std::string_view model);

/// Writes records inside the caller's transaction.
class RecordWriter {
 public:
  static Expected<RecordWriter, Error> prepare(Connection& connection);

  /// True: the record was not there. A known record keeps the higher trust. With `ours`, family and extents
  /// of a known workload are replaced by the record's. REQUIRES: validate(record).
  Expected<bool, Error> insert(const Record& record, bool ours);
  /// True: the retraction was not there.
  Expected<bool, Error> insert(const Retraction& retraction);
  /// Raises the trust of a measurement; false where it is unknown or trusted as much already.
  Expected<bool, Error> raise_trust(const Digest& measurement, Trust trust);
  /// The row of a target, made where it is missing.
  Expected<std::int64_t, Error> target_id(std::string_view kind, std::string_view text);

 private:
  explicit RecordWriter(Connection& connection) : connection_(&connection) {}

  /// One table of texts by key: finds a row, adds it, or puts the text of a damaged row right.
  struct TextTable {
    Statement find, add, repair;
  };
  Expected<TextTable, Error> text_table(std::string_view table);
  Expected<std::int64_t, Error> text_id(TextTable& table, const Digest& key, std::string_view text);
  Expected<std::int64_t, Error> workload_id(const Record& record, bool ours);
  Expected<std::int64_t, Error> schedule_id(const Record& record);

  Connection* connection_;
  TextTable toolchain_, protocol_, source_;
  Statement find_workload_, add_workload_, update_workload_;
  Statement find_target_, add_target_, find_schedule_, add_schedule_;
  Statement find_measurement_, add_measurement_, update_trust_;
  Statement find_retraction_, add_retraction_, update_retraction_;
};

}  // namespace tunesmith::cache::sqlite
