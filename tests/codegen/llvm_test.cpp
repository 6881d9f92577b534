// Single rules of the code generator: where buffers live, what is refused and why.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>

#include "ir/print.h"
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

LoopNest nest_of(const std::string& text) {
  auto nest = parse_loop_nest("nest n {\n" + text + "\n}");
  EXPECT_TRUE(nest) << (nest ? "" : nest.error().message);
  return *nest;
}

TEST(LlvmBackend, LanesOfRegistersMayRunBackwards) {
  const LoopNest nest = nest_of(
      "  input x: f32[8]\n  output y: f32[8]\n  temp t: f32[8] scope registers\n  arguments (x, y)\n  body:\n"
      "    alloc t:\n      vectorize i in 8:\n        t[i] = x[i] * 2.0\n"
      "      vectorize j in 8:\n        y[j] = t[7 - j]");
  expect_same_as_interpreter(nest, {counting(8)}, 1);
}

TEST(LlvmBackend, StepsThatTakeTheOtherSideReadNothing) {
  // The third column is the last of a: rows of more columns would end behind it.
  const LoopNest nest = nest_of(
      "  input a: f32[48]\n  input b: f32[80]\n  output y: f32[128]\n  arguments (a, b, y)\n  body:\n"
      "    unroll u in 8:\n      vectorize x in 16:\n"
      "        y[u * 16 + x] = select(u < 3, a[x * 3 + u], b[x * 5 + u - 3])");
  expect_same_as_interpreter(nest, {counting(48), counting(80)}, 1);

  // Each input ends where memory ends.
  auto object = test_backend().compile(nest);
  ASSERT_TRUE(object);
  const auto executable = test_backend().load(std::move(*object));
  ASSERT_TRUE(executable);
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  auto at_end = [&](std::size_t floats) {
    void* pages = ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(pages, MAP_FAILED);
    EXPECT_EQ(::mprotect(static_cast<char*>(pages) + page, page, PROT_NONE), 0);
    return static_cast<char*>(pages) + page - floats * sizeof(float);
  };
  void* arguments[] = {at_end(48), at_end(80), at_end(128)};
  ThreadPool pool(1);
  ExecutionContext context(pool);
  (*executable)->run(arguments, nullptr, context.get());
}

TEST(LlvmBackend, GuardedMinimaAndMaximaAreVectorised) {
  for (const char* op : {"max", "min"}) {
    const LoopNest nest = nest_of(fmt::format(
        "  input x: f32[40]\n  output y: f32[1]\n  arguments (x, y)\n  body:\n    y[0] = x[0]\n"
        "    for i in 3:\n      vectorize j in 16:\n        if i * 16 + j < 40:\n"
        "          y[0] = {}(y[0], x[i * 16 + j])", op));
    expect_same_as_interpreter(nest, {counting(40)}, 1);
  }
}

TEST(LlvmBackend, CastsOutOfRangeMeanTheSameEverywhere) {
  HostTensor x(DType::f32, {16});
  const double values[] = {-3.2, 300.7, 255.9, -129, 1e10, -1e10, 3e9, -0.5, 1e30, -1e30, 70000, INFINITY, -INFINITY, NAN, 2147483648.0, 5};
  for (std::int64_t i = 0; i < 16; ++i) x.set(i, values[i]);
  for (const char* dtype : {"i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64"}) {
    SCOPED_TRACE(dtype);
    const LoopNest nest = nest_of(fmt::format(
        "  input x: f32[16]\n  output y: {0}[16]\n  output z: {0}[16]\n  arguments (x, y, z)\n  body:\n"
        "    vectorize i in 16:\n      y[i] = {0}(x[i])\n    for j in 16:\n      z[j] = {0}(x[j])", dtype));
    const auto want = interpret(nest, std::vector{x});
    const auto got = run_nest(nest, {x});
    ASSERT_TRUE(want && got);
    for (std::size_t o = 0; o < 2; ++o)
      for (std::int64_t i = 0; i < 16; ++i)
        EXPECT_EQ((*got)[o].int_at(i), (*want)[o].int_at(i)) << values[i] << (o == 0 ? " in a vector" : "");
  }
}

TEST(LlvmBackend, RoundingIntegersLeavesThemAsTheyAre) {
  const LoopNest nest = nest_of(
      "  input x: i32[20]\n  output y: i32[20]\n  output z: bool[20]\n  arguments (x, y, z)\n  body:\n"
      "    vectorize i in 20:\n      y[i] = floor(x[i])\n    vectorize j in 20:\n      z[j] = is_nan(x[j])");
  HostTensor x(DType::i32, {20});
  for (std::int64_t i = 0; i < 20; ++i) x.set(i, static_cast<double>(7 * i - 50));
  expect_same_as_interpreter(nest, {x}, 1);
}

TEST(LlvmBackend, ExponentialsOfIntegersFindTheirFunctions) {
  const LoopNest nest = nest_of(
      "  input a: i32[8]\n  output y: f32[8]\n  arguments (a, y)\n  body:\n    for i in 8:\n      y[i] = exp2(f32(a[i]))");
  HostTensor a(DType::i32, {8});
  for (std::int64_t i = 0; i < 8; ++i) a.set(i, static_cast<double>(i - 3));
  expect_same_as_interpreter(nest, {a}, 1);
}

TEST(LlvmBackend, NarrowValuesAndImpossibleSizesAreRefused) {
  const LoopNest narrow = nest_of(
      "  input a: i8[8]\n  output y: i8[8]\n  arguments (a, y)\n  body:\n    for i in 8:\n      y[i] = i8(i4(a[i]))");
  const auto object = test_backend().compile(narrow);
  ASSERT_FALSE(object);
  EXPECT_NE(object.error().message.find("a value of dtype i4"), std::string::npos) << object.error().message;
  const LoopNest large = nest_of(
      "  output y: f32[4294967296, 4294967296]\n  arguments (y)\n  body:\n    y[0] = 1.0");
  const auto refused = test_backend().compile(large);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("'y'"), std::string::npos) << refused.error().message;
}

TEST(LlvmBackend, SharedExpressionsAreSeenOnce) {
  Nest nest;
  const BufferId x = nest.buffer_of("x", 16, Role::input), y = nest.buffer_of("y", 16, Role::output);
  const VarId v = nest.vars.add("v");
  Expr e = nest.at(x, var(v)) * float_imm(0.125);
  for (int i = 0; i < 40; ++i) e = e * e;  // a tree of 2^40 nodes
  nest.body = for_loop(v, 16, LoopKind::vectorize, store(y, var(v), e));
  expect_same_as_interpreter(nest, {counting(16)}, 1);
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
