// The schema of the object store. It is disposable: a version that needs another shape may start from an
// empty table.
#include <array>

#include "cache/sqlite/format.h"

namespace tunesmith::cache::sqlite {
namespace {

constexpr Migration version_1 = R"sql(
CREATE TABLE object(
  id INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE CHECK(length(key) = 32),
  hash BLOB NOT NULL CHECK(length(hash) = 32),
  size INTEGER NOT NULL,
  used_us INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;
CREATE INDEX object_by_use ON object(used_us, size);
)sql";

constexpr std::array migrations = {version_1};

}  // namespace

const Format& object_format() {
  // "TSob"
  static constexpr Format format{"object store", 0x54536F62, migrations};
  return format;
}

}  // namespace tunesmith::cache::sqlite
