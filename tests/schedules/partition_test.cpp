// Loops fall into ends and a middle without guards; what they compute stays.
#include <gtest/gtest.h>

#include "tests/schedules/schedule_testing.h"

namespace tunesmith::schedules::testing {
namespace {

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// The text between `begin` and the next `end` behind it.
std::string between(const std::string& text, std::string_view begin, std::string_view end) {
  const std::size_t from = text.find(begin);
  if (from == std::string::npos) return "";
  const std::size_t to = text.find(end, from + begin.size());
  return text.substr(from, to == std::string::npos ? to : to - from);
}

constexpr std::string_view inlined =
    "compute_inline(s0); split(s1.a1, 8, peel); reorder(s1.a0, s1.a1.0, s1.a2, s1.a3, s1.a1.1); "
    "unroll(s1.a2); unroll(s1.a3); unroll(s1.a1.1); accumulate(s1, s1.a1.0, registers)";

TEST(Partition, TheMiddleOfAPaddedWindowHasNoGuards) {
  const std::string body = body_of(padded_window(16, 40, 3), inlined);
  // Rows: first, middle, last; the middle's columns again.
  const std::string middle = between(body, "in 14:", "\n    for ");
  const std::string inside = between(middle, "for w.0 in 3:", "\n      alloc");
  EXPECT_NE(inside, "") << body;
  EXPECT_EQ(count(inside, "select"), 0u) << body;
  EXPECT_GT(count(body, "select"), 0u) << "the ends keep what is not decided there";
}

TEST(Partition, ParallelLoopsBranchAndKeepTheirExtent) {
  const std::string body =
      body_of(padded_window(16, 40, 3), std::string(inlined) + "; parallel(s1.a0)");
  EXPECT_EQ(count(body, "parallel h_1 in 16:"), 1u) << body;
  EXPECT_NE(body.find("if 0 < h_1 & h_1 < 15:"), std::string::npos) << body;
}

TEST(Partition, MeansTheSame) {
  for (const char* extra : {"", "; parallel(s1.a0)"})
    for (std::int64_t width : {7, 8, 9, 24, 40}) {
      const Kernel kernel = padded_window(5, width, 3);
      expect_same_meaning(kernel, std::string(inlined) + extra);
    }
}

TEST(Partition, CopiesAreBounded) {
  // Sixteen rows of sixteen columns of nine taps are large: no copy at all.
  const std::string text =
      "compute_inline(s0); split(s1.a0, 16, peel); split(s1.a1, 16, peel); "
      "reorder(s1.a0.0, s1.a1.0, s1.a2, s1.a3, s1.a0.1, s1.a1.1); unroll(s1.a2); unroll(s1.a3); unroll(s1.a0.1); "
      "unroll(s1.a1.1)";
  EXPECT_EQ(count(body_of(padded_window(64, 64, 3), text), "in 4:"), 2u);
}

}  // namespace
}  // namespace tunesmith::schedules::testing
