#include "runtime/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ir/support/env.h"
#include "ir/support/rng.h"

namespace tunesmith::runtime {
namespace {

TEST(MemoryPlan, BuffersThatNeverMeetShareMemory) {
  const std::vector<Lifetime> chain = {{1000, 0, 1}, {1000, 1, 2}, {1000, 2, 3}, {1000, 3, 4}};
  const MemoryPlan plan = plan_memory(chain);
  EXPECT_EQ(plan.arena_bytes, 2 * 1024);
  EXPECT_EQ(plan.offsets[0], plan.offsets[2]);
}

TEST(MemoryPlan, EmptyPlanTakesNothing) { EXPECT_EQ(plan_memory({}).arena_bytes, 0); }

TEST(MemoryPlan, LiveBuffersNeverOverlap) {
  const std::uint64_t seed = std::stoull(env_value("TUNESMITH_SEED").value_or("7"));
  SCOPED_TRACE(testing::Message() << "TUNESMITH_SEED=" << seed);
  Rng rng(seed);
  for (int round = 0; round < 200; ++round) {
    std::vector<Lifetime> lifetimes;
    std::vector<std::int64_t> live_bytes(20, 0);
    for (int i = 0; i < 30; ++i) {
      const auto first = static_cast<std::int32_t>(rng.below(20));
      const auto last = std::min<std::int32_t>(19, first + static_cast<std::int32_t>(rng.below(6)));
      lifetimes.push_back({rng.between(1, 5000), first, last});
      for (std::int32_t step = first; step <= last; ++step)
        live_bytes[static_cast<std::size_t>(step)] += lifetimes.back().bytes;
    }
    const MemoryPlan plan = plan_memory(lifetimes);
    EXPECT_GE(plan.arena_bytes, *std::ranges::max_element(live_bytes));
    for (std::size_t a = 0; a < lifetimes.size(); ++a) {
      EXPECT_EQ(plan.offsets[a] % arena_alignment, 0);
      EXPECT_LE(plan.offsets[a] + lifetimes[a].bytes, plan.arena_bytes);
      for (std::size_t b = a + 1; b < lifetimes.size(); ++b) {
        if (lifetimes[a].first > lifetimes[b].last || lifetimes[b].first > lifetimes[a].last) continue;
        const bool apart = plan.offsets[a] + lifetimes[a].bytes <= plan.offsets[b] ||
                           plan.offsets[b] + lifetimes[b].bytes <= plan.offsets[a];
        EXPECT_TRUE(apart) << "buffers " << a << " and " << b << " overlap";
      }
    }
  }
}

}  // namespace
}  // namespace tunesmith::runtime
