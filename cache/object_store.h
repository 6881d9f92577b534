// ObjectStore: compiled code by the digest of everything that it was made from. A local, disposable cache
// in one SQLite file: bounded in size, least recently used goes first, a damaged entry is dropped.
//
// Invariants: bytes are returned only if their hash is the stored one. An I/O error never deletes anything.
//
// Thread safety: every function may be called from several threads, and several processes may share the
// file. Not to be used in a child process after fork(): there everything is a miss.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/support/error.h"
#include "ir/support/expected.h"
#include "ir/support/hash.h"

namespace tunesmith::cache {

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  /// The bytes stored under `key`; empty where there are none or they are damaged. Never waits over 5 ms.
  virtual std::optional<std::vector<std::byte>> get(const Digest& key) = 0;
  /// Stores or replaces; evicts old entries beyond the size limit. False where that failed (a line in
  /// the log says why) or the object alone is over the limit: nothing is lost but time.
  virtual bool put(const Digest& key, std::span<const std::byte> bytes) = 0;
  /// Sum of the sizes of all objects.
  virtual std::uint64_t size_bytes() = 0;
};

inline constexpr std::uint64_t default_object_store_bytes = std::uint64_t{1} << 30;

/// Where the compiled code of those who use a database lies: "objects.db" beside it.
std::string object_store_path(const std::string& database_path);

/// Opens or creates the store. A damaged file is made anew; one of another program or of a newer version is
/// refused and stays.
Expected<std::unique_ptr<ObjectStore>, Error> open_object_store(
    const std::string& path, std::uint64_t max_bytes = default_object_store_bytes);

}  // namespace tunesmith::cache
