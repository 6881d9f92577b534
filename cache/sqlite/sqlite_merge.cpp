// Merging a SQLite file, see merge.h.
#include <utility>

#include "cache/merge.h"
#include "cache/sqlite/format.h"
#include "cache/sqlite/reader.h"

namespace tunesmith::cache {
namespace {

using sqlite::Connection;

/// SQLite's own check of the pages, and the schema word for word.
Expected<void, Error> check_foreign(Connection& connection) {
  const sqlite::Format& format = sqlite::tuning_format();
  const auto schema = sqlite::schema_text(connection);
  if (!schema) return Unexpected(schema.error());
  if (*schema != sqlite::expected_schema_text(format))
    return Unexpected(
        make_error("{} '{}' has tables that Tunesmith did not make", format.name, connection.path()));
  auto check = connection.prepare("PRAGMA quick_check(1)");
  if (!check) return Unexpected(check.error());
  const auto row = check->step();
  if (!row) return Unexpected(row.error());
  if (!*row || check->bytes(0) != "ok")
    return Unexpected(
        make_error("{} '{}' is damaged ({}); what can be read of it can be brought over with db export "
                   "and import",
                   format.name, connection.path(), *row ? check->bytes(0) : "no answer"));
  return {};
}

void add_issue(MergeReport& report, std::string where, std::string message) {
  ++report.rejected;
  if (report.issues.size() < MergeReport::max_issues)
    report.issues.push_back({std::move(where), std::move(message)});
}

/// The records of a page that may come in.
std::vector<Record> accepted(std::vector<Record> records, const Refuse& refuse, MergeReport& report) {
  if (!refuse) return records;
  std::erase_if(records, [&](const Record& record) {
    auto reason = refuse(record);
    if (reason)
      add_issue(report, fmt::format("measurement {}", measurement_hash(record).hex()), *std::move(reason));
    return reason.has_value();
  });
  return records;
}

}  // namespace

Expected<MergeReport, Error> merge_database(Store& into, const std::string& from, const Refuse& refuse) {
  sqlite::ConnectionOptions options;
  options.foreign_file = true;
  options.busy_wait = std::chrono::seconds(5);
  auto connection = sqlite::open_for_reading(from, sqlite::tuning_format(), options);
  if (!connection) return Unexpected(connection.error());
  if (auto fine = check_foreign(**connection); !fine) return Unexpected(fine.error());

  MergeReport report;
  sqlite::Reader reader(*std::move(connection));
  sqlite::Reader::Cursor cursor;
  Filter everything;
  everything.retracted = true;
  while (!cursor.done) {
    auto page = reader.page(everything, cursor);
    if (!page) return Unexpected(page.error());
    for (sqlite::DamagedRow& row : std::exchange(cursor.damaged, {}))
      add_issue(report, fmt::format("row {}", row.id), std::move(row.reason));
    const auto added = into.import_records(accepted(*std::move(page), refuse, report));
    if (!added) return Unexpected(added.error());
    report.added += added->added;
    report.present += added->present;
  }
  auto retractions = reader.retractions();
  if (!retractions) return Unexpected(retractions.error());
  for (Retraction& retraction : *retractions) retraction.trust = Trust::foreign;
  if (!retractions->empty())
    if (auto stored = into.retract(*retractions); !stored) return Unexpected(stored.error());
  report.retractions = retractions->size();
  return report;
}

}  // namespace tunesmith::cache
