#include "ir/simplify.h"

#include <gtest/gtest.h>

#include "ir/print.h"
#include "ir/traverse.h"
#include "tests/ir/kernels.h"

namespace tunesmith::ir {
namespace {

/// i in [0, 56), j in [0, 14), k in [0, 4); n is unknown.
class SimplifyExpr : public ::testing::Test {
 protected:
  VarTable vars;
  const Expr i = var(vars.add("i")), j = var(vars.add("j")), k = var(vars.add("k")), n = var(vars.add("n"));
  const Expr x = load(BufferId{0}, DType::f32, {i});
  const std::vector<Buffer> buffers = {{"X", DType::f32, {56}, Role::input, Scope::global, {}}};

  std::string simple(const Expr& e) const {
    const VarRanges ranges = {{VarId{0}, {0, 55}}, {VarId{1}, {0, 13}}, {VarId{2}, {0, 3}}};
    return print(simplify(e, ranges), vars, buffers);
  }
};

TEST_F(SimplifyExpr, SplitIndexComesApart) {
  EXPECT_EQ(simple(floor_div(i * 14 + j, 14)), "i");
  EXPECT_EQ(simple(floor_mod(i * 14 + j, 14)), "j");
  EXPECT_EQ(simple(floor_div(i * 28 + j * 2 + 1, 28)), "i");
  EXPECT_EQ(simple(floor_div(i * 4 + k, 8)), "i // 2");
  EXPECT_EQ(simple(floor_mod(i * 4 + k, 8)), "i % 2 * 4 + k");
}

/// What data is compared with may be any number of 64 bits.
TEST_F(SimplifyExpr, ComparisonsAtTheEndsOfTheRange) {
  const Expr data = load(BufferId{1}, DType::i64, {i});
  const std::vector<Buffer> both = {buffers[0], {"D", DType::i64, {56}, Role::input, Scope::global, {}}};
  auto kept = [&](const Expr& e) {
    const Expr after = simplify(e, {{VarId{0}, {0, 55}}});
    const auto values = [&](const Expr& which) {
      std::string text;
      for (const std::int64_t value : {INT64_MIN, std::int64_t{-1}, std::int64_t{0}, INT64_MAX - 1, INT64_MAX}) {
        const Expr at = rewrite(which, [&](const Expr& node) -> std::optional<Expr> {
          return node.as<Load>() ? std::optional(int_imm(value)) : std::nullopt;
        });
        text += print(substitute(at, {{VarId{0}, Expr(3)}}), vars, both) + " ";
      }
      return text;
    };
    EXPECT_EQ(values(after), values(e)) << print(e, vars, both) << " became " << print(after, vars, both);
  };
  for (const std::int64_t limit : {INT64_MIN, INT64_MIN + 1, std::int64_t{-1}, std::int64_t{0}, INT64_MAX - 1, INT64_MAX}) {
    const Expr c = int_imm(limit);
    for (const Expr& e : {data, i, data + i, i - 1}) {
      for (const BinaryOp op : {BinaryOp::lt, BinaryOp::le, BinaryOp::gt, BinaryOp::ge, BinaryOp::eq, BinaryOp::ne}) {
        kept(binary(op, e, c));
        kept(binary(op, c, e));
      }
      kept(min(e, c));
      kept(max(e, c));
    }
  }
}

TEST_F(SimplifyExpr, CastsOfConstantsRoundAsTheyRun) {
  const double between = 1 + 0x1p-11 + 0x1p-40;  // rounded to f32 first it is a tie
  EXPECT_EQ(simple(cast(DType::f16, float_imm(between, DType::f64))), "1.0:f16");
}

TEST_F(SimplifyExpr, NestedQuotients) {
  EXPECT_EQ(simple(floor_div(floor_div(n, 3), 4)), "n // 12");
  EXPECT_EQ(simple(floor_mod(floor_mod(n, 12), 4)), "n % 4");
  EXPECT_EQ(simple(floor_div(floor_mod(n, 12), 4)), "n // 4 % 3");
  EXPECT_EQ(simple(floor_div(n, 4) * 4 + floor_mod(n, 4)), "n");
  EXPECT_EQ(simple(floor_div(j, 14)), "0");
}

TEST_F(SimplifyExpr, SymbolicStrides) {
  const VarRanges ranges = {{VarId{3}, {1, 100}}};
  EXPECT_EQ(print(simplify(floor_div(i * n, n), ranges), vars, buffers), "i");
  EXPECT_EQ(simple(floor_div(i * n, n)), "i * n // n") << "n may be zero";
}

TEST_F(SimplifyExpr, SumsCollect) {
  EXPECT_EQ(simple((i + 1) * 4 - i - 4), "i * 3");
  EXPECT_EQ(simple(Expr(5) - i), "5 - i");
  EXPECT_EQ(simple(i - i), "0");
}

TEST_F(SimplifyExpr, Comparisons) {
  EXPECT_EQ(simple(i < Expr(56)), "true");
  EXPECT_EQ(simple(i >= Expr(56)), "false");
  EXPECT_EQ(simple(i * 4 + j < i * 4 + 8), "j < 8");
  EXPECT_EQ(simple(i * 4 <= Expr(9)), "i < 3");
  EXPECT_EQ(simple(binary(BinaryOp::eq, i * 2, Expr(7))), "false");
  EXPECT_EQ(simple(min(j, 13)), "j");
  EXPECT_EQ(simple(max(i - 60, 0)), "0");
}

TEST_F(SimplifyExpr, FloatsKeepTheirOrder) {
  const Expr one = float_imm(1), zero = float_imm(0);
  EXPECT_EQ(simple(x * one), "X[i]");
  EXPECT_EQ(simple(x + zero), "X[i] + 0.0") << "-0 + 0 is +0";
  EXPECT_EQ(simple(x - x), "X[i] - X[i]") << "infinities";
  EXPECT_EQ(simple((x + one) + one), "X[i] + 1.0 + 1.0");
  EXPECT_EQ(simple(logical_not(x < one)), "!(X[i] < 1.0)") << "NaN";
  EXPECT_EQ(simple(select(i < Expr(56), x, zero)), "X[i]");
}

TEST_F(SimplifyExpr, Casts) {
  EXPECT_EQ(simple(cast(DType::f32, Expr(3))), "3.0");
  EXPECT_EQ(simple(cast(DType::f32, cast(DType::f64, x))), "X[i]");
  EXPECT_EQ(simple(cast(DType::f32, cast(DType::f16, x))), "f32(f16(X[i]))");
}

TEST_F(SimplifyExpr, SharedPartsStayShared) {
  Expr e = x;
  for (int round = 0; round < 60; ++round) e = e * unary(UnaryOp::sigmoid, e);
  const Expr result = simplify(e * float_imm(1));
  EXPECT_TRUE(result.same_as(e));
  EXPECT_LT(print(result, vars, buffers).size(), 3000u);
}

class SimplifyStmt : public ::testing::Test {
 protected:
  LoopNest nest = testing::matmul_nest();
  const BufferId c{2};
  const Expr value = float_imm(1);

  std::string simple(const Stmt& s) {
    nest.body = simplify(s);
    const std::string text = print(nest);
    return text.substr(text.find("  body:\n") + 8);
  }
};

TEST_F(SimplifyStmt, LoopOfOneIsSubstituted) {
  const VarId a = nest.vars.add("a");
  EXPECT_EQ(simple(for_loop(a, 1, LoopKind::vectorize, store(c, var(a) + 1, value))), "    C[1] = 1.0\n}\n");
}

TEST_F(SimplifyStmt, GuardThatHoldsGoes) {
  const VarId a = nest.vars.add("a");
  EXPECT_EQ(simple(for_loop(a, 4, LoopKind::serial, if_then(var(a) < Expr(4), store(c, var(a), value)))),
            "    for a in 4:\n      C[a] = 1.0\n}\n");
}

TEST_F(SimplifyStmt, GuardNarrowsTheRangeBelowIt) {
  const VarId a = nest.vars.add("a");
  const Stmt body = if_then(var(a) < Expr(3), store(c, floor_div(var(a), 3), value), store(c, 0, value));
  EXPECT_EQ(simple(for_loop(a, 4, LoopKind::serial, body)),
            "    for a in 4:\n      if a < 3:\n        C[0] = 1.0\n      else:\n        C[0] = 1.0\n}\n");
}

TEST_F(SimplifyStmt, EmptyLoopsAndDeadBranchesGo) {
  const VarId a = nest.vars.add("a"), b = nest.vars.add("b");
  const Stmt dead = if_then(Expr(4) < Expr(2), store(c, 0, value));
  EXPECT_EQ(simple(for_loop(a, 4, LoopKind::serial, dead)), "    pass\n}\n");
  EXPECT_EQ(simple(block({for_loop(b, 0, LoopKind::serial, store(c, 0, value)), store(c, 1, value)})),
            "    C[1] = 1.0\n}\n");
}

TEST_F(SimplifyStmt, LetGivesItsRange) {
  const VarId f = nest.vars.add("f"), a = nest.vars.add("a");
  const Stmt body = let(a, floor_mod(var(f), 4), store(c, floor_div(var(a), 4) + var(a), value));
  EXPECT_EQ(simple(for_loop(f, 12, LoopKind::serial, body)),
            "    for f in 12:\n      let a = f % 4\n      C[a] = 1.0\n}\n");
}

}  // namespace
}  // namespace tunesmith::ir
