#include "ir/expr.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ir/affine.h"
#include "ir/stmt.h"
#include "ir/traverse.h"

namespace tunesmith::ir {
namespace {

const Expr x = var(VarId{0}), y = var(VarId{1});

TEST(Expr, EqualStructureIsEqualAndHashesEqually) {
  const Expr a = x * 4 + y, b = var(VarId{0}) * 4 + var(VarId{1});
  EXPECT_FALSE(a.same_as(b));
  EXPECT_TRUE(equal(a, b));
  EXPECT_EQ(a.hash(), b.hash());
  EXPECT_FALSE(equal(a, x * 4 - y));
  EXPECT_FALSE(equal(int_imm(1), int_imm(1, DType::i32)));
}

/// Hashes must not change between runs, compilers or machines.
TEST(Expr, HashIsPinned) {
  EXPECT_EQ((x * 4 + y).hash(), 0x2a5a4901fe7dace7ull);
  EXPECT_EQ(float_imm(1.5).hash(), 0xbb5862c3c6ce5ae3ull);
  EXPECT_EQ(load(BufferId{2}, DType::f16, {x, y}).hash(), 0x36307b2ea59e3c8eull);
}

TEST(Expr, FloatConstantsCompareByBits) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(equal(float_imm(nan), float_imm(nan)));
  EXPECT_FALSE(equal(float_imm(0.0), float_imm(-0.0)));
  EXPECT_EQ(float_imm(0.1).as<FloatImm>()->value, static_cast<double>(0.1f)) << "rounded to the dtype";
  EXPECT_EQ(float_imm(70000, DType::f16).as<FloatImm>()->value, std::numeric_limits<double>::infinity());
}

TEST(Expr, IntegersFoldWithTheWrapOfTheirDType) {
  EXPECT_TRUE(is_int(int_imm(200, DType::u8) + int_imm(100, DType::u8), 44));
  EXPECT_TRUE(is_int(int_imm(-128, DType::i8) - int_imm(1, DType::i8), 127));
  EXPECT_TRUE(is_int(floor_div(-7, 2), -4));
  EXPECT_TRUE(is_int(floor_mod(-7, 2), 1));
  EXPECT_TRUE(is_int(Expr(-7) / Expr(2), -3));
  EXPECT_TRUE(is_int(min(3, -3), -3));
  EXPECT_TRUE(is_int(int_imm(-1, DType::u64) > int_imm(1, DType::u64), 1)) << "u64 compares unsigned";
  EXPECT_TRUE(is_int(binary(BinaryOp::shift_right, int_imm(-8, DType::i32), int_imm(40, DType::i32)), -1));
  const Expr by_zero = floor_div(7, 0);
  EXPECT_TRUE(by_zero.as<Binary>()) << "kept: it has no value";
  EXPECT_TRUE(is_int(floor_div(std::numeric_limits<std::int64_t>::min(), -1),
                     std::numeric_limits<std::int64_t>::min()));
}

TEST(Expr, NeutralOperandsFold) {
  EXPECT_TRUE((x + 0).same_as(x));
  EXPECT_TRUE((0 + x).same_as(x));
  EXPECT_TRUE((x * 1).same_as(x));
  EXPECT_TRUE(is_int(x * 0, 0));
  EXPECT_TRUE(floor_div(x, 1).same_as(x));
  const Expr f = var(VarId{2}, DType::f32);
  EXPECT_TRUE((f + float_imm(0)).as<Binary>()) << "floats never fold as they are built";
}

TEST(Expr, DTypes) {
  EXPECT_EQ((x < y).dtype(), DType::boolean);
  EXPECT_EQ(unary(UnaryOp::is_nan, float_imm(1)).dtype(), DType::boolean);
  EXPECT_TRUE(cast(index_dtype, x).same_as(x));
  EXPECT_TRUE(is_int(constant(2.9, DType::i32), 2));
}

TEST(ExprDeathTest, OperandsOfDifferentDTypes) { EXPECT_DEATH(x + float_imm(1), "add of i64 and f32"); }

TEST(Traverse, RewriteKeepsTheHandleWhereNothingChanges) {
  const Expr e = load(BufferId{0}, DType::f32, {x, y * 2});
  EXPECT_TRUE(rewrite(e, [](const Expr&) { return std::nullopt; }).same_as(e));
  EXPECT_TRUE(substitute(e, {{VarId{9}, Expr(1)}}).same_as(e));
}

TEST(Traverse, SubstituteFolds) {
  EXPECT_TRUE(is_int(substitute(x * 4 + y, {{VarId{0}, Expr(2)}, {VarId{1}, Expr(3)}}), 11));
  EXPECT_TRUE(uses_var(x * 4 + y, VarId{1}));
  EXPECT_FALSE(uses_var(x * 4, VarId{1}));
}

TEST(Traverse, SharedPartsAreRewrittenOnce) {
  Expr e = var(VarId{0}, DType::f32);
  for (int i = 0; i < 60; ++i) e = e * e;  // 2^60 nodes as a tree
  int calls = 0;
  const Expr result = rewrite(e, [&](const Expr& node) -> std::optional<Expr> {
    ++calls;
    return node.as<Var>() ? std::optional(float_imm(1)) : std::nullopt;
  });
  EXPECT_LE(calls, 200);
  EXPECT_FALSE(result.same_as(e));
}

TEST(Stmt, BlockFlattens) {
  const Stmt a = store(BufferId{0}, 0, float_imm(1)), b = store(BufferId{0}, 1, float_imm(1));
  EXPECT_TRUE(block({a}).same_as(a));
  EXPECT_TRUE(equal(block({a, block({b, a})}), block({a, b, a})));
  EXPECT_FALSE(equal(a, b));
  EXPECT_FALSE(equal(a, store(BufferId{0}, 0, float_imm(1), true)));
}

TEST(Affine, CollectsTerms) {
  const Affine a = to_affine((x + y * 3) * 2 - x * 2 + floor_div(x, 4) + 7);
  ASSERT_EQ(a.terms.size(), 2u);
  EXPECT_EQ(a.coefficient(VarId{1}), 6);
  EXPECT_EQ(a.coefficient(VarId{0}), 0);
  EXPECT_TRUE(a.hides(VarId{0}));
  EXPECT_EQ(a.constant, 7);
}

TEST(Affine, Bounds) {
  const VarRanges ranges = {{VarId{0}, {0, 9}}, {VarId{1}, {-2, 3}}};
  auto check = [&](const Expr& e, std::int64_t low, std::int64_t high) {
    const auto range = bounds(e, ranges);
    ASSERT_TRUE(range);
    EXPECT_EQ(range->min, low);
    EXPECT_EQ(range->max, high);
  };
  check(x * 2 - y, -3, 20);
  check(x - x, 0, 0);
  check(floor_div(y, 2), -1, 1);
  check(floor_mod(x, 4), 0, 3);
  check(floor_mod(x, 100), 0, 9);
  check(floor_mod(x + 100, 50), 0, 9);
  check(max(x, y), 0, 9);
  check(select(x < y, x, Expr(-5)), -5, 9);
  EXPECT_FALSE(bounds(var(VarId{7}), ranges));
  EXPECT_FALSE(bounds(load(BufferId{0}, DType::i64, {x}), ranges));
  EXPECT_FALSE(bounds(x * std::numeric_limits<std::int64_t>::max(), ranges)) << "overflow has no bounds";
}

}  // namespace
}  // namespace tunesmith::ir
