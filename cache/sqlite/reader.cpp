#include "cache/sqlite/reader.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <tuple>

#include "cache/sqlite/ranking.h"
#include "ir/support/log.h"

namespace tunesmith::cache::sqlite {
namespace {

constexpr int max_family_rows = 64;
constexpr int page_rows = 256;
/// Seeds of one workload that are tried where the first are damaged.
constexpr int seed_tries = 4;

/// Candidates of one workload and target, fastest first.
std::string candidates_sql(bool of_one_schedule) {
  std::string sql = "SELECT m.id, m.schedule_id, m.median_ns FROM measurement m ";
  sql += of_one_schedule ? "INDEXED BY measurement_by_schedule " : "INDEXED BY measurement_by_time ";
  sql +=
      "JOIN schedule s ON s.id = m.schedule_id JOIN toolchain t ON t.id = m.toolchain_id "
      "JOIN source o ON o.id = m.source_id "
      "WHERE m.workload_id = ?1 AND m.target_id = ?2 AND m.status = 0 AND m.trust >= ?3 "
      "AND (?4 < 0 OR s.language_major = ?4) AND (?5 = 0 OR m.toolchain_id = ?5) AND (?6 = 0 OR "
      "m.protocol_id = ?6) AND";
  sql += not_retracted;
  if (of_one_schedule) sql += "AND m.schedule_id = ?7 ";
  return sql + "ORDER BY m.median_ns, m.id";
}

double squared_distance(std::span<const std::int64_t> a, std::span<const std::int64_t> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::log2(static_cast<double>(a[i])) - std::log2(static_cast<double>(b[i]));
    sum += d * d;
  }
  return sum;
}

}  // namespace

Expected<Statement*, Error> Reader::statement(const std::string& sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) {
    found->second.reset();
    return &found->second;
  }
  auto prepared = connection_->prepare(sql);
  if (!prepared) return Unexpected(prepared.error());
  return &statements_.emplace(sql, *std::move(prepared)).first->second;
}

void Reader::report(const DamagedRow& row) const {
  log(LogLevel::warning,
      "database '{}': measurement {} is damaged ({}) and left out; see 'tunesmith db check'",
      connection_->path(), row.id, row.reason);
}

Expected<std::vector<Record>, Error> Reader::collect(Statement& query) {
  std::vector<Record> records;
  while (true) {
    const auto row = query.step();
    if (!row) return Unexpected(row.error());
    if (!*row) break;
    auto record = read_record(query);
    if (record) {
      records.push_back(*std::move(record));
    } else {
      report(record.error());
    }
  }
  query.reset();
  return records;
}

Expected<std::vector<std::int64_t>, Error> Reader::integers(Statement& query) {
  std::vector<std::int64_t> values;
  while (true) {
    const auto row = query.step();
    if (!row) return Unexpected(row.error());
    if (!*row) break;
    values.push_back(query.integer(0));
  }
  query.reset();
  return values;
}

Expected<std::int64_t, Error> Reader::text_id(std::string_view table, const Digest& key,
                                              std::string_view text) {
  auto query = statement(fmt::format("SELECT id FROM {} WHERE key = ?1 AND text = ?2", table));
  if (!query) return Unexpected(query.error());
  const auto row = (*query)->bind(1, key).bind(2, text).step();
  if (!row) return Unexpected(row.error());
  const std::int64_t id = *row ? (*query)->integer(0) : 0;
  (*query)->reset();
  return id;
}

Expected<std::int64_t, Error> Reader::workload_id(std::string_view text) {
  return text_id("workload", workload_key(text), text);
}

Expected<std::int64_t, Error> Reader::target_id(std::string_view kind, std::string_view text) {
  return text_id("target", target_key(kind, text), text);
}

Expected<std::optional<Record>, Error> Reader::record(std::int64_t id) {
  auto query = statement(std::string(record_columns) + "WHERE m.id = ?1");
  if (!query) return Unexpected(query.error());
  auto records = collect((*query)->bind(1, id));
  if (!records) return Unexpected(records.error());
  if (records->empty()) return std::optional<Record>();
  return std::optional<Record>(std::move(records->front()));
}

Expected<std::optional<Record>, Error> Reader::median_of_schedule(const Match& match, std::int64_t schedule) {
  auto query = statement(candidates_sql(true));
  if (!query) return Unexpected(query.error());
  auto rows = integers((*query)
                           ->bind(1, match.workload)
                           .bind(2, match.target)
                           .bind(3, static_cast<int>(Trust::measured_here))
                           .bind(4, match.language_major)
                           .bind(5, match.toolchain)
                           .bind(6, match.protocol)
                           .bind(7, schedule));
  if (!rows) return Unexpected(rows.error());
  std::vector<std::int64_t> ids = *std::move(rows);
  while (!ids.empty()) {
    const auto middle = ids.begin() + static_cast<std::ptrdiff_t>((ids.size() - 1) / 2);
    auto found = record(*middle);
    if (!found || *found) return found;
    ids.erase(middle);  // damaged
  }
  return std::optional<Record>();
}

Expected<std::optional<Record>, Error> Reader::fastest(const Match& match) {
  auto query = statement(candidates_sql(false));
  if (!query) return Unexpected(query.error());
  (*query)
      ->bind(1, match.workload)
      .bind(2, match.target)
      .bind(3, static_cast<int>(Trust::measured_here))
      .bind(4, match.language_major)
      .bind(5, match.toolchain)
      .bind(6, match.protocol);
  // A schedule's median is at least its smallest time, so that rows beyond the best median need no look.
  std::vector<Record> candidates;
  std::set<std::int64_t> seen;
  const Record* best = nullptr;
  const auto faster = [](const Record& a, const Record& b) { return a.median_ns < b.median_ns; };
  while (true) {
    const auto row = (*query)->step();
    if (!row) return Unexpected(row.error());
    if (!*row ||
        (best != nullptr &&
         (*query)->real(2) > best->median_ns + tie_window_ns(best->median_ns, best->mad_ns, best->samples)))
      break;
    const std::int64_t schedule = (*query)->integer(1);
    if (!seen.insert(schedule).second) continue;
    auto median = median_of_schedule(match, schedule);
    if (!median) return median;
    if (!*median) continue;
    candidates.push_back(**std::move(median));
    best = &*std::ranges::min_element(candidates, faster);
  }
  (*query)->reset();
  if (best == nullptr) return std::optional<Record>();
  const double limit = best->median_ns + tie_window_ns(best->median_ns, best->mad_ns, best->samples);
  std::erase_if(candidates, [&](const Record& r) { return r.median_ns > limit; });
  return std::optional<Record>(*std::ranges::min_element(candidates, [](const Record& a, const Record& b) {
    return std::tie(a.schedule, a.median_ns) < std::tie(b.schedule, b.median_ns);
  }));
}

Expected<std::optional<Record>, Error> Reader::best(std::string_view workload, const Conditions& conditions) {
  Match match;
  const std::array ids = {workload_id(workload), target_id(conditions.target_kind, conditions.target),
                          text_id("toolchain", toolchain_key(conditions.toolchain), conditions.toolchain),
                          text_id("protocol", protocol_key(conditions.protocol), conditions.protocol)};
  for (const auto& id : ids) {
    if (!id) return Unexpected(id.error());
    if (*id == 0) return std::optional<Record>();
  }
  match = {*ids[0], *ids[1], *ids[2], *ids[3], -1};
  return fastest(match);
}

Expected<std::optional<Served>, Error> Reader::serve(std::string_view workload,
                                                     const Conditions& conditions) {
  const std::array ids = {workload_id(workload), target_id(conditions.target_kind, conditions.target),
                          text_id("toolchain", toolchain_key(conditions.toolchain), conditions.toolchain),
                          text_id("protocol", protocol_key(conditions.protocol), conditions.protocol)};
  for (const auto& id : ids)
    if (!id) return Unexpected(id.error());
  if (*ids[0] == 0 || *ids[1] == 0) return std::optional<Served>();
  struct Level {
    bool same_toolchain, same_protocol;
  };
  for (const Level level : {Level{true, true}, Level{false, true}, Level{false, false}}) {
    if ((level.same_toolchain && *ids[2] == 0) || (level.same_protocol && *ids[3] == 0)) continue;
    const Match match{*ids[0], *ids[1], level.same_toolchain ? *ids[2] : 0, level.same_protocol ? *ids[3] : 0,
                      conditions.language_major};
    auto found = fastest(match);
    if (!found) return Unexpected(found.error());
    if (*found)
      return std::optional<Served>(Served{**std::move(found), !level.same_toolchain || !level.same_protocol});
  }
  return std::optional<Served>();
}

Expected<std::vector<Record>, Error> Reader::records(std::string_view workload, std::string_view target_kind,
                                                     std::string_view target) {
  const auto workload_row = workload_id(workload);
  if (!workload_row) return Unexpected(workload_row.error());
  const auto target_row = target_id(target_kind, target);
  if (!target_row) return Unexpected(target_row.error());
  if (*workload_row == 0 || *target_row == 0) return std::vector<Record>();
  auto query = statement(std::string(record_columns) + "WHERE m.workload_id = ?1 AND m.target_id = ?2 AND" +
                         std::string(not_retracted) + "ORDER BY m.id");
  if (!query) return Unexpected(query.error());
  return collect((*query)->bind(1, *workload_row).bind(2, *target_row));
}

Expected<std::optional<Record>, Error> Reader::seed_of_workload(const NeighbourQuery& wanted,
                                                                std::int64_t workload) {
  // Numbers of rows first: sorting whole records is slow.
  auto query = statement(
      "SELECT m.id FROM measurement m JOIN target g ON g.id = m.target_id JOIN schedule s ON s.id = "
      "m.schedule_id "
      "JOIN toolchain t ON t.id = m.toolchain_id JOIN source o ON o.id = m.source_id "
      "WHERE m.workload_id = ?1 AND m.status = 0 AND g.kind = ?2 AND s.language_major = ?3 AND" +
      std::string(not_retracted) + "ORDER BY g.text = ?4 DESC, m.trust DESC, m.median_ns, m.hash LIMIT ?5");
  if (!query) return Unexpected(query.error());
  auto ids = integers((*query)
                          ->bind(1, workload)
                          .bind(2, wanted.target_kind)
                          .bind(3, wanted.language_major)
                          .bind(4, wanted.target)
                          .bind(5, seed_tries));
  if (!ids) return Unexpected(ids.error());
  for (const std::int64_t id : *ids) {
    auto found = record(id);
    if (!found || *found) return found;
  }
  return std::optional<Record>();
}

Expected<std::vector<Neighbour>, Error> Reader::neighbours(const NeighbourQuery& wanted) {
  auto rows = statement(
      "SELECT w.id, w.extents, w.key FROM workload w WHERE w.family_key = ?1 AND w.family = ?2 "
      "ORDER BY w.id DESC LIMIT ?3");
  if (!rows) return Unexpected(rows.error());
  (*rows)->bind(1, family_key(wanted.family)).bind(2, wanted.family).bind(3, max_family_rows);
  std::vector<std::tuple<double, std::string, std::int64_t>> near;
  while (true) {
    const auto row = (*rows)->step();
    if (!row) return Unexpected(row.error());
    if (!*row) break;
    const auto extents = decode_extents((*rows)->bytes(1));
    if (!extents || extents->size() != wanted.extents.size()) continue;
    near.emplace_back(squared_distance(*extents, wanted.extents), std::string((*rows)->bytes(2)),
                      (*rows)->integer(0));
  }
  (*rows)->reset();
  std::ranges::sort(near);

  std::vector<Neighbour> result;
  for (const auto& [distance, key, id] : near) {
    if (result.size() >= wanted.limit) break;
    auto found = seed_of_workload(wanted, id);
    if (!found) return Unexpected(found.error());
    if (*found) result.push_back({**std::move(found), distance});
  }
  return result;
}

Expected<std::vector<Record>, Error> Reader::page(const Filter& filter, Cursor& cursor) {
  if (cursor.last_id < 0) {
    const auto last = connection_->integer("SELECT coalesce(max(id), 0) FROM measurement");
    if (!last) return Unexpected(last.error());
    cursor.last_id = *last;
  }
  std::string sql(record_columns);
  sql += filter.by_hash ? "WHERE m.hash > ?1 " : "WHERE m.id > ?1 AND m.id <= ?2 ";
  sql += "AND m.trust >= ?3 ";
  if (filter.status) sql += "AND m.status = ?4 ";
  if (filter.workload) sql += "AND m.workload_id = (SELECT id FROM workload WHERE key = ?5) ";
  if (filter.target) sql += "AND m.target_id = (SELECT id FROM target WHERE key = ?6) ";
  if (filter.target_kind) sql += "AND g.kind = ?7 ";
  if (!filter.retracted) sql += "AND" + std::string(not_retracted);
  sql += filter.by_hash ? "ORDER BY m.hash LIMIT ?8" : "ORDER BY m.id LIMIT ?8";
  auto query = statement(sql);
  if (!query) return Unexpected(query.error());
  Statement& q = **query;
  const std::string after = cursor.hash;
  if (filter.by_hash)
    q.bind(1, std::string_view(after));
  else
    q.bind(1, cursor.id).bind(2, cursor.last_id);
  q.bind(3, static_cast<int>(filter.least_trust)).bind(8, page_rows);
  if (filter.status) q.bind(4, static_cast<int>(*filter.status));
  if (filter.workload) q.bind(5, workload_key(*filter.workload));
  if (filter.target) q.bind(6, target_key(filter.target_kind.value_or("cpu"), *filter.target));
  if (filter.target_kind) q.bind(7, std::string_view(*filter.target_kind));

  std::vector<Record> records;
  int rows = 0;
  while (true) {
    const auto row = q.step();
    if (!row) return Unexpected(row.error());
    if (!*row) break;
    ++rows;
    cursor.id = record_id(q);
    cursor.hash = record_hash_bytes(q);
    auto record = read_record(q);
    if (record) {
      records.push_back(*std::move(record));
    } else {
      cursor.damaged.push_back(record.error());
    }
  }
  q.reset();
  cursor.done = rows < page_rows;
  return records;
}

Expected<std::vector<Retraction>, Error> Reader::retractions() {
  auto query = statement(
      "SELECT hash, subject, reason, source, created_us, trust, seal FROM retraction ORDER BY hash");
  if (!query) return Unexpected(query.error());
  std::vector<Retraction> result;
  while (true) {
    const auto row = (*query)->step();
    if (!row) return Unexpected(row.error());
    if (!*row) break;
    auto retraction = read_retraction(**query);
    if (retraction)
      result.push_back(*std::move(retraction));
    else
      log(LogLevel::warning, "database '{}': a retraction is damaged and left out", connection_->path());
  }
  (*query)->reset();
  return result;
}

Expected<std::optional<std::vector<std::byte>>, Error> Reader::load_model(std::string_view target_kind,
                                                                          std::string_view target,
                                                                          std::string_view feature_version) {
  std::optional<std::vector<std::byte>> result;
  const auto target_row = target_id(target_kind, target);
  if (!target_row) return Unexpected(target_row.error());
  if (*target_row == 0) return result;
  auto query = statement("SELECT model, hash FROM cost_model WHERE target_id = ?1 AND feature_version = ?2");
  if (!query) return Unexpected(query.error());
  const auto row = (*query)->bind(1, *target_row).bind(2, feature_version).step();
  if (!row) return Unexpected(row.error());
  if (*row) {
    const std::string_view model = (*query)->bytes(0);
    if ((*query)->digest(1) == model_hash(feature_version, model)) {
      const auto* data = reinterpret_cast<const std::byte*>(model.data());
      result.emplace(data, data + model.size());
    } else {
      log(LogLevel::warning, "database '{}': a cost model is damaged and left out", connection_->path());
    }
  }
  (*query)->reset();
  return result;
}

}  // namespace tunesmith::cache::sqlite
