// The text forms as people see them, and what the parser says of bad ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/print.h"
#include "ir/verify.h"
#include "tests/ir/kernels.h"

namespace tunesmith::ir {
namespace {

using ::testing::HasSubstr;

TEST(Text, Matmul) {
  EXPECT_EQ(print(testing::matmul(512, 256, 128)),
            "kernel matmul strict {\n"
            "  input A: f32[512, 256]\n"
            "  input B: f32[256, 128]\n"
            "  output C: f32[512, 128]\n"
            "  stage C: C[i:512, j:128] = sum(k:256) A[i, k] * B[k, j]\n"
            "}\n");
}

TEST(Text, BuffersMayBeCalledLikeWords) {
  for (const char* name : {"else", "streaming", "ahead", "let", "pass", "for", "body"}) {
    LoopNest nest;
    nest.name = "n";
    const BufferId b = nest.add_buffer({name, DType::f32, {Expr(4)}, Role::output, Scope::global, {}});
    nest.arguments = {b};
    const Expr first = load(b, DType::f32, {Expr(0)});
    nest.body = block({store(b, 0, float_imm(1)), store(b, 1, first), store(b, 2, first)});
    const auto again = parse_loop_nest(print(nest));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(print(*again), print(nest));
  }
}

TEST(Text, TheNameOfALetEndsWithItsBody) {
  LoopNest nest;
  nest.name = "n";
  const BufferId b = nest.add_buffer({"b", DType::i64, {Expr(4)}, Role::output, Scope::global, {}});
  nest.arguments = {b};
  const VarId v = nest.vars.add("v");
  nest.body = block({let(v, 1, store(b, var(v), 5)), let(v, 2, store(b, var(v), 6))});
  ASSERT_TRUE(verify(nest)) << verify(nest).error().message;
  EXPECT_THAT(print(nest), HasSubstr("    let v = 1:\n      b[v] = 5\n    let v = 2\n    b[v] = 6\n"));
  const auto again = parse_loop_nest(print(nest));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(verify(*again)) << verify(*again).error().message;
  EXPECT_EQ(print(*again), print(nest));
}

TEST(Text, IntegersFitTheirType) {
  const auto kernel = parse_kernel("kernel k strict {\n  output c: i8[4]\n  stage c: c[i:4] = 300:i8\n}");
  ASSERT_FALSE(kernel);
  EXPECT_THAT(kernel.error().message, HasSubstr("expected an integer of i8, found '300"));
}

TEST(Text, TupleReduction) {
  EXPECT_THAT(
      print(testing::argmax(2, 3)),
      HasSubstr("  stage argmax: (best, where)[i:2] = tuple(k:3) (X[i, k], k)\n"
                "    combine (s0, s1) (v0, v1) -> (select(v0 > s0, v0, s0), select(v0 > s0, v1, s1))\n"
                "    identity (-3.4028235e+38, 0)\n"));
}

TEST(Text, Nest) {
  const std::string text = print(testing::matmul_nest());
  EXPECT_EQ(text,
            "nest matmul {\n"
            "  input A: f32[2, 3]\n"
            "  input B: f32[3, 2]\n"
            "  output C: f32[2, 2]\n"
            "  temp acc: f32[2] scope registers\n"
            "  arguments (A, B, C)\n"
            "  body:\n"
            "    parallel i in 2:\n"
            "      alloc acc:\n"
            "        vectorize j in 2:\n"
            "          acc[j] = 0.0\n"
            "        for k in 3:\n"
            "          vectorize j_1 in 2:\n"
            "            acc[j_1] = acc[j_1] + A[i * 3 + k] * B[k * 2 + j_1]\n"
            "        vectorize j_2 in 2:\n"
            "          C[i * 2 + j_2] = acc[j_2]\n"
            "}\n");
  const auto parsed = parse_loop_nest(text);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_TRUE(verify(*parsed)) << verify(*parsed).error().message;
}

class ExprText : public ::testing::Test {
 protected:
  VarTable vars;
  const Expr i = var(vars.add("i")), f = var(vars.add("f"), DType::f32),
             p = var(vars.add("p"), DType::boolean);
  std::string text(const Expr& e) const { return print(e, vars, {}); }
};

TEST_F(ExprText, Constants) {
  EXPECT_EQ(text(int_imm(-3, DType::i8)), "-3:i8");
  EXPECT_EQ(text(float_imm(0.1)), "0.1");
  EXPECT_EQ(text(float_imm(3, DType::f64)), "3.0:f64");
  EXPECT_EQ(text(constant(-1e30, DType::f32)), "-1e+30");
  EXPECT_EQ(text(unary(UnaryOp::neg, float_imm(2))), "neg(2.0)");
}

TEST_F(ExprText, PrecedenceAndGrouping) {
  EXPECT_EQ(text((i + 1) * (i - (i - 2))), "(i + 1) * (i - (i - 2))");
  EXPECT_EQ(text(-(f * f)), "-(f * f)");
  EXPECT_EQ(text(floor_mod(floor_div(i, 4), 3)), "i // 4 % 3");
  EXPECT_EQ(text(binary(BinaryOp::eq, i < Expr(3), p)), "(i < 3) == p");
  EXPECT_EQ(text(logical_not(logical_and(p, logical_or(p, p)))), "!(p & (p | p))");
  EXPECT_EQ(text(bit_cast(DType::i32, f)), "bit_cast(i32, f)");
}

TEST_F(ExprText, NamesAreMadeUniqueAndValid) {
  VarTable table;
  const Expr a = var(table.add("x y")), b = var(table.add("x_y")), c = var(table.add("true"));
  EXPECT_EQ(print(a + b + c, table, {}), "x_y + x_y_1 + true_1");
}

struct BadText {
  const char* text;
  const char* error;
};

TEST(ParseErrors, KernelErrorsNameThePlace) {
  const BadText cases[] = {
      {"kernel k loose {\n}", "line 1, column 10: expected 'strict', found 'loose'"},
      {"kernel k strict {\n  input A: f33[4]\n}", "line 2, column 9: expected a dtype for 'A'"},
      {"kernel k strict {\n  input A: f32[4]\n  input A: f32[4]\n}",
       "line 3, column 9: expected a new buffer"},
      {"kernel k strict {\n  output C: f32[4]\n  stage s: D[i:4] = 0.0\n}",
       "line 3, column 12: expected a buffer, 'D'"},
      {"kernel k strict {\n  output C: f32[4]\n  stage s: C[i:4] = j\n}",
       "line 3, column 21: expected a variable, 'j'"},
      {"kernel k strict {\n  output C: f32[4]\n  stage s: C[i:4] = 1.0 + i\n}",
       "column 25: expected operands of one dtype, found f32 and i64"},
      {"kernel k strict {\n  output C: f32[4]\n  stage s: C[i:4] = exp(i)\n}",
       "expected an operand that has exp, not i64"},
      {"kernel k strict {\n", "line 2, column 1: expected '}', found the end"},
      {"kernel k strict {\n} x", "expected the end of the text, found 'x'"},
      {"kernel k strict {\n  symbol n: min 99999999999999999999 max 1 divisor 1\n}",
       "expected an integer of 64 bits"},
      {"kernel k strict {\n  ? \n}", "line 2, column 3: a character that no text form has"},
  };
  for (const BadText& c : cases) {
    const auto parsed = parse_kernel(c.text);
    ASSERT_FALSE(parsed) << c.text;
    EXPECT_THAT(parsed.error().message, HasSubstr(c.error));
  }
}

TEST(ParseErrors, NestErrorsNameThePlace) {
  const std::string head = "nest n {\n  output C: f32[4]\n  arguments (C)\n  body:\n";
  const BadText cases[] = {
      {"    for i in 4:\n    C[i] = 0.0\n}", "line 6, column 5: expected an indented statement, found 'C'"},
      {"    while i in 4:\n      C[i] = 0.0\n}", "line 5, column 5: expected a statement, found 'while'"},
      {"    if 3:\n      C[0] = 0.0\n}", "line 5, column 8: expected a boolean condition"},
      {"    C[0.0] = 0.0\n}", "line 5, column 7: expected an i64 expression, this is f32"},
  };
  for (const BadText& c : cases) {
    const auto parsed = parse_loop_nest(head + c.text);
    ASSERT_FALSE(parsed) << c.text;
    EXPECT_THAT(parsed.error().message, HasSubstr(c.error));
  }
}

TEST(ParseErrors, DeepNestingIsRefused) {
  const std::string text =
      "kernel k strict {\n  output C: f32[4]\n  stage s: C[i:4] = " + std::string(100000, '(');
  const auto parsed = parse_kernel(text);
  ASSERT_FALSE(parsed);
  EXPECT_THAT(parsed.error().message, HasSubstr("nested less deeply"));
}

}  // namespace
}  // namespace tunesmith::ir
