// Pruning a SQLite file, see prune.h.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <tuple>

#include "cache/prune.h"
#include "cache/sqlite/format.h"
#include "cache/sqlite/ranking.h"
#include "cache/sqlite/rows.h"
#include "ir/support/check.h"

namespace tunesmith::cache {
namespace {

using sqlite::Connection;
using sqlite::Statement;

constexpr std::string_view text_tables[] = {"workload", "target",   "toolchain",
                                            "protocol", "schedule", "source"};

/// What decides about a measurement.
struct Row {
  std::int64_t id = 0, workload = 0, target = 0, toolchain = 0, protocol = 0, schedule = 0, language = 0;
  Status status = Status::ok;
  bool here = false;  // measured here
  double median_ns = 0, mad_ns = 0;
  int samples = 0;
  bool withdrawn = false, damaged = false, chosen = false, spared = false;

  bool goes() const { return chosen && !spared; }
  bool ranks() const { return status == Status::ok && !withdrawn; }
  /// Within equal ones, times are compared.
  auto kind() const { return std::tie(workload, target, toolchain, protocol, language, here); }
};

Expected<std::vector<Row>, Error> read_rows(Connection& connection, const PruneOptions& options) {
  auto query = connection.prepare(
      "SELECT m.id, m.workload_id, m.target_id, m.toolchain_id, m.protocol_id, m.schedule_id, "
      "s.language_major, m.status, m.trust, m.median_ns, m.mad_ns, m.samples, m.created_us < ?1, "
      "g.kind = ?2, g.text = ?3, " +
      std::string(sqlite::not_retracted) +
      "FROM measurement m JOIN schedule s ON s.id = m.schedule_id JOIN target g ON g.id = m.target_id "
      "JOIN toolchain t ON t.id = m.toolchain_id JOIN source o ON o.id = m.source_id ORDER BY m.id");
  if (!query) return Unexpected(query.error());
  const std::string kind = options.target_kind.value_or(""), target = options.target.value_or("");
  query->bind(1, options.before_us.value_or(0))
      .bind(2, std::string_view(kind))
      .bind(3, std::string_view(target));
  std::vector<Row> rows;
  while (true) {
    const auto step = query->step();
    if (!step) return Unexpected(step.error());
    if (!*step) return rows;
    Row& row = rows.emplace_back();
    int column = 0;
    for (std::int64_t* field :
         {&row.id, &row.workload, &row.target, &row.toolchain, &row.protocol, &row.schedule, &row.language})
      *field = query->integer(column++);
    row.status = static_cast<Status>(query->integer(7));
    row.here = query->integer(8) == static_cast<std::int64_t>(Trust::measured_here);
    row.median_ns = query->real(9);
    row.mad_ns = query->real(10);
    row.samples = static_cast<int>(query->integer(11));
    row.chosen = (!options.before_us || query->integer(12) != 0) &&
                 (!options.target_kind || query->integer(13) != 0) &&
                 (!options.target || query->integer(14) != 0);
    row.withdrawn = query->integer(15) == 0;
  }
}

/// Hashes every record again: what is damaged is not chosen. Rows of `rows` that this look does not meet lack
/// a part, and count as damaged too.
Expected<void, Error> find_damage(Connection& connection, std::vector<Row>& rows) {
  auto query = connection.prepare(std::string(sqlite::record_columns) + "ORDER BY m.id");
  if (!query) return Unexpected(query.error());
  for (Row& row : rows) row.damaged = true;
  auto next = rows.begin();
  while (true) {
    const auto step = query->step();
    if (!step) return Unexpected(step.error());
    if (!*step) break;
    while (next != rows.end() && next->id < sqlite::record_id(*query)) ++next;
    if (next != rows.end() && next->id == sqlite::record_id(*query))
      next->damaged = !sqlite::read_record(*query).has_value();
  }
  for (Row& row : rows) row.chosen = row.chosen && !row.damaged;
  return {};
}

/// The measurement that stands for a schedule in look-ups: the median of all, damaged ones passed over.
const Row* median_of(std::vector<const Row*> measurements) {
  std::ranges::sort(measurements, {}, [](const Row* r) { return std::tuple(r->median_ns, r->id); });
  while (!measurements.empty()) {
    const auto middle = measurements.begin() + static_cast<std::ptrdiff_t>((measurements.size() - 1) / 2);
    if (!(*middle)->damaged) return *middle;
    measurements.erase(middle);
  }
  return nullptr;
}

/// Spares the fastest schedules among rows of one kind.
void spare_fastest(std::span<Row*> kind, std::size_t keep) {
  std::map<std::int64_t, std::vector<const Row*>> by_schedule;
  for (const Row* row : kind) by_schedule[row->schedule].push_back(row);
  std::vector<const Row*> medians;
  for (const auto& [schedule, measurements] : by_schedule)
    if (const Row* median = median_of(measurements)) medians.push_back(median);
  if (medians.empty() || keep == 0) return;
  std::ranges::sort(medians, {}, [](const Row* r) { return std::tuple(r->median_ns, r->schedule); });
  double window = 0;
  for (const Row* row : medians)
    if (row->median_ns == medians[0]->median_ns)
      window = std::max(window, sqlite::tie_window_ns(row->median_ns, row->mad_ns, row->samples));
  std::set<std::int64_t> fastest;
  for (std::size_t i = 0; i < medians.size(); ++i)
    if (i < keep || medians[i]->median_ns <= medians[0]->median_ns + window)
      fastest.insert(medians[i]->schedule);
  for (Row* row : kind) row->spared = fastest.contains(row->schedule);
}

void spare_fastest(std::vector<Row>& rows, std::size_t keep) {
  std::vector<Row*> ranked;
  for (Row& row : rows)
    if (row.ranks()) ranked.push_back(&row);
  std::ranges::sort(ranked, [](const Row* a, const Row* b) { return a->kind() < b->kind(); });
  for (auto begin = ranked.begin(); begin != ranked.end();) {
    const auto end =
        std::find_if(begin, ranked.end(), [&](const Row* row) { return row->kind() != (*begin)->kind(); });
    spare_fastest(std::span(begin, end), keep);
    begin = end;
  }
}

/// The chosen targets of which no measurement is left; their cost models go too.
std::set<std::int64_t> emptied_targets(const std::vector<Row>& rows, const PruneOptions& options) {
  std::set<std::int64_t> emptied;
  if (!options.target_kind) return emptied;
  for (const Row& row : rows)
    if (row.goes()) emptied.insert(row.target);
  for (const Row& row : rows)
    if (!row.goes()) emptied.erase(row.target);
  return emptied;
}

Expected<void, Error> report_workloads(Connection& connection, const std::vector<Row>& rows,
                                       PruneReport& report) {
  struct Count {
    std::size_t removed = 0, left = 0;
  };
  std::map<std::int64_t, Count> counts;
  for (const Row& row : rows) ++(row.goes() ? counts[row.workload].removed : counts[row.workload].left);
  std::vector<std::pair<std::int64_t, Count>> losing(counts.begin(), counts.end());
  std::erase_if(losing, [](const auto& entry) { return entry.second.removed == 0; });
  std::ranges::stable_sort(losing, std::greater(), [](const auto& entry) { return entry.second.removed; });
  if (losing.size() > PruneReport::max_workloads) losing.resize(PruneReport::max_workloads);
  auto text = connection.prepare("SELECT text FROM workload WHERE id = ?1");
  if (!text) return Unexpected(text.error());
  for (const auto& [id, count] : losing) {
    const auto row = text->bind(1, id).step();
    if (!row) return Unexpected(row.error());
    report.by_workload.push_back({std::string(*row ? text->bytes(0) : ""), count.removed, count.left});
    text->reset();
  }
  return {};
}

/// What goes, by the rows as they are in the connection's transaction.
Expected<std::vector<Row>, Error> choose(Connection& connection, const PruneOptions& options,
                                         PruneReport& report) {
  auto rows = read_rows(connection, options);
  if (!rows) return rows;
  if (auto checked = find_damage(connection, *rows); !checked) return Unexpected(checked.error());
  spare_fastest(*rows, options.keep);
  for (const Row& row : *rows) {
    report.damaged += row.damaged;
    report.spared += row.chosen && row.spared;
    report.removed += row.goes();
    report.failures += row.goes() && row.status != Status::ok;
    report.foreign += row.goes() && !row.here;
  }
  const auto total = connection.integer("SELECT count(*) FROM measurement");
  if (!total) return Unexpected(total.error());
  report.left = static_cast<std::size_t>(*total) - report.removed;
  // Measurements whose workload, target or other part is missing.
  report.damaged += static_cast<std::size_t>(*total) - rows->size();
  for (const std::int64_t target : emptied_targets(*rows, options)) {
    const auto models =
        connection.integer(fmt::format("SELECT count(*) FROM cost_model WHERE target_id = {}", target));
    if (!models) return Unexpected(models.error());
    report.cost_models += static_cast<std::size_t>(*models);
  }
  if (auto told = report_workloads(connection, *rows, report); !told) return Unexpected(told.error());
  return rows;
}

Expected<void, Error> remove(Connection& connection, const std::vector<Row>& rows,
                             const PruneOptions& options) {
  auto drop = connection.prepare("DELETE FROM measurement WHERE id = ?1");
  if (!drop) return Unexpected(drop.error());
  for (const Row& row : rows)
    if (row.goes())
      if (auto dropped = drop->bind(1, row.id).run(); !dropped) return dropped;
  for (const std::int64_t target : emptied_targets(rows, options))
    if (auto dropped = connection.execute(fmt::format("DELETE FROM cost_model WHERE target_id = {}", target));
        !dropped)
      return dropped;
  for (const std::string_view table : text_tables) {
    const bool of_models = table == "target";
    auto dropped = connection.execute(
        fmt::format("DELETE FROM {0} WHERE id NOT IN (SELECT {0}_id FROM measurement){1}", table,
                    of_models ? " AND id NOT IN (SELECT target_id FROM cost_model)" : ""));
    if (!dropped) return dropped;
  }
  return {};
}

std::uint64_t bytes_of(const std::string& path) {
  std::uint64_t bytes = 0;
  for (const char* suffix : {"", "-wal"}) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path + suffix, error);
    if (!error) bytes += size;
  }
  return bytes;
}

}  // namespace

Expected<PruneReport, Error> prune_database(const std::string& path, const PruneOptions& options) {
  TS_CHECK(!options.target || options.target_kind, "a target to prune names its kind");
  // A look first: a file that is missing is not made, and a dry run writes nothing at all.
  sqlite::ConnectionOptions settings;
  settings.busy_wait = std::chrono::seconds(5);
  auto reading = sqlite::open_for_reading(path, sqlite::tuning_format(), settings);
  if (!reading) return Unexpected(reading.error());
  PruneReport report;
  report.bytes_before = report.bytes_after = bytes_of(path);
  if (options.dry_run) {
    if (auto begun = (*reading)->execute("BEGIN"); !begun) return Unexpected(begun.error());
    const auto rows = choose(**reading, options, report);
    return rows ? Expected<PruneReport, Error>(std::move(report)) : Unexpected(rows.error());
  }
  reading->reset();

  settings.busy_wait = std::chrono::seconds(60);
  auto writing = sqlite::open_for_writing(path, sqlite::tuning_format(), settings);
  if (!writing) return Unexpected(writing.error());
  {
    sqlite::Transaction transaction(**writing);
    if (auto begun = transaction.begin(); !begun) return Unexpected(begun.error());
    const auto rows = choose(**writing, options, report);
    if (!rows) return Unexpected(rows.error());
    if (auto removed = remove(**writing, *rows, options); !removed) return Unexpected(removed.error());
    if (auto committed = transaction.commit(); !committed) return Unexpected(committed.error());
  }
  if (report.removed > 0) {
    auto shrunk = (*writing)->execute("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    report.bytes_after = bytes_of(path);
    if (!shrunk)
      report.not_shrunk = shrunk.error().message;
    else if (report.bytes_after > report.bytes_before)
      report.not_shrunk = "somebody reads it; the next writer finishes";
  }
  return report;
}

}  // namespace tunesmith::cache
