// Random schedules of random kernels keep their meaning; whatever is refused is refused with a reason.
#include <gtest/gtest.h>

#include "tests/ir/random_kernel.h"
#include "tests/schedules/random_schedule.h"
#include "tests/schedules/schedule_testing.h"

namespace tunesmith::schedules::testing {
namespace {

/// TUNESMITH_SEED runs one seed only, TUNESMITH_TEST_COUNT another number of them.
std::pair<std::uint64_t, std::uint64_t> seeds(std::uint64_t count) {
  if (const char* text = std::getenv("TUNESMITH_SEED")) {
    const std::uint64_t seed = std::strtoull(text, nullptr, 10);
    return {seed, seed + 1};
  }
  if (const char* text = std::getenv("TUNESMITH_TEST_COUNT")) count = std::strtoull(text, nullptr, 10);
  return {1, count + 1};
}

/// A random kernel whose sums do not depend on their order.
Kernel exact_kernel(Rng& rng) {
  for (;;) {
    Kernel kernel = ir::testing::KernelGenerator(rng).run();
    bool exact = true;
    for (const Buffer& b : kernel.buffers) exact &= b.dtype != DType::f16 && b.dtype != DType::f32;
    if (!exact) continue;
    // The first of several largest elements wins: the order matters.
    for (Stage& stage : kernel.stages)
      if (stage.combiner && stage.combiner->kind == CombinerKind::tuple) stage.combiner->associative = false;
    return kernel;
  }
}

TEST(ApplyProperty, RandomSchedulesOfRandomKernelsKeepTheirMeaning) {
  std::array<int, std::variant_size_v<Step>> taken{};
  const auto [first, last] = seeds(1500);
  for (std::uint64_t seed = first; seed < last; ++seed) {
    SCOPED_TRACE("TUNESMITH_SEED=" + std::to_string(seed));
    Rng rng(seed);
    const Kernel kernel = exact_kernel(rng);
    ScheduleGenerator generator(kernel, rng);
    const Schedule schedule = generator.run(static_cast<int>(rng.between(1, 40)));
    for (std::size_t i = 0; i < taken.size(); ++i) taken[i] += generator.taken[i];
    expect_same_meaning(kernel, schedule, 1e-9, seed);
    if (HasFatalFailure()) return;
    const auto again = parse_schedule(print_schedule(schedule));
    ASSERT_TRUE(again.has_value()) << again.error().message;
    EXPECT_EQ(*again, schedule);
  }
  for (std::size_t i = 0; i < taken.size() && last - first >= 1500; ++i)
    EXPECT_GT(taken[i], 20) << "step type " << i;
}

Kernel family(Rng& rng) {
  auto size = [&](std::int64_t most) { return rng.between(1, most); };
  switch (rng.below(6)) {
    case 0: return matmul_relu(size(9), size(9), size(9), rng.below(2) ? Role::constant : Role::input);
    case 1: return padded_window(size(7), size(7), rng.below(2) ? 3 : 2);
    case 2: return row_shift(size(6), size(20));
    case 3: return transposed(size(9), size(9));
    case 4: return ir::testing::matmul(size(9), size(9), size(9));
    default: {
      Kernel kernel = ir::testing::argmax(size(5), size(9));
      kernel.stages[0].combiner->associative = false;
      return kernel;
    }
  }
}

TEST(ApplyProperty, RandomSchedulesOfCommonKernelsKeepTheirMeaning) {
  const auto [first, last] = seeds(1500);
  for (std::uint64_t seed = first; seed < last; ++seed) {
    SCOPED_TRACE("TUNESMITH_SEED=" + std::to_string(seed));
    Rng rng(seed);
    const Kernel kernel = family(rng);
    const Schedule schedule = ScheduleGenerator(kernel, rng).run(static_cast<int>(rng.between(5, 60)));
    expect_same_meaning(kernel, schedule, 1e-9, seed);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace tunesmith::schedules::testing
