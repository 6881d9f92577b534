#include "codegen/threads/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <vector>

namespace tunesmith::codegen {
namespace {

struct Counts {
  std::vector<std::atomic<int>> visits;
  std::atomic<int> largest_thread{-1};
  explicit Counts(std::size_t size) : visits(size) {}
};

void count(void* closure, std::int64_t begin, std::int64_t end, std::int32_t thread, Context*) {
  auto& counts = *static_cast<Counts*>(closure);
  for (std::int64_t i = begin; i < end; ++i) ++counts.visits[static_cast<std::size_t>(i)];
  int seen = counts.largest_thread;
  while (seen < thread && !counts.largest_thread.compare_exchange_weak(seen, thread)) {
  }
}

TEST(ThreadPool, EveryIterationRunsOnce) {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.size(), threads);
    for (std::int64_t extent : {0, 1, 2, 7, 1000}) {
      Counts counts(static_cast<std::size_t>(extent));
      pool.parallel(count, &counts, extent, nullptr);
      for (const auto& visits : counts.visits) EXPECT_EQ(visits, 1) << threads << " threads, " << extent;
      EXPECT_LT(counts.largest_thread, threads);
    }
  }
}

TEST(ThreadPool, ManyRegionsInARow) {
  ThreadPool pool(2);
  Counts counts(16);
  for (int i = 0; i < 5000; ++i) pool.parallel(count, &counts, 16, nullptr);
  for (const auto& visits : counts.visits) EXPECT_EQ(visits, 5000);
}

TEST(ThreadPool, ARegionInsideARegionRunsOnItsOwnThread) {
  ThreadPool pool(2);
  struct Nested {
    ThreadPool* pool;
    Counts counts{8};
  } nested{&pool, Counts(8)};
  pool.parallel(
      [](void* closure, std::int64_t begin, std::int64_t end, std::int32_t, Context* context) {
        auto& n = *static_cast<Nested*>(closure);
        for (std::int64_t i = begin; i < end; ++i) n.pool->parallel(count, &n.counts, 8, context);
      },
      &nested, 4, nullptr);
  for (const auto& visits : nested.counts.visits) EXPECT_EQ(visits, 4);
}

TEST(ExecutionContext, ScratchGrowsAndStaysAligned) {
  ThreadPool pool(2);
  ExecutionContext context(pool);
  context.reserve(100, 10);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(context.get()->workspace) % 64, 0u);
  EXPECT_GE(context.get()->thread_scratch_stride, 10);
  unsigned char* before = context.get()->workspace;
  context.reserve(50, 5);
  EXPECT_EQ(context.get()->workspace, before) << "a smaller need must not allocate";
  context.reserve(100000, 1000);
  EXPECT_GE(context.get()->thread_scratch_stride, 1000);
  EXPECT_EQ(context.get()->threads, 2);
}

}  // namespace
}  // namespace tunesmith::codegen
