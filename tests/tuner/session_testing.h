// What the tests of whole tuning sessions share: a folder with a database, a session over one small kernel
// with short deadlines, and a view of what the database holds afterwards.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cache/store.h"
#include "ir/canonical.h"
#include "tests/tuner/test_kernels.h"
#include "tuner/session.h"

namespace tunesmith::tuner::testing {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tunesmith-tuner-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// A database that is opened anew for each session, as by programs that run one after another.
class SessionTest : public ::testing::Test {
 protected:
  Environment open_environment(std::int32_t threads = 2) const {
    auto store = cache::open_sqlite(database(), cache::OpenMode::read_write);
    if (!store) throw std::runtime_error(store.error().message);
    auto environment = host_environment(threads, std::move(*store));
    if (!environment) throw std::runtime_error(environment.error().message);
    return std::move(*environment);
  }
  std::string database() const { return folder_.file("tuning.db"); }

  std::vector<Task> tasks() const { return {{"matmul", kernel_, 1.0}}; }

  /// Short deadlines, and a roof that no result reaches, so that a session ends by its
  /// trials.
  static SessionOptions quick_options(std::int64_t trials) {
    SessionOptions options;
    options.trials_per_task = trials;
    options.measure.timeout_seconds = 1;
    options.limits = Limits{1e9, 1e9, 1e9, 1 << 20, 1};
    return options;
  }

  /// All that is known of the kernel on this target, oldest first.
  std::vector<cache::Record> records(const Environment& environment) const {
    auto found = environment.store->records(ir::canonical_text(kernel_), "cpu", environment.target_text());
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : std::vector<cache::Record>{};
  }

  static std::map<std::string, std::int64_t> failures_of(const std::vector<cache::Record>& records) {
    std::map<std::string, std::int64_t> counts;
    for (const cache::Record& record : records)
      if (record.status != cache::Status::ok) ++counts[std::string(cache::to_string(record.status))];
    return counts;
  }

  static std::set<std::string> schedules_of(const std::vector<cache::Record>& records) {
    std::set<std::string> schedules;
    for (const cache::Record& record : records) schedules.insert(record.schedule);
    return schedules;
  }

  const ir::Kernel kernel_ = matmul_kernel(48, 64, 32);
  TemporaryFolder folder_;
};

}  // namespace tunesmith::tuner::testing
