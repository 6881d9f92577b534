// Scheduled nests as CUDA text: what the emulator computes with it is what the interpreter computes with the nest; what NVRTC
// makes of it has no spills.
#include "codegen/cuda/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codegen/cuda/cubin.h"
#include "codegen/cuda/nvrtc.h"
#include "codegen/cuda/prelude.h"
#include "ir/interpret.h"
#include "ir/print.h"
#include "tests/codegen/emulator.h"
#include "tests/schedules/schedule_testing.h"

namespace tunesmith::codegen::cuda {
namespace {

using namespace schedules::testing;
using ::testing::HasSubstr;
using testing::EmulatedModule;

/// A block of `bm` x `bn` results, `tm` x `tn` of them a thread; operands go through shared memory, copied by `width` elements
/// a thread.
std::string tiled_matmul(int bm, int bn, int bk, int tm, int tn, bool has_epilogue, int width = 1) {
  const int threads_y = bm / tm, threads_x = bn / tn, threads = threads_x * threads_y;
  std::string text = fmt::format(
      "split(s0.a0, {0}, mask); split(s0.a1, {1}, mask); split(s0.a2, {2}, mask); split(s0.a0.1, {3}, mask); split(s0.a1.1, {4}, mask); "
      "reorder(s0.a0.0, s0.a1.0, s0.a2.0, s0.a0.1.0, s0.a1.1.0, s0.a2.1, s0.a0.1.1, s0.a1.1.1); "
      "block_y(s0.a0.0); block_x(s0.a1.0); thread_y(s0.a0.1.0); thread_x(s0.a1.1.0); unroll(s0.a0.1.1); unroll(s0.a1.1.1); "
      "accumulate(s0, s0.a1.0, registers)",
      bm, bn, bk, tm, tn);
  for (int operand = 0; operand < 2; ++operand) {
    const int copy = (has_epilogue ? 2 : 1) + operand;
    text += fmt::format("; stage(b{0}, s0, s0.a2.0, shared, {4}); fuse(s{1}.a0, s{1}.a1); split(s{1}.f0, {2}, mask); "
                        "split(s{1}.f0.1, {3}, mask); split(s{1}.f0.1.1, {5}, mask); thread_y(s{1}.f0.1.0); "
                        "thread_x(s{1}.f0.1.1.0); vectorize(s{1}.f0.1.1.1)",
                        operand, copy, threads * width, threads_x * width, operand == 0 ? "(1,0)" : "row_major", width);
  }
  if (has_epilogue)
    text += fmt::format("; reverse_compute_at(s1, s0.a1.0); split(s1.a0, {0}, mask); split(s1.a1, {1}, mask); "
                        "reorder(s1.a0.0, s1.a1.0, s1.a0.1, s1.a1.1); thread_y(s1.a0.0); thread_x(s1.a1.0); unroll(s1.a0.1); unroll(s1.a1.1)",
                        tm, tn);
  return text;
}

class CudaProgramTest : public ::testing::Test {
 protected:
  static ir::LoopNest nest_of(const ir::Kernel& kernel, const std::string& schedule) {
    const auto nest = schedules::apply(kernel, parsed(schedule));
    EXPECT_TRUE(nest) << render(kernel, parsed(schedule), nest.error());
    return nest.value();
  }

  /// The emulator in all orders against the interpreter.
  static void check(const ir::Kernel& kernel, const std::string& schedule) {
    SCOPED_TRACE(schedule);
    const ir::LoopNest nest = nest_of(kernel, schedule);
    const auto program = make_program(nest);
    ASSERT_TRUE(program) << program.error().message << "\n" << ir::print(nest);
    const auto module = EmulatedModule::compile(program->source, testing::functions(*program));
    ASSERT_TRUE(module) << module.error().message;
    Rng rng(11);
    const std::vector<ir::HostTensor> inputs = exact_inputs(kernel, rng);
    const auto want = ir::interpret(kernel, inputs);
    ASSERT_TRUE(want) << want.error().message;
    for (const testing::ThreadOrder order : testing::thread_orders) {
      const auto got = testing::emulate(nest, *program, *module, inputs, order, 3);
      ASSERT_TRUE(got) << got.error().message << "\n" << program->source << ir::print(nest);
      ASSERT_EQ(got->size(), want->size());
      for (std::size_t i = 0; i < got->size(); ++i)
        for (std::int64_t e = 0; e < (*got)[i].size(); ++e)
          ASSERT_EQ((*got)[i].at(e), (*want)[i].at(e)) << "output " << i << " element " << e << "\n" << program->source;
    }
  }

  static std::string refusal_of(const ir::Kernel& kernel, const std::string& schedule) {
    const auto program = make_program(nest_of(kernel, schedule));
    return program ? "accepted" : program.error().message;
  }
};

TEST_F(CudaProgramTest, TiledMatrixProducts) {
  check(ir::testing::matmul(32, 32, 16), tiled_matmul(16, 16, 8, 4, 4, false));
  check(ir::testing::matmul(33, 37, 19), tiled_matmul(16, 16, 8, 4, 4, false));
  check(ir::testing::matmul(7, 5, 3), tiled_matmul(16, 16, 8, 4, 2, false));
  check(ir::testing::matmul(40, 33, 24), tiled_matmul(16, 16, 8, 4, 4, false, 2));
  check(matmul_relu(20, 40, 17), tiled_matmul(16, 16, 8, 2, 4, true));
}

TEST_F(CudaProgramTest, EachBlockHasItsOwnTemporaries) {
  // One workspace for all blocks would be a race.
  check(padded_window(6, 8, 3), "block_x(s1.a0); compute_at(s0, s1.a0, global)");
}

TEST_F(CudaProgramTest, IsReadableText) {
  const auto program = make_program(nest_of(ir::testing::matmul(64, 64, 64), tiled_matmul(16, 16, 8, 2, 2, false)));
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_THAT(program->source, HasSubstr("TS_KERNEL(matmul_kernel, 64, (TS_IN(float, A), TS_IN(float, B), TS_OUT(float, C))) {\n"));
  EXPECT_THAT(program->source, HasSubstr("const ts_index i_0 = ts_block_y();"));
  EXPECT_THAT(program->source, HasSubstr("TS_SHARED(float, A_pack, 0, 128);"));
  ASSERT_EQ(program->run.size(), 1U);
  EXPECT_EQ(program->run[0].grid, (Dim3{4, 4, 1}));
  EXPECT_EQ(program->run[0].block, (Dim3{8, 8, 1}));
  EXPECT_EQ(program->run[0].shared_bytes, 1024);
  EXPECT_EQ(program->run[0].buffers.size(), 3U);
}

TEST_F(CudaProgramTest, RegistersThatTwoThreadsWouldHoldAreRefused) {
  // The epilogue gives the columns to other threads than the sum does.
  std::string schedule = tiled_matmul(16, 16, 8, 2, 4, true);
  const std::string here = "split(s1.a1, 4, mask)";
  schedule.replace(schedule.find(here), here.size(), "split(s1.a1, 2, mask)");
  EXPECT_THAT(refusal_of(matmul_relu(32, 32, 16), schedule), HasSubstr("belong to other threads in one phase than in another"));
}

TEST_F(CudaProgramTest, AnUnscheduledKernelRunsInOneThread) { check(ir::testing::matmul(4, 5, 3), ""); }

TEST_F(CudaProgramTest, WhatNoGpuCanRunIsRefused) {
  const ir::Kernel kernel = ir::testing::matmul(8, 8, 8);
  EXPECT_THAT(refusal_of(kernel, "parallel(s0.a0)"), HasSubstr("is parallel; bind it to blocks or threads"));
  EXPECT_THAT(refusal_of(kernel, "thread_x(s0.a0); block_x(s0.a1)"), HasSubstr("stands inside of"));
  EXPECT_THAT(refusal_of(kernel, "thread_x(s0.a0); thread_x(s0.a1)"), HasSubstr("second over threads of dimension x"));
  EXPECT_THAT(refusal_of(kernel, "block_x(s0.a0); block_x(s0.a1)"), HasSubstr("second over blocks of dimension x"));
  // What threads would tell each other inside of a phase.
  EXPECT_THAT(refusal_of(padded_window(6, 8, 3), "thread_y(s1.a0); thread_x(s1.a1); compute_at(s0, s1.a0, local); thread_x(s0.a1)"),
              ::testing::AnyOf(HasSubstr("allocated around a part of the loops over threads"), HasSubstr("beside or inside of another")));
  EXPECT_THAT(refusal_of(kernel, "thread_y(s0.a0); thread_x(s0.a1); accumulate(s0, s0.a0, local)"),
              HasSubstr("allocated around a part of the loops over threads"));
  EXPECT_THAT(refusal_of(ir::testing::matmul(128, 8, 8), "thread_z(s0.a0)"), HasSubstr("128 threads in dimension z"));
  EXPECT_THAT(refusal_of(ir::testing::matmul(2048, 8, 8), "thread_x(s0.a0)"), HasSubstr("2048 threads in a block, 1024 are possible"));
}

TEST_F(CudaProgramTest, CompilesForEveryArchitectureWithoutSpills) {
  auto nvrtc = Nvrtc::load();
  if (!nvrtc) GTEST_SKIP() << nvrtc.error().message;
  const auto program = make_program(nest_of(ir::testing::matmul(1024, 1024, 1024), tiled_matmul(128, 128, 8, 8, 8, false, 4)));
  ASSERT_TRUE(program) << program.error().message;
  for (const char* architecture : {"sm_80", "sm_86", "sm_89", "sm_90", "sm_90a", "sm_100", "sm_120"}) {
    const auto cubin = nvrtc->compile(device_prelude() + program->source, architecture);
    ASSERT_TRUE(cubin) << cubin.error().message << program->source;
    const auto kernels = read_cubin(cubin->image);
    ASSERT_TRUE(kernels) << kernels.error().message;
    ASSERT_EQ(kernels->size(), 1U);
    const CubinKernel& kernel = kernels->front();
    EXPECT_FALSE(kernel.spills()) << architecture;
    EXPECT_GE(kernel.count(Opcode::ffma), 64);
    EXPECT_LE(kernel.registers, 128) << "two blocks of 256 threads on a multiprocessor";
    // All operands move 16 bytes at a time.
    EXPECT_EQ(kernel.wide_count(Opcode::shared_load), kernel.count(Opcode::shared_load)) << architecture << "\n" << program->source;
    EXPECT_EQ(kernel.wide_count(Opcode::global_load), kernel.count(Opcode::global_load)) << architecture << "\n" << program->source;
  }
}

}  // namespace
}  // namespace tunesmith::codegen::cuda
