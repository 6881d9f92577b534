// Bugs that are planted in CUDA text, every one of which the emulator must find, and the same kernels without them.
#include "tests/codegen/emulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <numeric>

namespace tunesmith::codegen::cuda::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t threads = 64;

/// What one launch of `threads` threads on two buffers of as many floats a block says, in all orders.
std::string verdict(const std::string& body, std::int64_t blocks = 1) {
  const std::string source = "TS_KERNEL(planted, 64, (TS_IN(float, x), TS_OUT(float, y))) {\n  const int t = ts_thread_x();\n" + body + "}\n";
  const auto module = EmulatedModule::compile(source, {{"planted", 2}});
  if (!module) return module.error().message;
  std::string said;
  for (const ThreadOrder order : thread_orders) {
    std::vector<float> x(static_cast<std::size_t>(blocks * threads)), y(x.size());
    std::iota(x.begin(), x.end(), 1.0f);
    const std::string one = module->launch(0, {{"x", std::as_writable_bytes(std::span(x)), false}, {"y", std::as_writable_bytes(std::span(y)), true}},
                                           {blocks, 1, 1}, {threads, 1, 1}, 4096, order, 7);
    if (one.empty() != said.empty() && order != thread_orders[0]) return "found in some orders only: " + said + one;
    said = one;
  }
  return said;
}

TEST(Emulator, RunsWhatIsRight) {
  EXPECT_THAT(verdict(R"(
  TS_SHARED(float, tile, 0, 64);
  tile[t] = x[t];
  ts_barrier();
  y[t] = tile[63 - t];
)"), IsEmpty());
}

TEST(Emulator, ComputesWhatTheKernelSays) {
  const auto module = EmulatedModule::compile(R"(
TS_KERNEL(reverse, 64, (TS_IN(float, x), TS_OUT(float, y))) {
  const int t = ts_thread_x(), b = ts_block_x() * 64;
  TS_SHARED(float, tile, 128, 64);
  tile[t] = x[b + t];
  ts_barrier();
  y[b + t] = ts_max<float>(tile[63 - t], 3.0f) + ts_exp<float>(0.0f);
})", {{"reverse", 2}});
  ASSERT_TRUE(module) << module.error().message;
  std::array<float, 128> x{}, y{};
  std::iota(x.begin(), x.end(), 0.0f);
  for (const ThreadOrder order : thread_orders) {
    y.fill(-1);
    EXPECT_THAT(module->launch(0, {{"x", std::as_writable_bytes(std::span(x)), false}, {"y", std::as_writable_bytes(std::span(y)), true}}, {2, 1, 1},
                               {64, 1, 1}, 1024, order, 1), IsEmpty());
    for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], std::max(x[i / 64 * 64 + 63 - i % 64], 3.0f) + 1) << i;
  }
}

TEST(Emulator, FindsAMissingBarrier) {
  EXPECT_THAT(verdict(R"(
  TS_SHARED(float, tile, 0, 64);
  tile[t] = x[t];
  y[t] = tile[63 - t];
)"), ::testing::AnyOf(HasSubstr("while another thread"), HasSubstr("which nobody wrote")));
}

TEST(Emulator, FindsABarrierThatNotAllThreadsMeetAt) {
  EXPECT_THAT(verdict("  if (t < 32) ts_barrier();\n  y[t] = x[t];\n"), HasSubstr("not all threads meet at one barrier"));
  EXPECT_THAT(verdict("  if (t < 32) {\n    ts_barrier();\n  } else {\n    ts_barrier();\n  }\n  y[t] = x[t];\n"),
              HasSubstr("not all threads meet at one barrier"));
}

// Right answers in every order: only what happens between barriers tells.
TEST(Emulator, FindsAReductionBufferThatIsUsedAgainTooSoon) {
  const char* text = R"(
  TS_SHARED(float, sums, 0, 64);
  float total = 0;
  for (int round = 0; round < 2; ++round) {
    sums[t] = x[t];
    ts_barrier();
    total = total + sums[t ^ 1];
    BARRIER
  }
  y[t] = total;
)";
  std::string bad = text, good = text;
  bad.replace(bad.find("BARRIER"), 7, "");
  good.replace(good.find("BARRIER"), 7, "ts_barrier();");
  EXPECT_THAT(verdict(bad), HasSubstr(" sums["));
  EXPECT_THAT(verdict(good), IsEmpty());
}

TEST(Emulator, FindsAccessesOutside) {
  EXPECT_THAT(verdict("  y[t + 1] = x[t];\n"), HasSubstr("accesses y[64] of 64"));
  EXPECT_THAT(verdict("  y[t] = x[t - 1];\n"), HasSubstr("accesses x[-1] of 64"));
  EXPECT_THAT(verdict("  TS_SHARED(float, tile, 0, 32);\n  tile[t] = x[t];\n"), HasSubstr("accesses tile["));
}

TEST(Emulator, FindsSharedMemoryThatNobodyWrote) {
  EXPECT_THAT(verdict("  TS_SHARED(float, tile, 0, 64);\n  if (t < 63) tile[t] = x[t];\n  ts_barrier();\n  y[t] = tile[t];\n"),
              HasSubstr("reads tile[63], which nobody wrote"));
}

TEST(Emulator, FindsRegistersThatWereNotWritten) {
  EXPECT_THAT(verdict("  TS_REGISTERS(float, part, 4);\n  part[0] = x[t];\n  y[t] = part[1];\n"), HasSubstr("reads part[1], which was not written"));
  EXPECT_THAT(verdict("  TS_REGISTERS(float, part, 4);\n  part[t] = x[t];\n  y[t] = part[t];\n"), HasSubstr("accesses part["));
}

TEST(Emulator, FindsBlocksThatWriteTheSame) {
  EXPECT_THAT(verdict("  y[t] = x[t];\n", 2), HasSubstr("writes y["));
  EXPECT_THAT(verdict("  y[ts_block_x() * 64 + t] = x[t];\n", 2), IsEmpty());
}

TEST(Emulator, FindsStagesThatOverlap) {  // two buffers at one place, the second filled before the first was read
  EXPECT_THAT(verdict(R"(
  TS_SHARED(float, first, 0, 64);
  TS_SHARED(float, second, 128, 64);
  first[t] = x[t];
  ts_barrier();
  y[t] = first[63 - t];
  second[t] = x[t];
)"), HasSubstr("while another thread"));
}

}  // namespace
}  // namespace tunesmith::codegen::cuda::testing
