#include "ir/interpret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/print.h"
#include "ir/verify.h"
#include "tests/ir/kernels.h"

namespace tunesmith::ir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

HostTensor iota(std::vector<std::int64_t> shape) {
  HostTensor t(DType::f32, std::move(shape));
  for (std::int64_t i = 0; i < t.size(); ++i) t.set(i, static_cast<double>(i + 1));
  return t;
}

TEST(InterpretKernel, Matmul) {
  const Kernel kernel = testing::matmul(2, 3, 2);
  ASSERT_TRUE(verify(kernel)) << verify(kernel).error().message;
  const auto result = interpret(kernel, std::vector{iota({2, 3}), iota({3, 2})});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_THAT((*result)[0].values<float>(), ElementsAre(22, 28, 49, 64));
}

TEST(InterpretKernel, ArgMaxTuple) {
  const Kernel kernel = testing::argmax(2, 3);
  ASSERT_TRUE(verify(kernel)) << verify(kernel).error().message;
  HostTensor x(DType::f32, {2, 3});
  const float values[] = {1, 5, 5, 7, 2, 3};
  std::ranges::copy(values, x.mutable_values<float>().begin());
  const auto result = interpret(kernel, std::vector{x});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_THAT((*result)[0].values<float>(), ElementsAre(5, 7));
  EXPECT_THAT((*result)[1].values<std::int64_t>(), ElementsAre(1, 0));
}

TEST(InterpretKernel, BlockedLayoutRoundTrip) {
  Buffer buffer{"x", DType::f32, {2, 5, 3}, Role::input, Scope::global, {{{0, 0}, {1, 0}, {2, 0}, {1, 4}}}};
  const HostTensor logical = iota({2, 5, 3});
  const HostTensor physical = to_physical(logical, buffer);
  EXPECT_THAT(physical.shape(), ElementsAre(2, 2, 3, 4));
  EXPECT_EQ(physical.at(1), logical.at(3));  // [0][0][0][1] is element (0, 1, 0)
  EXPECT_EQ(physical.at(13), 0);             // channel 5 is padding
  const HostTensor back = from_physical(physical, buffer);
  EXPECT_TRUE(std::ranges::equal(back.values<float>(), logical.values<float>()));
}

TEST(InterpretKernel, ReadOutOfRangeNamesBufferAndIndex) {
  Kernel kernel = testing::matmul(2, 3, 2);
  Stage& stage = kernel.stages[0];
  stage.values[0] = load(BufferId{0}, DType::f32, {var(stage.spatial[0].var), var(stage.reduce[0].var) + 1});
  const auto result = interpret(kernel, std::vector{iota({2, 3}), iota({3, 2})});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("read of 'A' at [0, 3]: out of range"));
}

TEST(InterpretKernel, SelectGuardsAnOutOfRangeRead) {
  Kernel kernel = testing::matmul(2, 3, 2);
  Stage& stage = kernel.stages[0];
  const Expr k = var(stage.reduce[0].var);
  stage.values[0] = select(k + 1 < Expr(3), load(BufferId{0}, DType::f32, {var(stage.spatial[0].var), k + 1}),
                           float_imm(0));
  const auto result = interpret(kernel, std::vector{iota({2, 3}), iota({3, 2})});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_THAT((*result)[0].values<float>(), ElementsAre(5, 5, 11, 11));
}

TEST(InterpretKernel, WrongInputIsNamed) {
  const auto result = interpret(testing::matmul(2, 3, 2), std::vector{iota({2, 3}), iota({2, 3})});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("input 1 ('B') is f32[2, 3], not f32[3, 2]"));
}

TEST(InterpretKernel, HalfRoundsAfterEveryOperation) {
  Kernel kernel =
      testing::elementwise(DType::f16, {1}, [](const Expr& x) { return (x + float_imm(1, DType::f16)) - x; });
  HostTensor x(DType::f16, {1});
  x.set(0, 4096);  // 4097 is no f16: it rounds to 4096
  const auto result = interpret(kernel, std::vector{x});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ((*result)[0].at(0), 0);
}

TEST(InterpretKernel, SymbolsComeFromInputShapes) {
  Kernel kernel = testing::elementwise(DType::f32, {1}, [](const Expr& x) { return x * x; });
  const VarId n = kernel.vars.add("n");
  kernel.symbols.push_back({n, 1, 100, 1});
  for (Buffer& buffer : kernel.buffers) buffer.shape[0] = var(n);
  kernel.stages[0].spatial[0].extent = var(n);
  ASSERT_TRUE(verify(kernel)) << verify(kernel).error().message;
  const auto result = interpret(kernel, std::vector{iota({3})});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_THAT((*result)[0].values<float>(), ElementsAre(1, 4, 9));
}

TEST(InterpretNest, MatmulInRegisters) {
  const LoopNest nest = testing::matmul_nest();
  ASSERT_TRUE(verify(nest)) << verify(nest).error().message;
  const auto result = interpret(nest, std::vector{iota({2, 3}), iota({3, 2})});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_THAT((*result)[0].values<float>(), ElementsAre(22, 28, 49, 64));
}

TEST(InterpretNest, ReadOfAnElementNeverWritten) {
  LoopNest nest = testing::matmul_nest();
  nest.body = allocate(BufferId{3}, store(BufferId{2}, 0, load(BufferId{3}, DType::f32, {Expr(0)})));
  const auto result = interpret(nest, std::vector{iota({2, 3}), iota({3, 2})});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("read of 'acc' at [0]: the element was never written"));
}

TEST(InterpretNest, AllocationForgetsTheLastRound) {
  LoopNest nest = testing::matmul_nest();
  const VarId i = nest.vars.add("r");
  const Expr acc = load(BufferId{3}, DType::f32, {Expr(0)});
  nest.body =
      for_loop(i, 2, LoopKind::serial,
               allocate(BufferId{3}, block({if_then(var(i) < Expr(1), store(BufferId{3}, 0, float_imm(1))),
                                            store(BufferId{2}, 0, acc)})));
  const auto result = interpret(nest, std::vector{iota({2, 3}), iota({3, 2})});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("never written"));
}

}  // namespace
}  // namespace tunesmith::ir
