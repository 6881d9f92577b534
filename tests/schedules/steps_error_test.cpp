// What each step refuses, and why.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/schedules/schedule_testing.h"

namespace tunesmith::schedules::testing {
namespace {

const Kernel& relu() {
  static const Kernel kernel = matmul_relu(6, 8, 20);
  return kernel;
}
const Kernel& rows() {
  static const Kernel kernel = row_shift(4, 20);
  return kernel;
}
const Kernel& window() {
  static const Kernel kernel = padded_window(6, 8, 3);
  return kernel;
}

TEST(SplitErrors, LoopAndFactorMustExist) {
  EXPECT_EQ(refusal(relu(), "split(s0.a3, 4, peel)"), "unknown_loop");
  EXPECT_EQ(refusal(relu(), "split(s0.a0, 4, peel); split(s0.a0, 2, peel)"), "unknown_loop");
  EXPECT_EQ(refusal(relu(), "split(s5.a0, 4, peel)"), "unknown_stage");
  EXPECT_EQ(refusal(relu(), "split(s0.a0, 0, peel)"), "bad_factor");
}

TEST(SplitErrors, BlocksThatOverlapAreComputedAgain) {
  const std::string split = "split(s0.a1, 16, overlap); ";
  EXPECT_EQ(refusal(relu(), split), "legal");
  EXPECT_EQ(refusal(relu(), split + "reorder(s0.a2, s0.a1.1)"), "legal");
  EXPECT_EQ(refusal(relu(), split + "reorder(s0.a2, s0.a1.0)"), "overlap_reduction");
  EXPECT_EQ(refusal(relu(), "split(s0.a2, 3, overlap)"), "overlap_reduction");
  EXPECT_EQ(refusal(relu(), split + "accumulate(s0, s0.a1.0, local)"), "legal");
  EXPECT_EQ(refusal(relu(), split + "accumulate(s0, s0.a0, local)"), "overlap_reduction");
  EXPECT_EQ(refusal(relu(), split + "parallel(s0.a0)"), "legal");
  EXPECT_EQ(refusal(relu(), split + "parallel(s0.a1.0)"), "overlap_concurrent");
  EXPECT_EQ(refusal(relu(), split + "reorder(s0.a1.1, s0.a1.0); parallel(s0.a1.1)"), "overlap_concurrent");
  EXPECT_EQ(refusal(relu(), split + "fuse(s0.a0, s0.a1.0); parallel(s0.f0)"), "overlap_concurrent");
  EXPECT_EQ(refusal(relu(), "split(s1.a1, 16, overlap); reorder(s1.a1.1, s1.a1.0); vectorize(s1.a1.0)"),
            "overlap_concurrent");
}

TEST(PadErrors, SpatialAxesThatAreReadAtKnownPlaces) {
  EXPECT_EQ(refusal(relu(), "pad(s0, a1, 16)"), "legal");
  EXPECT_EQ(refusal(relu(), "pad(s0, a1, 20)"), "legal");
  EXPECT_EQ(refusal(relu(), "pad(s0, a2, 16)"), "not_spatial_axis");
  EXPECT_EQ(refusal(relu(), "pad(s9, a0, 16)"), "unknown_stage");
  EXPECT_EQ(refusal(relu(), "pad(s0, a1, 0)"), "bad_factor");
  EXPECT_EQ(refusal(relu(), "pad(s0, a1, 65)"), "bad_factor");
  EXPECT_EQ(refusal(relu(), "parallel(s0.a0); pad(s0, a1, 16)"), "stage_was_scheduled");
  EXPECT_EQ(refusal(rows(), "rfactor(s0, a1, 3); pad(s2, a1, 4)"), "stage_was_scheduled");
  EXPECT_EQ(refusal(relu(), "pad(s0, a1, 16); reverse_compute_at(s1, s0.a1)"), "legal");
}

TEST(PrefetchErrors, NameABufferThatIsReadAndADistance) {
  EXPECT_EQ(refusal(relu(), "prefetch(b0, s0, 20)"), "legal");
  EXPECT_EQ(refusal(relu(), "prefetch(b0, s1, 20)"), "unknown_buffer");
  EXPECT_EQ(refusal(relu(), "prefetch(b99, s0, 20)"), "unknown_buffer");
  EXPECT_EQ(refusal(relu(), "prefetch(b0, s9, 20)"), "unknown_stage");
  EXPECT_EQ(refusal(relu(), "prefetch(b0, s0, 0)"), "bad_distance");
  EXPECT_EQ(refusal(relu(), "prefetch(b0, s0, 4294967297)"), "bad_distance");
}

Kernel kernel_of(const char* text) {
  auto kernel = parse_kernel(text);
  EXPECT_TRUE(kernel) << (kernel ? "" : kernel.error().message);
  return *kernel;
}

TEST(SplitErrors, BlocksAreNoLargerThanAnythingIs) {
  EXPECT_EQ(refusal(relu(), "split(s0.a0, 9223372036854775807, peel)"), "bad_factor");
  EXPECT_EQ(refusal(relu(), "split(s0.a0, 1099511627776, peel)"), "legal");
  expect_same_meaning(relu(), "split(s0.a0, 1099511627776, peel)");
}

TEST(SplitErrors, TailsInsideTailsAreNotEmittedWithoutEnd) {
  std::string buffer, axes, point, schedule;
  for (int a = 0; a < 24; ++a) {
    buffer += a == 0 ? "3" : ", 3";
    axes += (a == 0 ? "i" : ", i") + std::to_string(a) + ":3";
    point += (a == 0 ? "i" : ", i") + std::to_string(a);
    schedule += fmt::format("split(s0.a{0}, 2, peel); unroll(s0.a{0}.1); ", a);
  }
  const Kernel kernel = kernel_of(("kernel k strict {\n  input a: f32[" + buffer + "]\n  output c: f32[" + buffer +
                                   "]\n  stage c: c[" + axes + "] = a[" + point + "]\n}").c_str());
  EXPECT_EQ(refusal(kernel, schedule), "too_much_code");
}

TEST(PadErrors, PaddedPointsReadNothingBeforeTheBeginningAndDivideNoIntegers) {
  const Kernel falling = kernel_of(
      "kernel k strict {\n  input a: f32[30]\n  output c: f32[30]\n  stage c: c[i:30] = a[29 - i]\n}");
  EXPECT_EQ(refusal(falling, "pad(s0, a0, 8)"), "unbounded_index");
  const Kernel division = kernel_of(
      "kernel k strict {\n  input a: i32[30]\n  input b: i32[30]\n  output c: i32[30]\n  stage c: c[i:30] = a[i] / b[i]\n}");
  EXPECT_EQ(refusal(division, "pad(s0, a0, 8)"), "unbounded_index");
}

TEST(StageErrors, BlocksOfALayoutAreNotMuchLargerThanTheBuffer) {
  EXPECT_EQ(refusal(relu(), "stage(b0, s0, root, global, (0,1,0:4611686018427387904))"), "bad_layout");
  EXPECT_EQ(refusal(relu(), "stage(b0, s0, root, global, (0,1,0:1024))"), "legal");
}

TEST(AttachErrors, WhatIsInsideAnEpilogueReadsNothingUnfinished) {
  const Kernel kernel = kernel_of(
      "kernel k strict {\n  input a: f32[16]\n  temp c: f32[16]\n  temp p: f32[15]\n  output d: f32[15]\n"
      "  stage c: c[i:16] = a[i] * 2.0\n  stage p: p[j:15] = c[j + 1]\n  stage d: d[k:15] = c[k] + p[k]\n}");
  const std::string inside = "compute_at(s1, s2.a0, local); ", split = "split(s0.a0, 4, peel); ";
  EXPECT_EQ(refusal(kernel, inside + split + "reverse_compute_at(s2, s0.a0.0)"), "producer_outside");
  EXPECT_EQ(refusal(kernel, split + "reverse_compute_at(s2, s0.a0.0)"), "producer_outside");
  EXPECT_EQ(refusal(kernel, "compute_inline(s1); " + split + "reverse_compute_at(s2, s0.a0.0)"), "not_pointwise");
}

TEST(AnnotateErrors, LanesOfAReductionThatKeepsItsOrderAreNotJoined) {
  Kernel ordered = ir::testing::matmul(3, 4, 64);
  ordered.stages[0].combiner->associative = false;
  EXPECT_EQ(refusal(ordered, "vectorize(s0.a2)"), "not_associative");
  EXPECT_EQ(refusal(ordered, "reorder(s0.a2, s0.a1); vectorize(s0.a1)"), "legal");
}

TEST(FuseErrors, LoopsMustBeNeighboursOfOneKind) {
  EXPECT_EQ(refusal(relu(), "fuse(s0.a1, s0.a0)"), "not_nested");
  EXPECT_EQ(refusal(relu(), "fuse(s0.a1, s0.a2)"), "mixed_fuse");
  EXPECT_EQ(refusal(relu(), "fuse(s0.a0, s1.a1)"), "mixed_fuse");
  EXPECT_EQ(refusal(relu(), "stage(b0, s0, s0.a0, local, row_major); fuse(s0.a0, s0.a1)"), "not_nested");
}

TEST(ReorderErrors, LoopsOfOneStageThatKeepWhatIsAttached) {
  EXPECT_EQ(refusal(relu(), "reorder(s0.a0, s1.a0)"), "other_stage");
  EXPECT_EQ(refusal(relu(), "reorder(s0.a0, s0.a0)"), "unknown_loop");
  EXPECT_EQ(refusal(relu(), "stage(b0, s0, s0.a0, local, row_major); reorder(s0.a1, s0.a0)"),
            "crosses_attached");
  EXPECT_EQ(refusal(relu(), "stage(b0, s0, s0.a1, local, row_major); reorder(s0.a2, s0.a0)"),
            "crosses_attached");
  Kernel ordered = ir::testing::matmul(3, 4, 5);
  ordered.stages[0].combiner->associative = false;
  EXPECT_EQ(refusal(ordered, "split(s0.a2, 2, peel); reorder(s0.a2.1, s0.a2.0)"), "not_associative");
  EXPECT_EQ(refusal(ordered, "split(s0.a2, 2, peel); reorder(s0.a2.0, s0.a2.1, s0.a0)"), "legal");
}

TEST(AnnotateErrors, ParallelNeedsIndependentIterations) {
  EXPECT_EQ(refusal(relu(), "parallel(s0.a2)"), "parallel_reduction");
  EXPECT_EQ(refusal(relu(), "parallel(s0.a0); parallel(s0.a1)"), "nested_parallel");
  EXPECT_EQ(refusal(relu(), "parallel(s0.a0); parallel(s1.a0)"), "legal");
  EXPECT_EQ(refusal(relu(), "parallel(s0.a0); parallel(s1.a0); reverse_compute_at(s1, s0.a1)"),
            "nested_parallel");
  EXPECT_EQ(refusal(relu(), "parallel(s1.a0); reverse_compute_at(s1, s0.a1); parallel(s0.a1)"),
            "nested_parallel");
}

TEST(AnnotateErrors, VectorizedLoopsAreInnermost) {
  EXPECT_EQ(refusal(relu(), "vectorize(s0.a1)"), "vectorize_not_inner");
  EXPECT_EQ(refusal(relu(), "vectorize(s0.a1); unroll(s0.a2)"), "legal");
  EXPECT_EQ(refusal(window(), "vectorize(s1.a3); compute_at(s0, s1.a3, local)"), "vectorize_not_inner");
  EXPECT_EQ(refusal(ir::testing::argmax(3, 5), "vectorize(s0.a1)"), "vectorized_tuple");
}

TEST(AnnotateErrors, CodeThatNobodyWouldWaitFor) {
  const Kernel large = ir::testing::matmul(512, 512, 512);
  EXPECT_EQ(refusal(large, "unroll(s0.a0); unroll(s0.a1)"), "too_much_code");
  EXPECT_EQ(refusal(large, "unroll(s0.a2); unroll(s0.a1); vectorize(s0.a0)"), "too_much_code");
  EXPECT_EQ(refusal(large, "unroll(s0.a2)"), "legal");
}

TEST(ComputeAtErrors, ReadersMustBeInside) {
  EXPECT_EQ(refusal(rows(), "compute_at(s1, s0.a0, local)"), "stage_is_output");
  EXPECT_EQ(refusal(rows(), "compute_at(s0, s0.a0, local)"), "reader_outside");
  EXPECT_EQ(refusal(rows(), "compute_at(s0, s1.a0, local); compute_at(s0, s1.a1, local)"),
            "already_attached");
  EXPECT_EQ(refusal(rows(), "compute_at(s0, s1.a2, local)"), "unknown_loop");
  EXPECT_EQ(refusal(rows(), "stage(b1, s1, s1.a0, local, row_major); compute_at(s0, s2.a0, local)"), "legal");
  EXPECT_EQ(refusal(rows(), "stage(b1, s1, s1.a0, local, row_major); compute_at(s0, s1.a1, local)"),
            "reader_outside");
}

TEST(ComputeInlineErrors, OnlyUntouchedMaps) {
  EXPECT_EQ(refusal(rows(), "compute_inline(s0)"), "stage_is_reduction");
  EXPECT_EQ(refusal(rows(), "compute_inline(s1)"), "stage_is_output");
  EXPECT_EQ(refusal(window(), "split(s0.a0, 2, peel); compute_inline(s0)"), "stage_was_scheduled");
  EXPECT_EQ(refusal(window(), "compute_inline(s0); split(s0.a0, 2, peel)"), "unknown_stage");
}

TEST(ReverseComputeAtErrors, ConsumersFollowFinishedPoints) {
  EXPECT_EQ(refusal(window(), "reverse_compute_at(s1, s0.a0)"), "stage_is_reduction");
  EXPECT_EQ(refusal(relu(), "reverse_compute_at(s1, s0.a2)"), "epilogue_without_tile");
  EXPECT_EQ(refusal(relu(), "reverse_compute_at(s1, s0.a1); reverse_compute_at(s1, s0.a0)"),
            "already_attached");
  EXPECT_EQ(refusal(relu(), "reverse_compute_at(s1, s1.a0)"), "not_pointwise");
  // One iteration of the inner part, placed outside, finishes every third point.
  EXPECT_EQ(
      refusal(relu(), "split(s0.a1, 3, peel); reorder(s0.a1.1, s0.a1.0); reverse_compute_at(s1, s0.a1.1)"),
      "producer_outside");
  Kernel both = rows();
  both.stages[1].values[0] = both.stages[1].values[0] + load(BufferId{1}, DType::f32, {Expr(0)});
  EXPECT_EQ(refusal(both, "reverse_compute_at(s1, s0.a0)"), "not_pointwise");
}

TEST(StageErrors, ReaderMustReadTheBufferThere) {
  EXPECT_EQ(refusal(relu(), "stage(b3, s0, s0.a0, local, row_major)"), "unknown_buffer");
  EXPECT_EQ(refusal(relu(), "stage(b9, s0, s0.a0, local, row_major)"), "unknown_buffer");
  EXPECT_EQ(refusal(relu(), "stage(b0, s0, s1.a0, local, row_major)"), "reader_outside");
  EXPECT_EQ(refusal(relu(), "stage(b0, s0, s0.a0, local, (0,0))"), "bad_layout");
  EXPECT_EQ(refusal(relu(), "stage(b0, s0, s0.a0, local, (0,1,2:4))"), "bad_layout");
  // The product is not complete inside of its own loops.
  EXPECT_EQ(refusal(relu(), "stage(b2, s1, root, global, row_major); reverse_compute_at(s1, s0.a0)"),
            "not_pointwise");
}

TEST(AccumulateErrors, TilesHoldReductions) {
  EXPECT_EQ(refusal(relu(), "accumulate(s1, s1.a0, registers)"), "not_reduction");
  EXPECT_EQ(refusal(relu(), "accumulate(s0, s0.a2, registers)"), "no_reduction_inside");
  EXPECT_EQ(refusal(relu(), "accumulate(s0, s1.a0, registers)"), "unknown_loop");
  EXPECT_EQ(refusal(relu(), "accumulate(s0, s0.a1, local); accumulate(s0, s0.a0, local)"),
            "already_accumulated");
  EXPECT_EQ(refusal(relu(), "accumulate(s0, s0.a0, registers)"), "registers_not_constant");
  EXPECT_EQ(refusal(relu(), "accumulate(s0, s0.a0, local)"), "legal");
}

TEST(RfactorErrors, PartialStatesMustMerge) {
  EXPECT_EQ(refusal(rows(), "rfactor(s0, a0, 4)"), "not_reduction_axis");
  EXPECT_EQ(refusal(rows(), "rfactor(s0, a2, 4)"), "not_reduction_axis");
  EXPECT_EQ(refusal(rows(), "rfactor(s1, a1, 4)"), "not_reduction");
  EXPECT_EQ(refusal(rows(), "rfactor(s0, a1, 0)"), "bad_factor");
  EXPECT_EQ(refusal(rows(), "split(s0.a1, 4, peel); rfactor(s0, a1, 4)"), "stage_was_scheduled");
  Kernel ordered = rows();
  ordered.stages[0].combiner->associative = false;
  EXPECT_EQ(refusal(ordered, "rfactor(s0, a1, 4)"), "not_associative");
}

TEST(ApplyErrors, SymbolsMustBeBound) {
  Kernel kernel = rows();
  kernel.symbols.push_back({kernel.vars.add("n"), 1, 8, 1});
  EXPECT_EQ(refusal(kernel, ""), "symbolic_kernel");
}

TEST(Render, ShowsTheStepTheReasonAndTheLoops) {
  const Schedule schedule =
      parsed("split(s0.a0, 4, peel); stage(b0, s0, s0.a0.0, local, row_major); parallel(s0.a2)");
  const auto nest = schedules::apply(relu(), schedule);
  ASSERT_FALSE(nest.has_value());
  EXPECT_EQ(nest.error().step, 2u);
  EXPECT_EQ(render(relu(), schedule, nest.error()),
            "step 2 'parallel(s0.a2)': parallel_reduction: iterations of a reduction loop update the same "
            "elements; "
            "use rfactor and parallelise its spatial loop\n"
            "loops at that point:\n"
            "  stage s0 'C'\n"
            "    s0.a0.0 (i.0)\n"
            "      stage s2 'A.pack'\n"
            "        s2.a0 (A.pack.d0)\n"
            "          s2.a1 (A.pack.d1)\n"
            "      s0.a0.1 (i.1)\n"
            "        s0.a1 (j)\n"
            "          s0.a2 (k, reduction)\n"
            "  stage s1 'D'\n"
            "    s1.a0 (i)\n"
            "      s1.a1 (j)\n");
}

}  // namespace
}  // namespace tunesmith::schedules::testing
