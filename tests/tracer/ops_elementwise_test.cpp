#include <cmath>
#include <limits>

#include "tests/tracer/reference_run.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

Build unary(UnaryOp op) {
  return [op](Graph& g, const auto& x) { return ops::unary(g, op, x[0]); };
}
Build binary(BinaryOp op) {
  return [op](Graph& g, const auto& x) { return ops::binary(g, op, x[0], x[1]); };
}

double unary_of(UnaryOp op, double x, DType dtype = DType::f64) {
  return eval({tensor(dtype, {1}, {x})}, unary(op))[0];
}

std::vector<double> binary_of(BinaryOp op, DType dtype, std::vector<double> a, std::vector<double> b) {
  const auto n = static_cast<std::int64_t>(a.size());
  return eval({tensor(dtype, {n}, std::move(a)), tensor(dtype, {n}, std::move(b))}, binary(op));
}

TEST(Unary, KnownValues) {
  const struct {
    UnaryOp op;
    double x, y;
  } table[] = {
      {UnaryOp::neg, 2, -2},
      {UnaryOp::abs, -2.5, 2.5},
      {UnaryOp::sign, -3, -1},
      {UnaryOp::sign, 0, 0},
      {UnaryOp::floor, -1.5, -2},
      {UnaryOp::ceil, -1.5, -1},
      {UnaryOp::round_even, 2.5, 2},
      {UnaryOp::round_even, -3.5, -4},
      {UnaryOp::trunc, -1.7, -1},
      {UnaryOp::sqrt, 2.25, 1.5},
      {UnaryOp::rsqrt, 4, 0.5},
      {UnaryOp::reciprocal, 4, 0.25},
      {UnaryOp::exp, 1, M_E},
      {UnaryOp::exp2, 3, 8},
      {UnaryOp::expm1, 1e-9, 1e-9 + 5e-19},
      {UnaryOp::log, M_E, 1},
      {UnaryOp::log2, 8, 3},
      {UnaryOp::log1p, 1e-9, 1e-9 - 5e-19},
      {UnaryOp::sin, M_PI / 6, 0.5},
      {UnaryOp::cos, M_PI / 3, 0.5},
      {UnaryOp::tan, M_PI / 4, 1},
      {UnaryOp::asin, 0.5, M_PI / 6},
      {UnaryOp::acos, 0.5, M_PI / 3},
      {UnaryOp::atan, 1, M_PI / 4},
      {UnaryOp::sinh, 1, 1.1752011936438014},
      {UnaryOp::cosh, 1, 1.5430806348152437},
      {UnaryOp::asinh, 1.1752011936438014, 1},
      {UnaryOp::acosh, 1.5430806348152437, 1},
      {UnaryOp::atanh, 0.5, 0.5493061443340549},
      {UnaryOp::tanh, 0.5493061443340549, 0.5},
      {UnaryOp::sigmoid, 0, 0.5},
      {UnaryOp::sigmoid, -std::log(3), 0.25},
      {UnaryOp::erf, 0.5, 0.5204998778130465},
  };
  for (const auto& row : table)
    EXPECT_NEAR(unary_of(row.op, row.x), row.y, 1e-15 * std::max(1.0, std::abs(row.y)))
        << ir::to_string(row.op) << " of " << row.x;
}

TEST(Unary, NumbersThatAreNone) {
  EXPECT_TRUE(std::isnan(unary_of(UnaryOp::sign, nan)));
  EXPECT_TRUE(std::isnan(unary_of(UnaryOp::sqrt, -1)));
  EXPECT_EQ(unary_of(UnaryOp::sigmoid, -1000), 0);
  EXPECT_EQ(unary_of(UnaryOp::log, 0), -inf);
  EXPECT_THAT(eval({tensor(DType::f16, {4}, {1, nan, inf, -inf})}, unary(UnaryOp::is_nan)),
              ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(eval({tensor(DType::f16, {4}, {1, nan, inf, -inf})}, unary(UnaryOp::is_inf)),
              ElementsAre(0, 0, 1, 1));
}

TEST(Unary, IntegersWrap) {
  EXPECT_EQ(unary_of(UnaryOp::neg, -128, DType::i8), -128);
  EXPECT_EQ(unary_of(UnaryOp::abs, -128, DType::i8), -128);
  EXPECT_EQ(unary_of(UnaryOp::neg, 1, DType::u8), 255);
  EXPECT_EQ(unary_of(UnaryOp::bit_not, 5, DType::u8), 250);
  EXPECT_EQ(unary_of(UnaryOp::bit_not, 5, DType::i32), -6);
  EXPECT_EQ(unary_of(UnaryOp::logical_not, 0, DType::boolean), 1);
}

TEST(Unary, Refusals) {
  EXPECT_THAT(refusal({{DType::i32, {2}}}, unary(UnaryOp::exp)), HasSubstr("unary: exp does not take i32"));
  EXPECT_THAT(refusal({{DType::f32, {2}}}, unary(UnaryOp::logical_not)), HasSubstr("logical_not takes bool"));
  EXPECT_THAT(refusal({{DType::f32, {2}}}, unary(UnaryOp::bit_not)), HasSubstr("bit_not"));
  EXPECT_THAT(refusal({{DType::f32, {2}}},
                      [](Graph& g, const auto& x) {
                        return g.add(OpKind::unary, {x[0]}, {{"op", std::string("expp")}});
                      }),
              HasSubstr("'expp'"));
}

TEST(Binary, FloatArithmetic) {
  const std::vector<double> a{7, -7, 7.5, -7.5}, b{2, 2, -2, -2};
  EXPECT_THAT(binary_of(BinaryOp::div, DType::f32, a, b), ElementsAre(3.5, -3.5, -3.75, 3.75));
  EXPECT_THAT(binary_of(BinaryOp::floor_div, DType::f32, a, b), ElementsAre(3, -4, -4, 3));
  EXPECT_THAT(binary_of(BinaryOp::mod, DType::f32, a, b), ElementsAre(1, -1, 1.5, -1.5));
  EXPECT_THAT(binary_of(BinaryOp::floor_mod, DType::f32, a, b), ElementsAre(1, 1, -0.5, -1.5));
  EXPECT_THAT(binary_of(BinaryOp::pow, DType::f32, a, {2, 3, 1, 0}), ElementsAre(49, -343, 7.5, 1));
  EXPECT_THAT(binary_of(BinaryOp::atan2, DType::f64, {1, 0}, {0, -1}), ElementsAre(M_PI / 2, M_PI));
  EXPECT_THAT(binary_of(BinaryOp::le, DType::f32, a, {7, 7, 7, nan}), ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(binary_of(BinaryOp::ne, DType::f32, a, {7, 7, 7, nan}), ElementsAre(0, 1, 1, 1));
}

TEST(Binary, MaximumOfNanIsTheSecondOperand) {
  EXPECT_THAT(binary_of(BinaryOp::max, DType::f32, {nan, 1}, {1, 2}), ElementsAre(1, 2));
  EXPECT_TRUE(std::isnan(binary_of(BinaryOp::max, DType::f32, {1}, {nan})[0]));
}

TEST(Binary, IntegersTruncateAndWrap) {
  const std::vector<double> a{7, -7, 7, -7}, b{2, 2, -2, -2};
  EXPECT_THAT(binary_of(BinaryOp::div, DType::i32, a, b), ElementsAre(3, -3, -3, 3));
  EXPECT_THAT(binary_of(BinaryOp::mod, DType::i32, a, b), ElementsAre(1, -1, 1, -1));
  EXPECT_THAT(binary_of(BinaryOp::floor_div, DType::i32, a, b), ElementsAre(3, -4, -4, 3));
  EXPECT_THAT(binary_of(BinaryOp::floor_mod, DType::i32, a, b), ElementsAre(1, 1, -1, -1));
  EXPECT_THAT(binary_of(BinaryOp::add, DType::i8, {127}, {1}), ElementsAre(-128));
  EXPECT_THAT(binary_of(BinaryOp::mul, DType::u8, {16}, {17}), ElementsAre(16));
  EXPECT_THAT(binary_of(BinaryOp::pow, DType::i32, {3, 2, -1, 2}, {4, 0, 3, -1}), ElementsAre(81, 1, -1, 0));
  EXPECT_THAT(binary_of(BinaryOp::shift_left, DType::u8, {3, 3}, {7, 1}), ElementsAre(128, 6));
  EXPECT_THAT(binary_of(BinaryOp::shift_right, DType::i32, {-8, 9}, {1, 2}), ElementsAre(-4, 2));
  EXPECT_THAT(binary_of(BinaryOp::bit_xor, DType::i32, {12}, {10}), ElementsAre(6));
  EXPECT_THAT(binary_of(BinaryOp::bit_and, DType::boolean, {1, 1}, {0, 1}), ElementsAre(0, 1));
}

TEST(Binary, SixtyFourBitIntegersAreExact) {
  ir::HostTensor a(DType::i64, {1}), b(DType::i64, {1});
  a.set_int(0, (std::int64_t{1} << 53) + 1);
  b.set_int(0, std::int64_t{1} << 53);
  EXPECT_EQ(run({a, b}, binary(BinaryOp::sub)).int_at(0), 1);
  EXPECT_EQ(run({a, b}, binary(BinaryOp::eq)).int_at(0), 0);
  ir::HostTensor huge(DType::u64, {1}), two(DType::u64, {1});
  huge.set_int(0, -2);  // 2^64 - 2
  two.set_int(0, 2);
  EXPECT_EQ(run({huge, two}, binary(BinaryOp::div)).int_at(0), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(run({huge, two}, binary(BinaryOp::gt)).int_at(0), 1);
}

TEST(Binary, IntegersHaveAResultAtTheirEnds) {
  const double lowest = -2147483648.0;
  EXPECT_THAT(binary_of(BinaryOp::div, DType::i32, {lowest}, {-1}), ElementsAre(lowest));
  EXPECT_THAT(binary_of(BinaryOp::mod, DType::i64, {-9223372036854775808.0}, {-1}), ElementsAre(0));
  EXPECT_THAT(binary_of(BinaryOp::pow, DType::i64, {1, -1}, {9e18, 9e18}), ElementsAre(1, 1));
  EXPECT_THAT(binary_of(BinaryOp::shift_right, DType::i32, {-8, -8, 8}, {31, 99, -1}),
              ElementsAre(-1, -1, 0));
  EXPECT_THAT(binary_of(BinaryOp::shift_left, DType::u8, {3, 3}, {8, 255}), ElementsAre(0, 0));
}

TEST(Binary, NarrowFloatsRoundOnce) {
  EXPECT_THAT(binary_of(BinaryOp::add, DType::f16, {2048}, {1}), ElementsAre(2048));
  EXPECT_THAT(binary_of(BinaryOp::add, DType::bf16, {256}, {1}), ElementsAre(256));
  EXPECT_THAT(binary_of(BinaryOp::add, DType::f16, {2048}, {3}), ElementsAre(2052));
}

TEST(Binary, Broadcasts) {
  EXPECT_THAT(eval({counting({2, 1}), counting({3})}, binary(BinaryOp::add)), ElementsAre(0, 1, 2, 1, 2, 3));
  EXPECT_THAT(eval({counting({}), counting({2, 1, 2})}, binary(BinaryOp::sub)), ElementsAre(0, -1, -2, -3));
  EXPECT_EQ(run({counting({0, 3}), counting({1})}, binary(BinaryOp::add)).shape(),
            (std::vector<std::int64_t>{0, 3}));
  EXPECT_EQ(type_of({{DType::f32, {-1, 1, 4}}, {DType::f32, {-2, 4}}}, binary(BinaryOp::lt)),
            "bool[a, b, 4]");
}

TEST(Binary, Refusals) {
  EXPECT_THAT(refusal({{DType::f32, {2}}, {DType::f32, {3}}}, binary(BinaryOp::add)),
              HasSubstr("binary: shapes [2] and [3] do not broadcast"));
  EXPECT_THAT(refusal({{DType::f32, {-1}}, {DType::f32, {-2}}}, binary(BinaryOp::add)),
              HasSubstr("f32[a], f32[b]"));
  EXPECT_THAT(refusal({{DType::f32, {2}}, {DType::f16, {2}}}, binary(BinaryOp::add)),
              HasSubstr("f32 and f16"));
  EXPECT_THAT(refusal({{DType::boolean, {2}}, {DType::boolean, {2}}}, binary(BinaryOp::add)),
              HasSubstr("bool"));
  EXPECT_THAT(refusal({{DType::f32, {2}}, {DType::f32, {2}}}, binary(BinaryOp::bit_or)), HasSubstr("bit_or"));
  EXPECT_THAT(refusal({{DType::i32, {2}}, {DType::i32, {2}}}, binary(BinaryOp::atan2)),
              HasSubstr("atan2 does not take i32"));
}

TEST(Where, ChoosesAndBroadcasts) {
  auto where = [](Graph& g, const auto& x) { return ops::where(g, x[0], x[1], x[2]); };
  EXPECT_THAT(
      eval({tensor(DType::boolean, {2, 1}, {1, 0}), counting({3}, DType::i64), tensor(DType::i64, {}, {9})},
           where),
      ElementsAre(0, 1, 2, 9, 9, 9));
  EXPECT_THAT(refusal({{DType::i32, {2}}, {DType::f32, {2}}, {DType::f32, {2}}}, where),
              HasSubstr("where: the condition must be bool"));
  EXPECT_THAT(refusal({{DType::boolean, {2}}, {DType::f32, {2}}, {DType::i32, {2}}}, where),
              HasSubstr("f32 and i32"));
}

TEST(Cast, BetweenAllKinds) {
  auto to = [](DType dtype, bool saturate = true) {
    return [=](Graph& g, const auto& x) { return ops::cast(g, x[0], dtype, saturate); };
  };
  EXPECT_THAT(eval({tensor(DType::f32, {4}, {1.9, -1.9, 0, 300})}, to(DType::i8)), ElementsAre(1, -1, 0, 44));
  EXPECT_THAT(eval({tensor(DType::f32, {3}, {0.5, 0, nan})}, to(DType::boolean)), ElementsAre(1, 0, 1));
  EXPECT_THAT(eval({tensor(DType::f32, {2}, {1000, -1000})}, to(DType::f8e4m3fn)), ElementsAre(448, -448));
  EXPECT_TRUE(std::isnan(eval({tensor(DType::f32, {1}, {1000})}, to(DType::f8e4m3fn, false))[0]));
  EXPECT_THAT(eval({tensor(DType::i32, {2}, {-1, 257})}, to(DType::u8)), ElementsAre(255, 1));
  ir::HostTensor big(DType::i64, {1});
  big.set_int(0, (std::int64_t{1} << 60) + 1);
  EXPECT_EQ(run({big}, to(DType::u64)).int_at(0), (std::int64_t{1} << 60) + 1);
  EXPECT_EQ(type_of({{DType::f16, {-1, 2}}}, to(DType::i4)), "i4[a, 2]");
}

TEST(BitCast, KeepsBits) {
  auto to = [](DType dtype) {
    return [=](Graph& g, const auto& x) { return ops::bit_cast(g, x[0], dtype); };
  };
  EXPECT_EQ(run({tensor(DType::f32, {1}, {1})}, to(DType::i32)).int_at(0), 0x3f800000);
  EXPECT_THAT(eval({tensor(DType::u16, {1}, {0x3c00})}, to(DType::f16)), ElementsAre(1));
  EXPECT_THAT(refusal({{DType::f32, {2}}}, to(DType::i64)), HasSubstr("bit_cast: f32 and i64"));
}

}  // namespace
}  // namespace tunesmith::tracer
