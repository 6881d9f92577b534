// Look-ups of a store that writes too: they wait a bounded time for rows that cannot get to disk.
#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "cache/sqlite/format.h"
#include "cache/write_queue.h"
#include "test_records.h"

namespace tunesmith::cache {
namespace {

using testing::conditions_of;
using testing::contents;
using testing::make_record;
using testing::open_store;
using testing::TemporaryFolder;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// Far above the bound and far below the minute for which writers wait.
constexpr auto soon = 3s;

template <class Body>
Clock::duration time_of(Body&& body) {
  const auto start = Clock::now();
  body();
  return Clock::now() - start;
}

class LookupWait : public ::testing::Test {
 protected:
  /// Another program that has begun to write and takes its time.
  std::unique_ptr<sqlite::Connection> long_writer() {
    auto connection = sqlite::Connection::open(folder_.file(), {.access = sqlite::Access::read_write});
    EXPECT_TRUE(connection && (*connection)->begin());
    return *std::move(connection);
  }
  std::string best(const Record& like) {
    const auto found = store_->best(like.workload, conditions_of(like));
    EXPECT_TRUE(found) << found.error().message;
    return found && *found ? (*found)->schedule : "";
  }

  TemporaryFolder folder_;
  std::unique_ptr<Store> store_ = open_store(folder_.file());
};

TEST_F(LookupWait, ALongWriterDelaysNoLookUpForLong) {
  const Record committed = make_record("committed", 20), queued = make_record("queued", 10);
  ASSERT_TRUE(store_->put(std::span(&committed, 1), Durability::on_disk));
  auto writer = long_writer();
  ASSERT_TRUE(store_->put(std::span(&queued, 1)));
  std::string found;
  EXPECT_LT(time_of([&] { found = best(committed); }), soon);
  EXPECT_EQ(found, "committed") << "what is committed is the answer";
  // A stuck commit is waited for once, not by every look-up.
  EXPECT_LT(time_of([&] {
              for (int i = 0; i < 100; ++i) (void)best(committed);
            }),
            soon);
  EXPECT_LT(time_of([&] {
              EXPECT_EQ(store_->records(committed.workload, "cpu", committed.target)->size(), 1u);
              EXPECT_TRUE(store_->find(committed.workload, conditions_of(committed)));
              EXPECT_EQ(contents(*store_).size(), 1u);
              EXPECT_TRUE(store_->retractions());
              EXPECT_TRUE(store_->load_model("cpu", committed.target, "features 1"));
            }),
            soon);
  writer->rollback();
  ASSERT_TRUE(store_->flush()) << "the row waited, and was not lost";
  EXPECT_EQ(best(committed), "queued");
}

TEST_F(LookupWait, ALongImportOfTheSameStoreDelaysNoLookUpForLong) {
  const Record committed = make_record("committed");
  ASSERT_TRUE(store_->put(std::span(&committed, 1), Durability::on_disk));
  auto writer = long_writer();
  std::thread importer([&] {
    const Record theirs = make_record("theirs");
    EXPECT_TRUE(store_->import_records(std::span(&theirs, 1)));
  });
  std::this_thread::sleep_for(20ms);
  const Record queued = make_record("queued", 10);
  ASSERT_TRUE(store_->put(std::span(&queued, 1)));
  std::string found;
  EXPECT_LT(time_of([&] { found = best(committed); }), soon);
  EXPECT_EQ(found, "committed");
  writer->rollback();
  importer.join();
  ASSERT_TRUE(store_->flush());
  EXPECT_EQ(best(committed), "queued");
}

TEST_F(LookupWait, ShortWritersAreWaitedFor) {
  auto writer = long_writer();
  std::thread ends([&] {
    std::this_thread::sleep_for(50ms);
    writer->rollback();
  });
  const Record queued = make_record("queued");
  ASSERT_TRUE(store_->put(std::span(&queued, 1)));
  EXPECT_EQ(best(queued), "queued");
  ends.join();
}

/// A database whose commits end when they are told to.
class SlowDatabase {
 public:
  WriteQueue::Commit commit() {
    return [this](std::span<const Record>) -> Expected<void, Error> {
      ++begun_;
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return open_; });
      if (fails_) return Unexpected(Error{"the disk is full"});
      return {};
    };
  }
  void open(bool fails = false) {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
      fails_ = fails;
    }
    changed_.notify_all();
  }
  int begun() const { return begun_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false, fails_ = false;
  std::atomic<int> begun_{0};
};

TEST(WriteQueueSettle, WaitsForACommitUpToItsLimit) {
  SlowDatabase database;
  WriteQueue queue(database.commit());
  EXPECT_TRUE(queue.settle(1h)) << "nothing to wait for";
  ASSERT_TRUE(queue.push({make_record("a")}));
  const auto waited = time_of([&] { EXPECT_FALSE(queue.settle(100ms)); });
  EXPECT_GE(waited, 90ms);
  EXPECT_LT(waited, soon);
  EXPECT_EQ(database.begun(), 1) << "the look-up asked for the commit";
  EXPECT_LT(time_of([&] { EXPECT_FALSE(queue.settle(100ms)); }), 90ms) << "the commit had its 100 ms";
  database.open();
  EXPECT_TRUE(queue.settle(1h));
}

TEST(WriteQueueSettle, DoesNotWaitAfterAFailure) {
  SlowDatabase database;
  WriteQueue queue(database.commit());
  ASSERT_TRUE(queue.push({make_record("a")}));
  database.open(true);
  EXPECT_FALSE(queue.settle(1h)) << "a failure ends the wait";
  EXPECT_LT(time_of([&] { EXPECT_FALSE(queue.settle(1h)); }), soon);
  database.open(false);
  EXPECT_TRUE(queue.flush());
}

}  // namespace
}  // namespace tunesmith::cache
