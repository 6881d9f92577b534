// The queue before the database: batches, durability, failures that lose nothing.
#include "cache/write_queue.h"

#include <gmock/gmock.h>

#include <atomic>

#include "test_records.h"

namespace tunesmith::cache {
namespace {

using testing::make_record;
using namespace std::chrono_literals;

/// A database that can be told to fail.
class FakeDatabase {
 public:
  WriteQueue::Commit commit() {
    return [this](std::span<const Record> rows) -> Expected<void, Error> {
      const std::lock_guard lock(mutex_);
      ++commits_;
      if (failing_) return Unexpected(Error{"the disk is full"});
      for (const Record& row : rows) schedules_.push_back(row.schedule);
      return {};
    };
  }
  void fail(bool failing) {
    const std::lock_guard lock(mutex_);
    failing_ = failing;
  }
  std::vector<std::string> schedules() {
    const std::lock_guard lock(mutex_);
    return schedules_;
  }
  int commits() {
    const std::lock_guard lock(mutex_);
    return commits_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> schedules_;
  int commits_ = 0;
  bool failing_ = false;
};

template <class Condition>
bool eventually(Condition&& condition, std::chrono::milliseconds limit = 5000ms) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

TEST(WriteQueue, CommitsAFullBatchAtOnceAndTheRestByAge) {
  FakeDatabase database;
  WriteQueue queue(database.commit());
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(queue.push({make_record("a")}));
  EXPECT_TRUE(database.schedules().empty());
  ASSERT_TRUE(eventually([&] { return database.schedules().size() == 1; }));
  EXPECT_GE(std::chrono::steady_clock::now() - start, WriteQueue::batch_age);
  ASSERT_TRUE(queue.push(std::vector<Record>(WriteQueue::batch_rows, make_record("b"))));
  ASSERT_TRUE(eventually([&] { return database.schedules().size() == 1 + WriteQueue::batch_rows; }));
  EXPECT_EQ(database.commits(), 2);
}

TEST(WriteQueue, FlushWritesEverythingInOrder) {
  FakeDatabase database;
  WriteQueue queue(database.commit());
  std::vector<std::string> expected;
  for (int i = 0; i < 3000; ++i) {
    expected.push_back(std::to_string(i));
    ASSERT_TRUE(queue.push({make_record(expected.back())}));
  }
  ASSERT_TRUE(queue.flush());
  EXPECT_EQ(database.schedules(), expected);
}

TEST(WriteQueue, AFailureKeepsRowsAndRefusesNewOnes) {
  FakeDatabase database;
  WriteQueue queue(database.commit());
  database.fail(true);
  ASSERT_TRUE(queue.push({make_record("a")}));
  const auto flushed = queue.flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().message, "the disk is full");
  EXPECT_FALSE(queue.push({make_record("refused")}));
  EXPECT_FALSE(queue.flush()) << "still full";
  database.fail(false);
  EXPECT_TRUE(queue.flush());
  EXPECT_TRUE(queue.push({make_record("b")}));
  EXPECT_TRUE(queue.flush());
  EXPECT_EQ(database.schedules(), (std::vector<std::string>{"a", "b"}));
}

TEST(WriteQueue, TriesAgainByItself) {
  FakeDatabase database;
  WriteQueue queue(database.commit());
  database.fail(true);
  ASSERT_TRUE(queue.push({make_record("a")}));
  ASSERT_TRUE(eventually([&] { return database.commits() == 1; }));
  database.fail(false);
  EXPECT_TRUE(eventually([&] { return database.schedules().size() == 1; }));
}

TEST(WriteQueue, WritesTheRestAtTheEnd) {
  FakeDatabase database;
  {
    WriteQueue queue(database.commit());
    ASSERT_TRUE(queue.push({make_record("a")}));
  }
  EXPECT_EQ(database.schedules().size(), 1u);
}

TEST(WriteQueue, RefusesMoreThanItCanHold) {
  FakeDatabase database;
  WriteQueue queue(database.commit());
  EXPECT_THAT(queue.push(std::vector<Record>(WriteQueue::max_waiting_rows + 1)).error().message,
              ::testing::HasSubstr("too slow"));
}

TEST(WriteQueue, ManyThreadsFlush) {
  FakeDatabase database;
  WriteQueue queue(database.commit());
  std::vector<std::thread> threads;
  std::atomic<int> lost = 0;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string name = std::to_string(t) + "/" + std::to_string(i);
        if (!queue.push({make_record(name)}) || !queue.flush()) ++lost;
        if (i % 10 == 0 && std::ranges::count(database.schedules(), name) != 1) ++lost;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lost, 0);
  EXPECT_EQ(database.schedules().size(), 400u);
}

}  // namespace
}  // namespace tunesmith::cache
