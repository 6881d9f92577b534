// Records and folders for the tests of the cache room.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include "cache/store.h"
#include "ir/support/hash.h"
#include "ir/support/rng.h"

namespace tunesmith::cache::testing {

/// A folder of its own for each test, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "tunesmith-cache-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  std::string file(const std::string& name = "tuning.db") const { return (path_ / name).string(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A plausible record; `schedule` tells records apart.
inline Record make_record(const std::string& schedule, double median_ns = 1000) {
  Record r;
  r.workload = "canon 1\nmatmul f32 64x64x64\n";
  r.family = "matmul f32 A x B x A";
  r.extents = {64, 64};
  r.target = "zen4 avx512 cores=2";
  r.toolchain = "language=1.0 llvm=19";
  r.protocol = "timer=steady cache=warm threads=1";
  r.schedule = schedule;
  r.language_major = 1;
  r.language_minor = 0;
  r.median_ns = median_ns;
  r.mad_ns = 0;
  r.samples = 9;
  r.max_error = 1e-6;
  r.seed = "seed=1 generation=0";
  r.source = "host=test";
  r.created_us = 1700000000000000;
  return r;
}

inline Conditions conditions_of(const Record& r) {
  return {r.target_kind, r.target, r.toolchain, r.protocol, r.language_major};
}

inline std::unique_ptr<Store> open_store(const std::string& path, OpenMode mode = OpenMode::read_write) {
  auto store = open_sqlite(path, mode);
  if (!store) {
    ADD_FAILURE() << store.error().message;
    return nullptr;
  }
  return *std::move(store);
}

/// All records of a store by their hash.
inline std::map<Digest, Record> contents(Store& store) {
  std::map<Digest, Record> all;
  Filter filter;
  filter.retracted = true;
  const auto visited = store.visit(filter, [&](const Record& record) {
    all.emplace(measurement_hash(record), record);
    return true;
  });
  EXPECT_TRUE(visited.has_value()) << visited.error().message;
  return all;
}

/// A record with random contents in every field, awkward bytes included.
inline Record random_record(Rng& rng) {
  const auto pick = [&](const char* what, std::uint64_t count) {
    return what + std::to_string(rng.below(count));
  };
  Record r = make_record(pick("split i ", 40), 1 + 1e4 * rng.unit());
  r.workload = pick("workload ", 6);
  r.family = "family " + std::to_string(hash64(r.workload) % 3);
  r.extents = {static_cast<std::int64_t>(1 + hash64(r.workload) % 5000)};
  r.target = pick("target ", 3);
  r.toolchain = pick("toolchain ", 2);
  r.status = static_cast<Status>(rng.below(status_count));
  r.mad_ns = r.median_ns * 0.1 * rng.unit();
  r.samples = static_cast<std::int32_t>(rng.below(100));
  r.max_error = rng.below(10) == 0 ? std::numeric_limits<double>::infinity() : rng.unit();
  if (rng.below(3) == 0) r.message = std::string("bytes \0\xff\x80 \"quoted\"\n", 20);
  r.created_us = static_cast<std::int64_t>(rng.below(1000000));
  return r;
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace tunesmith::cache::testing
