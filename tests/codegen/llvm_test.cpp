// Single rules of the code generator: where buffers live, what is refused and why.
#include <gtest/gtest.h>

#include "tests/codegen/hand_nest.h"

namespace tunesmith::codegen {
namespace {

TEST(LlvmBackend, ALocalBufferAroundAParallelLoopIsSharedByItsThreads) {
  Nest nest;
  const BufferId x = nest.buffer_of("x", 64, Role::input), y = nest.buffer_of("y", 64, Role::output);
  const BufferId pack = nest.buffer_of("pack", 64, Role::temp, Scope::local);
  const BufferId own = nest.buffer_of("own", 8, Role::temp, Scope::local);
  const VarId i = nest.vars.add("i"), t = nest.vars.add("t"), j = nest.vars.add("j"), k = nest.vars.add("k");
  const Expr reversed = Expr(63) - var(i);
  const Expr place = var(t) * 8 + var(k);
  nest.body = allocate(
      pack,
      block(
          {for_loop(i, 64, LoopKind::serial, store(pack, var(i), nest.at(x, reversed))),
           for_loop(
               t, 8, LoopKind::parallel,
               allocate(own,
                        block({for_loop(j, 8, LoopKind::serial,
                                        store(own, var(j),
                                              nest.at(pack, var(t) * 8 + var(j)) * nest.at(x, var(j)))),
                               for_loop(k, 8, LoopKind::serial, store(y, place, nest.at(own, var(k))))})))}));
  for (int threads : {1, 2, 4}) expect_same_as_interpreter(nest, {counting(64)}, threads);
}

TEST(LlvmBackend, EveryVectorExtentIsHandled) {
  for (std::int64_t extent = 1; extent <= 40; ++extent) {
    Nest nest;
    const BufferId x = nest.buffer_of("x", 3 * extent, Role::input),
                   y = nest.buffer_of("y", extent, Role::output);
    const BufferId sum = nest.buffer_of("sum", 1, Role::output);
    const VarId v = nest.vars.add("v"), w = nest.vars.add("w");
    nest.body = block(
        {for_loop(v, extent, LoopKind::vectorize,
                  store(y, var(v), nest.at(x, var(v) + extent) * nest.at(x, var(v) * 3) + nest.at(x, 2))),
         store(sum, 0, float_imm(1)),
         for_loop(w, extent, LoopKind::vectorize, store(sum, 0, nest.at(sum, 0) + nest.at(x, var(w))))});
    expect_same_as_interpreter(nest, {counting(3 * extent)}, 1);
  }
}

TEST(LlvmBackend, PaddingReadsNothingOutside) {
  Nest nest;
  const BufferId x = nest.buffer_of("x", 20, Role::input), y = nest.buffer_of("y", 26, Role::output);
  const VarId v = nest.vars.add("v");
  const Expr source = var(v) - 3;
  const Expr inside = logical_and(Expr(-1) < source, source < Expr(20));
  nest.body = for_loop(v, 26, LoopKind::vectorize,
                       store(y, var(v), select(inside, nest.at(x, source), float_imm(0))));
  expect_same_as_interpreter(nest, {counting(20)}, 1);
}

TEST(LlvmBackend, RegisterAccumulatorsBecomeValues) {
  Nest nest;
  const BufferId x = nest.buffer_of("x", 40 * 24, Role::input), y = nest.buffer_of("y", 24, Role::output);
  const BufferId acc = nest.buffer_of("acc", 24, Role::temp, Scope::registers);
  const VarId a = nest.vars.add("a"), k = nest.vars.add("k"), b = nest.vars.add("b"), c = nest.vars.add("c");
  nest.body = allocate(
      acc,
      block({for_loop(a, 24, LoopKind::vectorize, store(acc, var(a), float_imm(0))),
             for_loop(k, 40, LoopKind::serial,
                      for_loop(b, 24, LoopKind::vectorize,
                               store(acc, var(b), nest.at(acc, var(b)) + nest.at(x, var(k) * 24 + var(b))))),
             for_loop(c, 24, LoopKind::vectorize, store(y, var(c), nest.at(acc, var(c))))}));
  expect_same_as_interpreter(nest, {counting(40 * 24)}, 1);
}

TEST(LlvmBackend, ARegisterIndexMustBeConstant) {
  Nest nest;
  const BufferId y = nest.buffer_of("y", 8, Role::output);
  const BufferId acc = nest.buffer_of("acc", 8, Role::temp, Scope::registers);
  const VarId i = nest.vars.add("i");
  nest.body = allocate(
      acc, for_loop(i, 8, LoopKind::serial,
                    block({store(acc, var(i), float_imm(1)), store(y, var(i), nest.at(acc, var(i)))})));
  const auto object = test_backend().compile(nest);
  ASSERT_FALSE(object);
  EXPECT_NE(object.error().message.find("acc"), std::string::npos) << object.error().message;
}

TEST(LlvmBackend, UnboundDimensionsAndNarrowTypesAreRefused) {
  Nest symbolic;
  symbolic.body = block({});
  symbolic.symbols.push_back({symbolic.vars.add("batch")});
  const auto unbound = test_backend().compile(symbolic);
  ASSERT_FALSE(unbound);
  EXPECT_NE(unbound.error().message.find("batch"), std::string::npos);

  Nest narrow;
  narrow.add_buffer({"q", DType::i4, {Expr(4)}, Role::input, Scope::global, {}});
  narrow.body = block({});
  const auto refused = test_backend().compile(narrow);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("i4"), std::string::npos);
}

}  // namespace
}  // namespace tunesmith::codegen
