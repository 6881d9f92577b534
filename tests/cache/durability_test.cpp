// What must survive: several writers, killed writers, full disks, flipped bits.
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <set>
#include <thread>

#include "cache/bundle.h"
#include "cache/check.h"
#include "cache/merge.h"
#include "cache/sqlite/format.h"
#include "cache/sqlite/rows.h"
#include "cache/stats.h"
#include "test_records.h"

namespace tunesmith::cache {
namespace {

using testing::conditions_of;
using testing::contents;
using ::testing::HasSubstr;
using testing::make_record;
using testing::open_store;
using testing::read_file;
using testing::TemporaryFolder;
using testing::write_file;

class DurabilityTest : public ::testing::Test {
 protected:
  /// Starts a process that runs `body` and exits with the number that it returns.
  template <class Body>
  pid_t start(Body&& body) {
    const pid_t child = fork();
    if (child == 0) _exit(body());
    return child;
  }
  int wait(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  std::set<std::string> schedules() {
    std::set<std::string> names;
    auto store = open_store(path_);
    for (const auto& [hash, record] : contents(*store)) names.insert(record.schedule);
    return names;
  }
  void fill(int rows) {
    auto store = open_store(path_);
    std::vector<Record> records;
    for (int i = 0; i < rows; ++i) records.push_back(make_record("schedule " + std::to_string(i), 100 + i));
    ASSERT_TRUE(store->put(records));
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file();
};

TEST_F(DurabilityTest, SeveralProcessesCreateAndWriteOneFile) {
  std::vector<pid_t> children;
  for (int p = 0; p < 6; ++p)
    children.push_back(start([&] {
      auto store = open_sqlite(path_, OpenMode::read_write);
      if (!store) {
        fprintf(stderr, "%s\n", store.error().message.c_str());
        return 1;
      }
      for (int i = 0; i < 60; ++i) {
        const Record r = make_record(std::to_string(p) + "/" + std::to_string(i));
        if (!(*store)->put(std::span(&r, 1), i % 20 == 0 ? Durability::on_disk : Durability::queued))
          return 2;
      }
      const Record shared = make_record("shared");
      return (*store)->put(std::span(&shared, 1)) && (*store)->flush() ? 0 : 3;
    }));
  for (pid_t child : children) EXPECT_EQ(wait(child), 0);
  EXPECT_EQ(schedules().size(), 6u * 60 + 1);
  EXPECT_TRUE(check_database(path_)->whole());
}

TEST_F(DurabilityTest, SeveralThreadsUseOneStore) {
  auto store = open_store(path_);
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 40; ++i) {
        const Record r = make_record(std::to_string(t) + "/" + std::to_string(i), 10 + i);
        if (!store->put(std::span(&r, 1))) ++failures;
        if (i % 8 == 0 && !store->best(r.workload, conditions_of(r))) ++failures;
        if (i % 16 == 0 && !store->import_records(std::span(&r, 1))) ++failures;
        if (i % 16 == 1 && !store->visit({}, [](const Record&) { return true; })) ++failures;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(contents(*store).size(), 6u * 40);
}

TEST_F(DurabilityTest, AKilledWriterLosesNoAcknowledgedRow) {
  for (int round = 0; round < 4; ++round) {
    int channel[2];
    ASSERT_EQ(pipe(channel), 0);
    const pid_t child = start([&] {
      auto store = open_sqlite(path_, OpenMode::read_write);
      if (!store) return 1;
      for (int i = 0;; ++i) {
        const Record r = make_record(std::to_string(round) + "/" + std::to_string(i));
        if (!(*store)->put(std::span(&r, 1), Durability::on_disk)) return 2;
        if (write(channel[1], &i, sizeof i) != sizeof i) return 3;
      }
    });
    close(channel[1]);
    int acknowledged = -1;
    for (int i = 0; i < 5 + 7 * round; ++i)
      ASSERT_EQ(read(channel[0], &acknowledged, sizeof acknowledged), sizeof(int));
    kill(child, SIGKILL);
    while (read(channel[0], &acknowledged, sizeof acknowledged) == sizeof(int)) {
    }
    close(channel[0]);
    EXPECT_EQ(wait(child), -SIGKILL);
    const std::set<std::string> stored = schedules();
    for (int i = 0; i <= acknowledged; ++i)
      EXPECT_TRUE(stored.contains(std::to_string(round) + "/" + std::to_string(i))) << round << "/" << i;
  }
  EXPECT_TRUE(check_database(path_)->whole());
}

TEST_F(DurabilityTest, AFullDiskIsOneClearErrorAndLosesNothing) {
  fill(50);
  EXPECT_EQ(wait(start([&] {
              signal(SIGXFSZ, SIG_IGN);
              auto store = open_sqlite(path_, OpenMode::read_write);
              if (!store) return 1;
              const rlimit limit = {200000, RLIM_INFINITY};
              rlimit unlimited;
              getrlimit(RLIMIT_FSIZE, &unlimited);
              setrlimit(RLIMIT_FSIZE, &limit);
              Expected<void, Error> stored;
              int accepted = 0;
              for (; accepted < 10000 && stored; ++accepted) {
                Record r = make_record("late " + std::to_string(accepted));
                r.message.assign(500, 'm');
                stored = (*store)->put(std::span(&r, 1), Durability::on_disk);
              }
              if (stored || stored.error().message.find(path_) == std::string::npos) return 2;
              const Record r = make_record("refused");
              if ((*store)->put(std::span(&r, 1))) return 3;
              // What was there can be read, and with room again the rows that waited are written.
              if (!(*store)->best(r.workload, conditions_of(r))) return 4;
              setrlimit(RLIMIT_FSIZE, &unlimited);
              if (!(*store)->flush()) return 5;
              std::size_t count = 0;
              if (!(*store)->visit({}, [&](const Record&) { return ++count > 0; })) return 6;
              return count == 50 + static_cast<std::size_t>(accepted) ? 0 : 7;
            })),
            0);
  EXPECT_TRUE(check_database(path_)->whole());
}

TEST_F(DurabilityTest, TheLogIsTruncatedPastItsLimit) {
  sqlite::ConnectionOptions options;
  options.wal_limit_bytes = 100000;
  auto connection = sqlite::open_for_writing(path_, sqlite::tuning_format(), options);
  ASSERT_TRUE(connection);
  auto writer = sqlite::RecordWriter::prepare(**connection);
  ASSERT_TRUE(writer);
  std::uintmax_t largest = 0;
  for (int i = 0; i < 60; ++i) {
    sqlite::Transaction transaction(**connection);
    ASSERT_TRUE(transaction.begin());
    ASSERT_TRUE(writer->insert(make_record("schedule " + std::to_string(i)), true));
    ASSERT_TRUE(transaction.commit());
    largest = std::max(largest, std::filesystem::file_size(path_ + "-wal"));
  }
  EXPECT_GT(largest, 50000u) << "the log was used";
  EXPECT_LT(largest, 250000u);
}

TEST_F(DurabilityTest, ALockedDatabaseIsAMissWithin5Milliseconds) {
  fill(1);
  auto holder = open_store(path_);
  auto reader = open_store(path_, OpenMode::read_only);
  auto blocker = sqlite::Connection::open(path_, {.access = sqlite::Access::read_write});
  ASSERT_TRUE(blocker);
  ASSERT_TRUE((*blocker)->begin());
  const Record r = make_record("schedule 0");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(reader->find(r.workload, conditions_of(r))) << "a writer does not stop readers";
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(500));

  auto second = sqlite::Connection::open(path_, {.access = sqlite::Access::read_write});
  const auto begun = (*second)->begin();
  ASSERT_FALSE(begun);
  EXPECT_THAT(begun.error().message, HasSubstr("stayed locked"));
  EXPECT_THAT(begun.error().message, HasSubstr("5 ms"));
}

TEST_F(DurabilityTest, CheckFindsWhatFlippedBitsChange) {
  fill(40);
  {
    auto store = open_store(path_);
    const Retraction r{workload_key("x"), "why", "who", 1, Trust::measured_here};
    ASSERT_TRUE(store->retract(std::span(&r, 1)));
    const std::vector<std::byte> model(3000, std::byte{7});
    ASSERT_TRUE(store->save_model("cpu", make_record("").target, "features 1", model));
  }
  const auto report = check_database(path_);
  ASSERT_TRUE(report);
  ASSERT_TRUE(report->whole());
  EXPECT_EQ(report->rows, 40u + 40 + 5 + 2);

  const std::string whole = read_file(path_);
  auto original_store = open_store(path_, OpenMode::read_only);
  const auto original = contents(*original_store);
  original_store.reset();
  const std::string flipped_path = folder_.file("flipped.db");
  Rng rng(99);
  int changed = 0;
  for (int i = 0; i < 300; ++i) {
    std::string flipped = whole;
    std::uint64_t bit = rng.below(8 * whole.size());
    while (i % 4 != 0 && whole[bit / 8] == 0) bit = rng.below(8 * whole.size());  // mostly where data is
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    write_file(flipped_path, flipped);
    const auto checked = check_database(flipped_path);
    if (!checked || !checked->whole()) {
      ++changed;
      continue;
    }
    // Not found: then nothing that is stored may have changed.
    auto store = open_store(flipped_path, OpenMode::read_only);
    ASSERT_NE(store, nullptr);
    ASSERT_EQ(contents(*store), original) << "bit " << bit;
  }
  EXPECT_GT(changed, 150);
}

TEST_F(DurabilityTest, DamagedRowsAreNamedLeftOutAndCanBeBroughtBack) {
  fill(10);
  std::string file = read_file(path_);
  const std::size_t at = file.find("schedule 3");
  ASSERT_NE(at, std::string::npos);
  file[at] = 'S';
  write_file(path_, file);

  const auto report = check_database(path_);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->whole());
  std::set<std::string> tables;
  for (const CheckIssue& issue : report->issues) {
    tables.insert(issue.table);
    EXPECT_EQ(issue.row, 4) << issue.message;
  }
  EXPECT_EQ(tables, (std::set<std::string>{"measurement", "schedule"}));

  auto store = open_store(path_);
  EXPECT_EQ(contents(*store).size(), 9u);
  const Record damaged = make_record("schedule 3", 103);
  const auto tried = store->records(damaged.workload, "cpu", damaged.target);
  ASSERT_TRUE(tried);
  EXPECT_EQ(tried->size(), 9u);

  auto fresh = open_store(folder_.file("fresh.db"));
  const auto merged = merge_database(*fresh, path_);
  ASSERT_TRUE(merged) << merged.error().message;
  EXPECT_EQ(merged->added, 9u);
  EXPECT_EQ(merged->rejected, 1u);
  ASSERT_EQ(merged->issues.size(), 1u);
  EXPECT_THAT(merged->issues[0].where, HasSubstr("row 4"));
}

TEST_F(DurabilityTest, BestPassesOverADamagedRow) {
  fill(3);
  std::string file = read_file(path_);
  file[file.find("schedule 0")] = 'S';
  write_file(path_, file);
  auto store = open_store(path_, OpenMode::read_only);
  const Record r = make_record("");
  EXPECT_EQ(store->find(r.workload, conditions_of(r))->record.schedule, "schedule 1");
}

TEST_F(DurabilityTest, StatsCount) {
  auto store = open_store(path_);
  Record failed = make_record("failed"), other = make_record("other"), foreign = make_record("foreign", 1);
  failed.status = Status::crash;
  other.target = "another";
  foreign.trust = Trust::foreign;
  ASSERT_TRUE(store->put(std::vector{make_record("a", 50), make_record("b", 40), failed, other, foreign}));
  ASSERT_TRUE(store->flush());
  const auto stats = database_stats(path_);
  ASSERT_TRUE(stats) << stats.error().message;
  EXPECT_EQ(stats->measurements, 5u);
  EXPECT_EQ(stats->schedules, 5u);
  EXPECT_EQ(stats->workloads, 1u);
  EXPECT_EQ(stats->by_status[static_cast<int>(Status::crash)], 1u);
  EXPECT_EQ(stats->by_trust[static_cast<int>(Trust::foreign)], 1u);
  ASSERT_EQ(stats->by_target.size(), 2u);
  EXPECT_EQ(stats->by_target[0].measurements, 4u);
  ASSERT_EQ(stats->by_workload.size(), 1u);
  EXPECT_EQ(stats->by_workload[0].best_ns, 40);
  EXPECT_EQ(stats->by_workload[0].failures, 1u);
  EXPECT_GT(stats->file_bytes + stats->log_bytes, 0u);
  EXPECT_THAT(database_stats(folder_.file("none")).error().message, HasSubstr("does not exist"));
  EXPECT_THAT(check_database(folder_.file("none")).error().message, HasSubstr("does not exist"));
}

}  // namespace
}  // namespace tunesmith::cache
