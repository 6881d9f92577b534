#include "runtime/memory_plan.h"

#include <algorithm>
#include <numeric>

namespace tunesmith::runtime {
namespace {

std::int64_t aligned(std::int64_t bytes) {
  return (bytes + arena_alignment - 1) / arena_alignment * arena_alignment;
}

bool live_together(const Lifetime& a, const Lifetime& b) { return a.first <= b.last && b.first <= a.last; }

}  // namespace

MemoryPlan plan_memory(std::span<const Lifetime> lifetimes) {
  std::vector<std::size_t> by_size(lifetimes.size());
  std::iota(by_size.begin(), by_size.end(), std::size_t{0});
  std::ranges::stable_sort(
      by_size, [&](std::size_t a, std::size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });

  MemoryPlan plan;
  plan.offsets.assign(lifetimes.size(), 0);
  std::vector<std::size_t> placed;  // ordered by offset
  for (std::size_t item : by_size) {
    const std::int64_t bytes = aligned(lifetimes[item].bytes);
    std::int64_t offset = 0;
    for (std::size_t other : placed) {
      if (!live_together(lifetimes[item], lifetimes[other])) continue;
      if (offset + bytes <= plan.offsets[other]) break;
      offset = std::max(offset, plan.offsets[other] + aligned(lifetimes[other].bytes));
    }
    plan.offsets[item] = offset;
    plan.arena_bytes = std::max(plan.arena_bytes, offset + bytes);
    const auto place =
        std::ranges::upper_bound(placed, offset, {}, [&](std::size_t other) { return plan.offsets[other]; });
    placed.insert(place, item);
  }
  return plan;
}

}  // namespace tunesmith::runtime
