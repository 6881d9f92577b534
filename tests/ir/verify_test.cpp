#include "ir/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ir/kernels.h"

namespace tunesmith::ir {
namespace {

using ::testing::HasSubstr;

std::string problem(const Kernel& kernel) {
  const auto result = verify(kernel);
  return result ? "" : result.error().message;
}
std::string problem(const LoopNest& nest) {
  const auto result = verify(nest);
  return result ? "" : result.error().message;
}

class VerifyKernel : public ::testing::Test {
 protected:
  Kernel kernel = testing::matmul(4, 5, 6);
  Stage& stage = kernel.stages[0];
};

TEST_F(VerifyKernel, Accepts) {
  EXPECT_EQ(problem(kernel), "");
  EXPECT_EQ(problem(testing::argmax(3, 4)), "");
}
TEST_F(VerifyKernel, ShapeIsNotTheExtents) {
  stage.spatial[1].extent = 7;
  EXPECT_THAT(problem(kernel), HasSubstr("stage 'C': the shape of 'C' is not the extents"));
}
TEST_F(VerifyKernel, VariableDefinedTwice) {
  stage.reduce[0].var = stage.spatial[0].var;
  EXPECT_THAT(problem(kernel), HasSubstr("variable 'i' is defined twice"));
}
TEST_F(VerifyKernel, VariableOutOfScope) {
  stage.values[0] = stage.values[0] * cast(DType::f32, var(kernel.vars.add("z")));
  EXPECT_THAT(problem(kernel), HasSubstr("variable 'z' is not in scope"));
}
TEST_F(VerifyKernel, ReadsItsOwnOutput) {
  stage.values[0] = load(BufferId{2}, DType::f32, {var(VarId{0}), var(VarId{1})});
  EXPECT_THAT(problem(kernel), HasSubstr("reads 'C', which no earlier stage writes"));
}
TEST_F(VerifyKernel, ValueOfAnotherDType) {
  stage.values[0] = cast(DType::f16, stage.values[0]);
  EXPECT_THAT(problem(kernel), HasSubstr("value 0 is f16, but 'C' is f32"));
}
TEST_F(VerifyKernel, LoadWithTooFewIndices) {
  stage.values[0] = load(BufferId{0}, DType::f32, {var(VarId{0})});
  EXPECT_THAT(problem(kernel), HasSubstr("a load of 'A' with 1 indices, not 2"));
}
TEST_F(VerifyKernel, SymbolWithoutValues) {
  kernel.symbols.push_back({kernel.vars.add("n"), 5, 2, 1});
  EXPECT_THAT(problem(kernel), HasSubstr("symbol 'n' has range 5..2 in steps of 1"));
  kernel.symbols[0] = {kernel.symbols[0].var, 1, 0, 0};
  EXPECT_THAT(problem(kernel), HasSubstr("in steps of 0"));
}
TEST_F(VerifyKernel, BufferThatNothingHolds) {
  kernel.buffers[0].shape = {Expr(std::int64_t{1} << 32), Expr(std::int64_t{1} << 32)};
  EXPECT_THAT(problem(kernel), HasSubstr("'A' has more than 2^40 elements"));
}
TEST_F(VerifyKernel, LoadThatFetchesAhead) {
  stage.values[0] = load(BufferId{0}, DType::f32, {var(VarId{0}), var(VarId{1})}, 8);
  EXPECT_THAT(problem(kernel), HasSubstr("a load of 'A' fetches ahead by 8; only a loop nest does"));
}
TEST_F(VerifyKernel, ReductionWithoutCombiner) {
  stage.combiner.reset();
  EXPECT_THAT(problem(kernel), HasSubstr("reduction axes without a combiner"));
}
TEST_F(VerifyKernel, ExtentOfZero) {
  stage.reduce[0].extent = 0;
  EXPECT_THAT(problem(kernel), HasSubstr("extent of axis 'k' is 0, not positive"));
}
TEST_F(VerifyKernel, BufferThatNobodyWrites) {
  kernel.add_buffer({"T", DType::f32, {4}, Role::temp, Scope::global, {}});
  EXPECT_THAT(problem(kernel), HasSubstr("temp buffer 'T' is written by no stage"));
}
TEST_F(VerifyKernel, LayoutWithoutAPlainEntry) {
  kernel.buffers[0].layout.order = {{0, 0}, {1, 4}};
  EXPECT_THAT(problem(kernel), HasSubstr("layout of 'A' has 0 plain entries for dimension 1"));
}
TEST_F(VerifyKernel, OperatorThatTheDTypeLacks) {
  stage.values[0] = cast(DType::f32, unary(UnaryOp::exp, var(VarId{0})));
  EXPECT_THAT(problem(kernel), HasSubstr("i64 has no operator exp"));
}
TEST_F(VerifyKernel, StageNamesAreUnique) {
  kernel.stages.push_back(stage);
  EXPECT_THAT(problem(kernel), HasSubstr("not unique"));
}

class VerifyNest : public ::testing::Test {
 protected:
  LoopNest nest = testing::matmul_nest();
  const BufferId a{0}, c{2}, acc{3};
  const Expr one = float_imm(1);
  VarId fresh() { return nest.vars.add("v"); }
};

TEST_F(VerifyNest, Accepts) { EXPECT_EQ(problem(nest), ""); }
TEST_F(VerifyNest, AllocatedNowhere) {
  nest.body = store(c, 0, one);
  EXPECT_THAT(problem(nest), HasSubstr("'acc' is neither an argument, workspace nor allocated"));
}
TEST_F(VerifyNest, AllocatedTwice) {
  const Stmt part = allocate(acc, store(acc, 0, one));
  nest.body = block({part, part});
  EXPECT_THAT(problem(nest), HasSubstr("'acc' is allocated more than once"));
}
TEST_F(VerifyNest, UsedOutsideOfItsAllocation) {
  nest.body = block({allocate(acc, store(acc, 0, one)), store(c, 0, load(acc, DType::f32, {Expr(0)}))});
  EXPECT_THAT(problem(nest), HasSubstr("'acc' is used outside of its allocation"));
}
TEST_F(VerifyNest, ParallelLoopsDoNotNest) {
  nest.body = for_loop(fresh(), 2, LoopKind::parallel, nest.body);
  EXPECT_THAT(problem(nest), HasSubstr("is inside another"));
}
TEST_F(VerifyNest, RegistersNeedConstantIndices) {
  const VarId v = fresh();
  nest.body = allocate(acc, for_loop(v, 2, LoopKind::serial, store(acc, var(v), one)));
  EXPECT_THAT(problem(nest), HasSubstr("'acc' is in registers, but an index is not constant"));
}
TEST_F(VerifyNest, LetOfExpandedVariablesIsConstant) {
  const VarId v = fresh(), w = fresh();
  nest.body =
      allocate(acc, for_loop(v, 2, LoopKind::unroll, let(w, var(v) + 0 * 1, store(acc, var(w), one))));
  EXPECT_EQ(problem(nest), "");
}
TEST_F(VerifyNest, RegistersDoNotCrossParallelLoops) {
  nest.body = allocate(acc, for_loop(fresh(), 2, LoopKind::parallel, store(acc, 0, one)));
  EXPECT_THAT(problem(nest), HasSubstr("a parallel loop lies between the registers 'acc' and their use"));
}
TEST_F(VerifyNest, VectorizeNeedsAConstantExtent) {
  const VarId v = fresh();
  nest.body = block(
      {for_loop(v, 4, LoopKind::serial, for_loop(fresh(), var(v), LoopKind::vectorize, store(c, 0, one)))});
  EXPECT_THAT(problem(nest), HasSubstr("vectorize loop 'v' has an extent that is not constant"));
}
TEST_F(VerifyNest, InputsAreNotWritten) {
  nest.body = block({nest.body, store(a, 0, one)});
  EXPECT_THAT(problem(nest), HasSubstr("a store to 'A', which is input"));
}
TEST_F(VerifyNest, PreparedBuffersAreWrittenInPrepareOnly) {
  const BufferId packed = nest.add_buffer({"packed", DType::f32, {4}, Role::prepared, Scope::global, {}});
  nest.arguments.push_back(packed);
  nest.prepare = store(packed, 0, one);
  EXPECT_EQ(problem(nest), "");
  nest.body = block({nest.body, store(packed, 0, one)});
  EXPECT_THAT(problem(nest), HasSubstr("a store to 'packed', which is prepared"));
}
TEST_F(VerifyNest, ArgumentsInOrder) {
  std::swap(nest.arguments[0], nest.arguments[2]);
  EXPECT_THAT(problem(nest), HasSubstr("is out of order"));
}
TEST_F(VerifyNest, StoreOfAnotherDType) {
  nest.body = block({nest.body, store(c, 0, Expr(1))});
  EXPECT_THAT(problem(nest), HasSubstr("a store of i64 to 'C' of f32"));
}

}  // namespace
}  // namespace tunesmith::ir
