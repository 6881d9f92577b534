// Rows to records.
#include <cstring>

#include "cache/sqlite/rows.h"

namespace tunesmith::cache::sqlite {
namespace {

enum Column {
  id,
  hash,
  workload,
  family,
  extents,
  workload_hash,
  target_kind,
  target,
  toolchain,
  protocol,
  schedule,
  language_major,
  language_minor,
  source,
  status,
  median_ns,
  mad_ns,
  samples,
  max_error,
  message,
  seed,
  created_us,
  trust,
  seal,
};

/// An integer of a row that must fit a smaller range.
bool in_range(std::int64_t value, std::int64_t limit) { return value >= 0 && value < limit; }

}  // namespace

const std::string_view record_columns =
    "SELECT m.id, m.hash, w.text, w.family, w.extents, w.hash, g.kind, g.text, t.text, p.text, s.text, "
    "s.language_major, s.language_minor, o.text, m.status, m.median_ns, m.mad_ns, m.samples, m.max_error, "
    "m.message, "
    "m.seed, m.created_us, m.trust, m.seal "
    "FROM measurement m JOIN workload w ON w.id = m.workload_id JOIN target g ON g.id = m.target_id "
    "JOIN toolchain t ON t.id = m.toolchain_id JOIN protocol p ON p.id = m.protocol_id "
    "JOIN schedule s ON s.id = m.schedule_id JOIN source o ON o.id = m.source_id ";

const std::string_view not_retracted =
    " NOT EXISTS (SELECT 1 FROM retraction r WHERE r.subject IN (m.hash, s.key, t.key, o.key) AND r.trust >= "
    "m.trust) ";

std::int64_t record_id(const Statement& row) { return row.integer(Column::id); }

std::string record_hash_bytes(const Statement& row) { return std::string(row.bytes(Column::hash)); }

std::optional<Retraction> read_retraction(const Statement& row) {
  Retraction r;
  const auto subject = row.digest(1);
  if (!subject || !in_range(row.integer(5), 3)) return std::nullopt;
  r.subject = *subject;
  r.reason = row.bytes(2);
  r.source = row.bytes(3);
  r.created_us = row.integer(4);
  r.trust = static_cast<Trust>(row.integer(5));
  const Digest hash = retraction_hash(r);
  if (row.digest(0) != hash || row.integer(6) != trust_seal(hash, r.trust)) return std::nullopt;
  return r;
}

ReadRecord read_record(const Statement& row) {
  const auto damaged = [&](std::string_view reason) {
    return Unexpected(DamagedRow{row.integer(Column::id), std::string(reason)});
  };
  Record r;
  r.workload = row.bytes(Column::workload);
  r.family = row.bytes(Column::family);
  auto sizes = decode_extents(row.bytes(Column::extents));
  if (!sizes) return damaged("the extents of its workload are malformed");
  r.extents = *std::move(sizes);
  if (row.digest(Column::workload_hash) != workload_row_hash(workload_key(r.workload), r.family, r.extents))
    return damaged("its workload differs from its hash");
  r.target_kind = row.bytes(Column::target_kind);
  r.target = row.bytes(Column::target);
  r.toolchain = row.bytes(Column::toolchain);
  r.protocol = row.bytes(Column::protocol);
  r.schedule = row.bytes(Column::schedule);
  r.language_major = static_cast<int>(row.integer(Column::language_major));
  r.language_minor = static_cast<int>(row.integer(Column::language_minor));
  r.source = row.bytes(Column::source);
  if (!in_range(row.integer(Column::status), status_count)) return damaged("its status is unknown");
  r.status = static_cast<Status>(row.integer(Column::status));
  r.median_ns = row.real(Column::median_ns);
  r.mad_ns = row.real(Column::mad_ns);
  r.samples = static_cast<std::int32_t>(row.integer(Column::samples));
  r.max_error = row.real(Column::max_error);
  r.message = row.bytes(Column::message);
  r.seed = row.bytes(Column::seed);
  r.created_us = row.integer(Column::created_us);
  if (!in_range(row.integer(Column::trust), 3)) return damaged("its trust is unknown");
  r.trust = static_cast<Trust>(row.integer(Column::trust));
  const Digest wanted = measurement_hash(r);
  if (row.digest(Column::hash) != wanted) return damaged("its contents differ from its hash");
  if (row.integer(Column::seal) != trust_seal(wanted, r.trust))
    return damaged("its trust differs from its seal");
  if (auto valid = validate(r); !valid) return damaged(valid.error().message);
  return r;
}

std::string encode_extents(std::span<const std::int64_t> extents) {
  std::string bytes;
  for (std::int64_t extent : extents)
    for (int shift = 0; shift < 64; shift += 8)
      bytes.push_back(static_cast<char>(static_cast<std::uint64_t>(extent) >> shift));
  return bytes;
}

std::optional<std::vector<std::int64_t>> decode_extents(std::string_view bytes) {
  if (bytes.size() % 8 != 0 || bytes.size() > 8 * max_extents) return std::nullopt;
  std::vector<std::int64_t> extents;
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t value = 0;
    for (std::size_t b = 0; b < 8; ++b)
      value |= std::uint64_t{static_cast<unsigned char>(bytes[i + b])} << (8 * b);
    extents.push_back(static_cast<std::int64_t>(value));
  }
  return extents;
}

Digest workload_row_hash(const Digest& key, std::string_view family, std::span<const std::int64_t> extents) {
  CanonicalWriter writer;
  writer.text("tunesmith").text("workload row").digest(key).text(family).u64(extents.size());
  for (std::int64_t extent : extents) writer.i64(extent);
  return writer.finish();
}

std::int64_t trust_seal(const Digest& hash, Trust trust) {
  const Digest seal = CanonicalWriter()
                          .text("tunesmith")
                          .text("trust")
                          .digest(hash)
                          .u64(static_cast<std::uint64_t>(trust))
                          .finish();
  std::uint64_t value = 0;
  for (int b = 0; b < 8; ++b) value |= std::to_integer<std::uint64_t>(seal.bytes[b]) << (8 * b);
  return static_cast<std::int64_t>(value);
}

Digest model_hash(std::string_view feature_version, std::string_view model) {
  return CanonicalWriter().text("tunesmith").text("cost model").text(feature_version).text(model).finish();
}

}  // namespace tunesmith::cache::sqlite
