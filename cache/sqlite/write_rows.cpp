// Records to rows.
#include <utility>

#include "cache/sqlite/rows.h"

namespace tunesmith::cache::sqlite {
namespace {

struct Sql {
  Statement& statement;
  std::string_view text;
};

/// Steps a look-up and resets it: the integers of the first row's first columns, or nothing.
template <std::size_t count>
Expected<std::optional<std::array<std::int64_t, count>>, Error> first_row(Statement& statement) {
  const auto row = statement.step();
  if (!row) return Unexpected(row.error());
  std::optional<std::array<std::int64_t, count>> result;
  if (*row) {
    result.emplace();
    for (std::size_t c = 0; c < count; ++c) (*result)[c] = statement.integer(static_cast<int>(c));
  }
  statement.reset();
  return result;
}

}  // namespace

Expected<RecordWriter::TextTable, Error> RecordWriter::text_table(std::string_view table) {
  TextTable result;
  for (const auto& [statement, text] : {Sql{result.find, "SELECT id, text = ?2 FROM {} WHERE key = ?1"},
                                        Sql{result.add, "INSERT INTO {}(key, text) VALUES(?1, ?2)"},
                                        Sql{result.repair, "UPDATE {} SET text = ?2 WHERE id = ?1"}}) {
    auto prepared = connection_->prepare(fmt::format(fmt::runtime(text), table));
    if (!prepared) return Unexpected(prepared.error());
    statement = *std::move(prepared);
  }
  return result;
}

Expected<RecordWriter, Error> RecordWriter::prepare(Connection& connection) {
  RecordWriter writer(connection);
  for (const auto& [table, name] :
       {std::pair{&writer.toolchain_, "toolchain"}, std::pair{&writer.protocol_, "protocol"},
        std::pair{&writer.source_, "source"}}) {
    auto prepared = writer.text_table(name);
    if (!prepared) return Unexpected(prepared.error());
    *table = *std::move(prepared);
  }
  for (const auto& [statement, text] : {
           Sql{writer.find_workload_,
               "SELECT id, text = ?2 AND hash = ?3 AND family = ?4 AND extents = ?5 "
               "FROM workload WHERE key = ?1"},
           Sql{writer.add_workload_,
               "INSERT INTO workload(key, text, family_key, family, extents, hash) "
               "VALUES(?1, ?2, ?3, ?4, ?5, ?6)"},
           Sql{writer.update_workload_,
               "UPDATE workload SET text = ?2, family_key = ?3, family = ?4, extents = ?5, "
               "hash = ?6 WHERE key = ?1"},
           Sql{writer.find_target_, "SELECT id FROM target WHERE key = ?1"},
           Sql{writer.add_target_, "INSERT INTO target(key, kind, text) VALUES(?1, ?2, ?3)"},
           Sql{writer.find_schedule_, "SELECT id FROM schedule WHERE key = ?1"},
           Sql{writer.add_schedule_,
               "INSERT INTO schedule(key, language_major, language_minor, text) "
               "VALUES(?1, ?2, ?3, ?4)"},
           Sql{writer.find_measurement_, "SELECT id, trust FROM measurement WHERE hash = ?1"},
           Sql{writer.add_measurement_,
               "INSERT INTO measurement(hash, workload_id, target_id, toolchain_id, protocol_id, "
               "schedule_id, "
               "source_id, status, median_ns, mad_ns, samples, max_error, message, seed, created_us, trust, "
               "seal) "
               "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"},
           Sql{writer.update_trust_, "UPDATE measurement SET trust = ?2, seal = ?3 WHERE id = ?1"},
           Sql{writer.find_retraction_, "SELECT id, trust FROM retraction WHERE hash = ?1"},
           Sql{writer.add_retraction_,
               "INSERT INTO retraction(hash, subject, reason, source, created_us, trust, seal) "
               "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"},
           Sql{writer.update_retraction_, "UPDATE retraction SET trust = ?2, seal = ?3 WHERE id = ?1"},
       }) {
    auto prepared = connection.prepare(text);
    if (!prepared) return Unexpected(prepared.error());
    statement = *std::move(prepared);
  }
  return writer;
}

Expected<std::int64_t, Error> RecordWriter::text_id(TextTable& table, const Digest& key,
                                                    std::string_view text) {
  const auto found = first_row<2>(table.find.bind(1, key).bind(2, text));
  if (!found) return Unexpected(found.error());
  if (*found) {
    const auto [id, equal] = **found;
    // The key is the digest of this text: a stored text that differs is damaged, and these are the right
    // bytes.
    if (equal == 0)
      if (auto repaired = table.repair.bind(1, id).bind(2, text).run(); !repaired)
        return Unexpected(repaired.error());
    return id;
  }
  if (auto added = table.add.bind(1, key).bind(2, text).run(); !added) return Unexpected(added.error());
  return connection_->last_row_id();
}

Expected<std::int64_t, Error> RecordWriter::workload_id(const Record& record, bool ours) {
  const Digest key = workload_key(record.workload);
  const Digest hash = workload_row_hash(key, record.family, record.extents);
  const std::string extents = encode_extents(record.extents);
  const auto found = first_row<2>(find_workload_.bind(1, key)
                                      .bind(2, std::string_view(record.workload))
                                      .bind(3, hash)
                                      .bind(4, std::string_view(record.family))
                                      .bind(5, std::string_view(extents)));
  if (!found) return Unexpected(found.error());
  const bool known = found->has_value();
  if (known && ((**found)[1] != 0 || !ours)) return (**found)[0];
  Statement& write = known ? update_workload_ : add_workload_;
  auto written = write.bind(1, key)
                     .bind(2, std::string_view(record.workload))
                     .bind(3, family_key(record.family))
                     .bind(4, std::string_view(record.family))
                     .bind(5, std::string_view(extents))
                     .bind(6, hash)
                     .run();
  if (!written) return Unexpected(written.error());
  return known ? (**found)[0] : connection_->last_row_id();
}

Expected<std::int64_t, Error> RecordWriter::target_id(std::string_view kind, std::string_view text) {
  const Digest key = target_key(kind, text);
  const auto found = first_row<1>(find_target_.bind(1, key));
  if (!found) return Unexpected(found.error());
  if (*found) return (**found)[0];
  if (auto added = add_target_.bind(1, key).bind(2, kind).bind(3, text).run(); !added)
    return Unexpected(added.error());
  return connection_->last_row_id();
}

Expected<std::int64_t, Error> RecordWriter::schedule_id(const Record& record) {
  const Digest key = schedule_key(record.schedule, record.language_major, record.language_minor);
  const auto found = first_row<1>(find_schedule_.bind(1, key));
  if (!found) return Unexpected(found.error());
  if (*found) return (**found)[0];
  auto added = add_schedule_.bind(1, key)
                   .bind(2, record.language_major)
                   .bind(3, record.language_minor)
                   .bind(4, std::string_view(record.schedule))
                   .run();
  if (!added) return Unexpected(added.error());
  return connection_->last_row_id();
}

Expected<bool, Error> RecordWriter::insert(const Record& record, bool ours) {
  const Digest hash = measurement_hash(record);
  const auto known = first_row<2>(find_measurement_.bind(1, hash));
  if (!known) return Unexpected(known.error());
  if (*known) {
    auto raised = raise_trust(hash, record.trust);
    return raised ? Expected<bool, Error>(false) : raised;
  }
  const std::array ids = {
      workload_id(record, ours),
      target_id(record.target_kind, record.target),
      text_id(toolchain_, toolchain_key(record.toolchain), record.toolchain),
      text_id(protocol_, protocol_key(record.protocol), record.protocol),
      schedule_id(record),
      text_id(source_, source_key(record.source), record.source),
  };
  add_measurement_.bind(1, hash);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!ids[i]) return Unexpected(ids[i].error());
    add_measurement_.bind(static_cast<int>(i) + 2, *ids[i]);
  }
  auto added = add_measurement_.bind(8, static_cast<int>(record.status))
                   .bind(9, record.median_ns)
                   .bind(10, record.mad_ns)
                   .bind(11, std::int64_t{record.samples})
                   .bind(12, record.max_error)
                   .bind(13, std::string_view(record.message))
                   .bind(14, std::string_view(record.seed))
                   .bind(15, record.created_us)
                   .bind(16, static_cast<int>(record.trust))
                   .bind(17, trust_seal(hash, record.trust))
                   .run();
  if (!added) return Unexpected(added.error());
  return true;
}

Expected<bool, Error> RecordWriter::raise_trust(const Digest& measurement, Trust trust) {
  const auto known = first_row<2>(find_measurement_.bind(1, measurement));
  if (!known) return Unexpected(known.error());
  if (!*known || (**known)[1] >= static_cast<std::int64_t>(trust)) return false;
  auto raised = update_trust_.bind(1, (**known)[0])
                    .bind(2, static_cast<int>(trust))
                    .bind(3, trust_seal(measurement, trust))
                    .run();
  if (!raised) return Unexpected(raised.error());
  return true;
}

Expected<bool, Error> RecordWriter::insert(const Retraction& retraction) {
  const Digest hash = retraction_hash(retraction);
  const auto known = first_row<2>(find_retraction_.bind(1, hash));
  if (!known) return Unexpected(known.error());
  const std::int64_t trust = static_cast<std::int64_t>(retraction.trust);
  if (*known) {
    if ((**known)[1] >= trust) return false;
    auto raised = update_retraction_.bind(1, (**known)[0])
                      .bind(2, trust)
                      .bind(3, trust_seal(hash, retraction.trust))
                      .run();
    if (!raised) return Unexpected(raised.error());
    return false;
  }
  auto added = add_retraction_.bind(1, hash)
                   .bind(2, retraction.subject)
                   .bind(3, std::string_view(retraction.reason))
                   .bind(4, std::string_view(retraction.source))
                   .bind(5, retraction.created_us)
                   .bind(6, trust)
                   .bind(7, trust_seal(hash, retraction.trust))
                   .run();
  if (!added) return Unexpected(added.error());
  return true;
}

}  // namespace tunesmith::cache::sqlite
