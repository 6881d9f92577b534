// Memory plan: offsets in one arena for buffers with known lifetimes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tunesmith::runtime {

/// A buffer that is live from step `first` to step `last`, both included.
struct Lifetime {
  std::int64_t bytes = 0;
  std::int32_t first = 0;
  std::int32_t last = 0;
};

struct MemoryPlan {
  std::vector<std::int64_t> offsets;  // one a lifetime, multiples of `alignment`
  std::int64_t arena_bytes = 0;
};

inline constexpr std::int64_t arena_alignment = 64;

/// Greedy by size: the largest buffers are placed first, each at the lowest offset at which it overlaps no
/// buffer that is live at the same time (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
/// Inference", 2020). Buffers that never meet share memory; low offsets stay hot in cache.
MemoryPlan plan_memory(std::span<const Lifetime> lifetimes);

}  // namespace tunesmith::runtime
