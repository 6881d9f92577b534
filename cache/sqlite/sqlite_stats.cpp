// Counting what a SQLite file holds, see stats.h.
#include <filesystem>
#include <functional>
#include <utility>

#include "cache/sqlite/format.h"
#include "cache/stats.h"

namespace tunesmith::cache {
namespace {

using sqlite::Connection;
using sqlite::Statement;

std::uint64_t size_of(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

std::size_t count_at(const Statement& row, int column) {
  return static_cast<std::size_t>(row.integer(column));
}

Expected<void, Error> each_row(Connection& connection, const std::string& sql,
                               const std::function<void(const Statement&)>& visit) {
  auto query = connection.prepare(sql);
  if (!query) return Unexpected(query.error());
  while (true) {
    const auto row = query->step();
    if (!row) return Unexpected(row.error());
    if (!*row) return {};
    visit(*query);
  }
}

Expected<void, Error> count_tables(Connection& connection, DatabaseStats& stats) {
  for (const auto& [table, count] :
       {std::pair{"measurement", &stats.measurements}, std::pair{"workload", &stats.workloads},
        std::pair{"schedule", &stats.schedules}, std::pair{"toolchain", &stats.toolchains},
        std::pair{"source", &stats.sources}, std::pair{"retraction", &stats.retractions},
        std::pair{"cost_model", &stats.cost_models}}) {
    const auto counted = connection.integer(fmt::format("SELECT count(*) FROM {}", table));
    if (!counted) return Unexpected(counted.error());
    *count = static_cast<std::size_t>(*counted);
  }
  return {};
}

/// Counts into the slots that exist: a damaged row may hold any number.
template <std::size_t n>
Expected<void, Error> count_by(Connection& connection, std::string_view column,
                               std::array<std::size_t, n>& counts) {
  return each_row(connection, fmt::format("SELECT {0}, count(*) FROM measurement GROUP BY {0}", column),
                  [&](const Statement& row) {
                    const std::int64_t slot = row.integer(0);
                    if (slot >= 0 && slot < static_cast<std::int64_t>(n)) counts[slot] = count_at(row, 1);
                  });
}

Expected<void, Error> group(Connection& connection, std::size_t max_workloads, DatabaseStats& stats) {
  auto targets = each_row(
      connection,
      "SELECT g.kind, g.text, count(*) FROM measurement m JOIN target g ON g.id = m.target_id "
      "GROUP BY g.id ORDER BY count(*) DESC, g.key",
      [&](const Statement& row) {
        stats.by_target.push_back({std::string(row.bytes(0)), std::string(row.bytes(1)), count_at(row, 2)});
      });
  if (!targets) return targets;
  return each_row(
      connection,
      fmt::format("SELECT w.text, count(*), sum(m.status != 0), "
                  "coalesce(min(CASE WHEN m.status = 0 AND m.trust = {} THEN m.median_ns END), 0) "
                  "FROM measurement m JOIN workload w ON w.id = m.workload_id GROUP BY w.id "
                  "ORDER BY count(*) DESC, w.key LIMIT {}",
                  static_cast<int>(Trust::measured_here), max_workloads),
      [&](const Statement& row) {
        stats.by_workload.push_back(
            {std::string(row.bytes(0)), count_at(row, 1), count_at(row, 2), row.real(3)});
      });
}

}  // namespace

Expected<DatabaseStats, Error> database_stats(const std::string& path, std::size_t max_workloads) {
  sqlite::ConnectionOptions options;
  options.busy_wait = std::chrono::seconds(5);
  auto opened = sqlite::open_for_reading(path, sqlite::tuning_format(), options);
  if (!opened) return Unexpected(opened.error());
  Connection& connection = **opened;
  DatabaseStats stats;
  stats.file_bytes = size_of(path);
  stats.log_bytes = size_of(path + "-wal");
  const auto version = connection.integer("PRAGMA user_version");
  if (!version) return Unexpected(version.error());
  stats.format_version = *version;
  if (auto counted = count_tables(connection, stats); !counted) return Unexpected(counted.error());
  if (auto counted = count_by(connection, "status", stats.by_status); !counted)
    return Unexpected(counted.error());
  if (auto counted = count_by(connection, "trust", stats.by_trust); !counted)
    return Unexpected(counted.error());
  if (auto grouped = group(connection, max_workloads, stats); !grouped) return Unexpected(grouped.error());
  return stats;
}

}  // namespace tunesmith::cache
