// Checking a SQLite file, see check.h.
#include <array>
#include <functional>

#include "cache/check.h"
#include "cache/sqlite/format.h"
#include "cache/sqlite/reader.h"

namespace tunesmith::cache {
namespace {

using sqlite::Connection;
using sqlite::Statement;

constexpr std::string_view damaged_text = "its text differs from its key";

class Checker {
 public:
  explicit Checker(Connection& connection) : connection_(connection) {}

  CheckReport run() {
    // Each part by itself: damage that stops one does not hide what the others find.
    file();
    foreign_keys();
    workloads();
    targets();
    schedules();
    texts("toolchain", toolchain_key);
    texts("protocol", protocol_key);
    texts("source", source_key);
    measurements();
    retractions();
    models();
    orphans();
    return std::move(report_);
  }

 private:
  void issue(std::string_view table, std::int64_t row, std::string_view message) {
    ++report_.issue_count;
    if (report_.issues.size() < CheckReport::max_issues)
      report_.issues.push_back({std::string(table), row, std::string(message)});
  }

  /// Runs a query; an error is an issue of the table.
  void each_row(std::string_view table, std::string_view sql,
                const std::function<void(const Statement&)>& visit) {
    auto query = connection_.prepare(sql);
    if (!query) return issue(table, 0, query.error().message);
    while (true) {
      const auto row = query->step();
      if (!row) return issue(table, 0, row.error().message);
      if (!*row) return;
      visit(*query);
    }
  }

  /// Rows that must satisfy `whole`.
  void rows(std::string_view table, std::string_view sql, std::string_view message,
            const std::function<bool(const Statement&)>& whole) {
    each_row(table, sql, [&](const Statement& row) {
      ++report_.rows;
      if (!whole(row)) issue(table, row.integer(0), message);
    });
  }

  void file() {
    const auto schema = sqlite::schema_text(connection_);
    if (!schema)
      issue("", 0, schema.error().message);
    else if (*schema != sqlite::expected_schema_text(sqlite::tuning_format()))
      issue("", 0, "its tables are not the ones that Tunesmith made");
    each_row("", "PRAGMA integrity_check(100)", [&](const Statement& row) {
      if (row.bytes(0) != "ok") issue("", 0, row.bytes(0));
    });
  }

  void foreign_keys() {
    each_row("", "PRAGMA foreign_key_check", [&](const Statement& row) {
      issue(row.bytes(0), row.integer(1), fmt::format("its row of table {} is missing", row.bytes(2)));
    });
  }

  void workloads() {
    rows("workload", "SELECT id, key, text, family_key, family, extents, hash FROM workload", damaged_text,
         [](const Statement& row) {
           const auto extents = sqlite::decode_extents(row.bytes(5));
           const Digest key = workload_key(row.bytes(2));
           return extents && row.digest(1) == key && row.digest(3) == family_key(row.bytes(4)) &&
                  row.digest(6) == sqlite::workload_row_hash(key, row.bytes(4), *extents);
         });
  }

  void targets() {
    rows("target", "SELECT id, key, kind, text FROM target", damaged_text,
         [](const Statement& row) { return row.digest(1) == target_key(row.bytes(2), row.bytes(3)); });
  }

  void schedules() {
    rows("schedule", "SELECT id, key, language_major, language_minor, text FROM schedule", damaged_text,
         [](const Statement& row) {
           return row.digest(1) == schedule_key(row.bytes(4), static_cast<int>(row.integer(2)),
                                                static_cast<int>(row.integer(3)));
         });
  }

  void texts(const std::string& table, Digest (*key)(std::string_view)) {
    rows(table, "SELECT id, key, text FROM " + table, damaged_text,
         [&](const Statement& row) { return row.digest(1) == key(row.bytes(2)); });
  }

  void measurements() {
    each_row("measurement", std::string(sqlite::record_columns) + "ORDER BY m.id", [&](const Statement& row) {
      ++report_.rows;
      const auto record = sqlite::read_record(row);
      if (!record) issue("measurement", record.error().id, record.error().reason);
    });
  }

  void retractions() {
    each_row("retraction",
             "SELECT hash, subject, reason, source, created_us, trust, seal, id FROM retraction",
             [&](const Statement& row) {
               ++report_.rows;
               if (!sqlite::read_retraction(row))
                 issue("retraction", row.integer(7), "its contents differ from its hash");
             });
  }

  void models() {
    rows("cost_model", "SELECT id, feature_version, model, hash FROM cost_model",
         "its contents differ from its hash", [](const Statement& row) {
           return row.digest(3) == sqlite::model_hash(row.bytes(1), row.bytes(2));
         });
  }

  void orphans() {
    for (const std::string_view table :
         {"workload", "target", "toolchain", "protocol", "schedule", "source"}) {
      const bool of_models = table == "target";
      each_row(table,
               fmt::format("SELECT count(*) FROM {0} WHERE id NOT IN (SELECT {0}_id FROM measurement){1}",
                           table, of_models ? " AND id NOT IN (SELECT target_id FROM cost_model)" : ""),
               [&](const Statement& row) { report_.orphans += static_cast<std::size_t>(row.integer(0)); });
    }
  }

  Connection& connection_;
  CheckReport report_;
};

}  // namespace

Expected<CheckReport, Error> check_database(const std::string& path) {
  sqlite::ConnectionOptions options;
  options.foreign_file = true;
  options.busy_wait = std::chrono::seconds(5);
  auto connection = sqlite::open_for_reading(path, sqlite::tuning_format(), options);
  if (!connection) return Unexpected(connection.error());
  return Checker(**connection).run();
}

}  // namespace tunesmith::cache
