// The emitted math functions against long double libm, over dense sweeps.
#include "codegen/llvm/math_bounds.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/codegen/run_nest.h"

namespace tunesmith::codegen {
namespace {

using ir::UnaryOp;

/// y = op(x), vectorized.
std::vector<float> run_math(UnaryOp op, const std::vector<float>& x) {
  ir::LoopNest nest;
  nest.name = "math";
  const auto size = static_cast<std::int64_t>(x.size());
  const ir::BufferId in =
      nest.add_buffer({"x", ir::DType::f32, {ir::Expr(size)}, ir::Role::input, ir::Scope::global, {}});
  const ir::BufferId out =
      nest.add_buffer({"y", ir::DType::f32, {ir::Expr(size)}, ir::Role::output, ir::Scope::global, {}});
  nest.arguments = {in, out};
  const ir::VarId i = nest.vars.add("i"), v = nest.vars.add("v");
  const ir::Expr index = ir::var(i) * 16 + ir::var(v);
  nest.body =
      ir::for_loop(i, size / 16, ir::LoopKind::serial,
                   ir::for_loop(v, 16, ir::LoopKind::vectorize,
                                ir::store(out, index, ir::unary(op, ir::load(in, ir::DType::f32, {index})))));
  ir::HostTensor input(ir::DType::f32, {size});
  std::ranges::copy(x, input.mutable_values<float>().begin());
  const auto result = run_nest(nest, {input});
  if (!result) throw std::runtime_error(result.error().message);
  const auto values = (*result)[0].values<float>();
  return {values.begin(), values.end()};
}

long double exact(UnaryOp op, long double x) {
  switch (op) {
    case UnaryOp::exp: return std::exp(x);
    case UnaryOp::log: return std::log(x);
    case UnaryOp::tanh: return std::tanh(x);
    case UnaryOp::erf: return std::erf(x);
    case UnaryOp::sigmoid: return 1 / (1 + std::exp(-x));
    default: throw std::runtime_error("no reference");
  }
}

double ulp_error(float got, long double want) {
  const float rounded = static_cast<float>(want);
  if (got == rounded) return 0;
  const float size = std::max(std::abs(rounded), std::numeric_limits<float>::min());
  const long double unit = std::nextafter(size, std::numeric_limits<float>::infinity()) - size;
  return static_cast<double>(std::abs(static_cast<long double>(got) - want) / unit);
}

/// Every `stride`-th float of both signs, infinities and NaN left out.
std::vector<float> sweep(bool negative_too) {
  std::vector<float> values;
  for (std::uint32_t bits = 1; bits < 0x7f800000u; bits += 7919) {
    values.push_back(std::bit_cast<float>(bits));
    if (negative_too) values.push_back(-std::bit_cast<float>(bits));
  }
  for (int i = -4000; i <= 4000; ++i)
    if (negative_too || i > 0) values.push_back(static_cast<float>(i) * 0.0025f);
  while (values.size() % 16 != 0) values.push_back(1.0f);
  return values;
}

TEST(MathFunctions, StayInsideTheirBounds) {
  for (const MathBound& bound : math_bounds) {
    const std::vector<float> x = sweep(bound.op != UnaryOp::log);
    const std::vector<float> y = run_math(bound.op, x);
    double worst = 0;
    float at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const long double want = exact(bound.op, x[i]);
      const float rounded = static_cast<float>(want);
      if (std::abs(rounded) < std::numeric_limits<float>::min() &&
          std::abs(y[i]) <= std::numeric_limits<float>::min())
        continue;
      if (std::isinf(rounded)) {
        EXPECT_EQ(y[i], rounded) << ir::to_string(bound.op) << "(" << x[i] << ")";
        continue;
      }
      const double error = ulp_error(y[i], want);
      if (error > worst) worst = error, at = x[i];
    }
    EXPECT_LE(worst, bound.ulp) << ir::to_string(bound.op) << " at " << at;
    RecordProperty(std::string(ir::to_string(bound.op)), std::to_string(worst));
  }
}

TEST(MathFunctions, SpecialValuesAreExact) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  std::vector<float> x(16, 0.0f);
  x[0] = inf, x[1] = -inf, x[2] = nan, x[3] = 0.0f, x[4] = -1.0f, x[5] = 200.0f, x[6] = -200.0f;
  const std::vector<float> e = run_math(UnaryOp::exp, x), l = run_math(UnaryOp::log, x),
                           t = run_math(UnaryOp::tanh, x);
  const std::vector<float> f = run_math(UnaryOp::erf, x), s = run_math(UnaryOp::sigmoid, x);
  EXPECT_EQ(e[0], inf);
  EXPECT_EQ(e[1], 0.0f);
  EXPECT_EQ(e[3], 1.0f);
  EXPECT_EQ(e[5], inf);
  EXPECT_EQ(e[6], 0.0f);
  EXPECT_EQ(l[0], inf);
  EXPECT_EQ(l[3], -inf);
  EXPECT_TRUE(std::isnan(l[1]) && std::isnan(l[4]));
  EXPECT_EQ(t[0], 1.0f);
  EXPECT_EQ(t[1], -1.0f);
  EXPECT_EQ(f[0], 1.0f);
  EXPECT_EQ(f[1], -1.0f);
  EXPECT_EQ(s[0], 1.0f);
  EXPECT_EQ(s[1], 0.0f);
  for (const auto& y : {e, l, t, f, s}) EXPECT_TRUE(std::isnan(y[2]));
}

}  // namespace
}  // namespace tunesmith::codegen
