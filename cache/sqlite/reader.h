// Reader: the look-ups of the tuning database on one connection. Internal to the cache room.
//
// Invariants: rows that do not match their hashes are left out and logged.
//
// Thread safety: none (one thread at a time).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "cache/sqlite/database.h"
#include "cache/sqlite/rows.h"
#include "cache/store.h"

namespace tunesmith::cache::sqlite {

class Reader {
 public:
  explicit Reader(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

  Expected<std::optional<Record>, Error> best(std::string_view workload, const Conditions& conditions);
  Expected<std::optional<Served>, Error> serve(std::string_view workload, const Conditions& conditions);
  Expected<std::vector<Record>, Error> records(std::string_view workload, std::string_view target_kind,
                                               std::string_view target);
  Expected<std::vector<Neighbour>, Error> neighbours(const NeighbourQuery& query);
  Expected<std::vector<Retraction>, Error> retractions();
  Expected<std::optional<std::vector<std::byte>>, Error> load_model(std::string_view target_kind,
                                                                    std::string_view target,
                                                                    std::string_view feature_version);

  /// Where a walk over all records stands.
  struct Cursor {
    std::int64_t id = 0;
    std::int64_t last_id = -1;  // -1: not begun
    std::string hash;           // of the last record, in order of hashes
    bool done = false;
    std::vector<DamagedRow> damaged;
  };
  /// The next records of a walk; empty pages are possible before `done`.
  Expected<std::vector<Record>, Error> page(const Filter& filter, Cursor& cursor);

  const Connection& connection() const { return *connection_; }

 private:
  /// What candidates must have in common; 0 and -1 match all.
  struct Match {
    std::int64_t workload = 0;
    std::int64_t target = 0;
    std::int64_t toolchain = 0;
    std::int64_t protocol = 0;
    int language_major = -1;
  };
  Expected<Statement*, Error> statement(const std::string& sql);
  /// Row number by key and bytes; 0 where there is none.
  Expected<std::int64_t, Error> workload_id(std::string_view text);
  Expected<std::int64_t, Error> target_id(std::string_view kind, std::string_view text);
  Expected<std::int64_t, Error> text_id(std::string_view table, const Digest& key, std::string_view text);
  Expected<std::optional<Record>, Error> fastest(const Match& match);
  /// The measurement that is the median of a schedule's measurements.
  Expected<std::optional<Record>, Error> median_of_schedule(const Match& match, std::int64_t schedule);
  Expected<std::optional<Record>, Error> record(std::int64_t id);
  /// Runs a query of records; damaged rows are left out.
  Expected<std::vector<Record>, Error> collect(Statement& query);
  /// The first column of every row.
  Expected<std::vector<std::int64_t>, Error> integers(Statement& query);
  /// The fastest seed that a workload has, of the wanted target where there is one.
  Expected<std::optional<Record>, Error> seed_of_workload(const NeighbourQuery& wanted,
                                                          std::int64_t workload);
  void report(const DamagedRow& row) const;

  std::unique_ptr<Connection> connection_;
  std::map<std::string, Statement, std::less<>> statements_;  // destroyed before the connection
};

}  // namespace tunesmith::cache::sqlite
