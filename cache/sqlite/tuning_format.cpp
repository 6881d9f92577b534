// The schema of the tuning database. Append migrations; never change one that was released.
//
// Texts are blobs, because payloads are opaque bytes. Every row can be checked by itself: dimension rows by
// their key (a digest of the text), workloads also by `hash` (family and extents), measurements by `hash`,
// trust by `seal`. Only trust and seal of a measurement ever change.
#include <array>

#include "cache/sqlite/format.h"

namespace tunesmith::cache::sqlite {
namespace {

constexpr Migration version_1 = R"sql(
CREATE TABLE workload(
  id INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE CHECK(length(key) = 32),
  text BLOB NOT NULL,
  family_key BLOB NOT NULL CHECK(length(family_key) = 32),
  family BLOB NOT NULL,
  extents BLOB NOT NULL,
  hash BLOB NOT NULL CHECK(length(hash) = 32)
) STRICT;
CREATE INDEX workload_by_family ON workload(family_key);
CREATE TABLE target(
  id INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE CHECK(length(key) = 32),
  kind BLOB NOT NULL,
  text BLOB NOT NULL
) STRICT;
CREATE TABLE toolchain(
  id INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE CHECK(length(key) = 32),
  text BLOB NOT NULL
) STRICT;
CREATE TABLE protocol(
  id INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE CHECK(length(key) = 32),
  text BLOB NOT NULL
) STRICT;
CREATE TABLE schedule(
  id INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE CHECK(length(key) = 32),
  language_major INTEGER NOT NULL,
  language_minor INTEGER NOT NULL,
  text BLOB NOT NULL
) STRICT;
CREATE TABLE source(
  id INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE CHECK(length(key) = 32),
  text BLOB NOT NULL
) STRICT;
CREATE TABLE measurement(
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE CHECK(length(hash) = 32),
  workload_id INTEGER NOT NULL REFERENCES workload(id),
  target_id INTEGER NOT NULL REFERENCES target(id),
  toolchain_id INTEGER NOT NULL REFERENCES toolchain(id),
  protocol_id INTEGER NOT NULL REFERENCES protocol(id),
  schedule_id INTEGER NOT NULL REFERENCES schedule(id),
  source_id INTEGER NOT NULL REFERENCES source(id),
  status INTEGER NOT NULL,
  median_ns REAL NOT NULL,
  mad_ns REAL NOT NULL,
  samples INTEGER NOT NULL,
  max_error REAL NOT NULL,
  message BLOB NOT NULL,
  seed BLOB NOT NULL,
  created_us INTEGER NOT NULL,
  trust INTEGER NOT NULL CHECK(trust BETWEEN 0 AND 2),
  seal INTEGER NOT NULL
) STRICT;
CREATE INDEX measurement_by_time ON measurement(workload_id, target_id, status, median_ns);
CREATE INDEX measurement_by_target ON measurement(target_id);
CREATE INDEX measurement_by_schedule ON measurement(schedule_id);
CREATE TABLE retraction(
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE CHECK(length(hash) = 32),
  subject BLOB NOT NULL CHECK(length(subject) = 32),
  reason BLOB NOT NULL,
  source BLOB NOT NULL,
  created_us INTEGER NOT NULL,
  trust INTEGER NOT NULL CHECK(trust BETWEEN 0 AND 2),
  seal INTEGER NOT NULL
) STRICT;
CREATE INDEX retraction_by_subject ON retraction(subject);
CREATE TABLE cost_model(
  id INTEGER PRIMARY KEY,
  target_id INTEGER NOT NULL REFERENCES target(id),
  feature_version BLOB NOT NULL,
  model BLOB NOT NULL,
  hash BLOB NOT NULL CHECK(length(hash) = 32),
  created_us INTEGER NOT NULL,
  UNIQUE(target_id, feature_version)
) STRICT;
)sql";

constexpr std::array migrations = {version_1};

}  // namespace

const Format& tuning_format() {
  // "TSdb"
  static constexpr Format format{"tuning database", 0x54536462, migrations};
  return format;
}

}  // namespace tunesmith::cache::sqlite
