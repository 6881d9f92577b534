#include <cmath>
#include <limits>

#include "tests/tracer/reference_run.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

Build reduce(std::string op, Ints axes = {}, bool keepdims = false) {
  return [=](Graph& g, const auto& x) { return ops::reduce(g, op, x[0], axes, keepdims); };
}

::testing::Matcher<double> near(double value) { return DoubleNear(value, 1e-6); }

TEST(Reduce, EveryKind) {
  const auto x = tensor(DType::f32, {2, 3}, {1, -2, 3, 4, 0.5, 2});
  EXPECT_THAT(eval({x}, reduce("sum", {1})), ElementsAre(2, 6.5));
  EXPECT_THAT(eval({x}, reduce("mean", {0})), ElementsAre(2.5, -0.75, 2.5));
  EXPECT_THAT(eval({x}, reduce("prod", {-1})), ElementsAre(-6, 4));
  EXPECT_THAT(eval({x}, reduce("min", {1})), ElementsAre(-2, 0.5));
  EXPECT_THAT(eval({x}, reduce("max")), ElementsAre(4));
  EXPECT_THAT(eval({x}, reduce("sum_square", {1})), ElementsAre(14, 20.25));
  EXPECT_THAT(eval({x}, reduce("l1", {1})), ElementsAre(6, 6.5));
  EXPECT_THAT(eval({x}, reduce("l2", {1})), ElementsAre(near(std::sqrt(14)), 4.5));
  EXPECT_THAT(eval({x}, reduce("log_sum", {1})), ElementsAre(near(std::log(2)), near(std::log(6.5))));
  EXPECT_THAT(eval({tensor(DType::f64, {2}, {1000, 1000})}, reduce("log_sum_exp")),
              ElementsAre(near(1000 + std::log(2))));
}

TEST(Reduce, ShapesAndAxes) {
  EXPECT_EQ(run({counting({2, 3, 4})}, reduce("sum", {0, -1}, true)).shape(), (Ints{1, 3, 1}));
  EXPECT_EQ(run({counting({2, 3, 4})}, reduce("sum", {0, 2})).shape(), (Ints{3}));
  EXPECT_THAT(eval({counting({2, 2, 2})}, reduce("sum", {0, 2})), ElementsAre(10, 18));
  EXPECT_EQ(type_of({{DType::f16, {-1, 4, -2}}}, reduce("mean", {1}, true)), "f16[a, 1, b]");
}

TEST(Reduce, EmptyRowsGiveTheIdentity) {
  EXPECT_THAT(eval({counting({2, 0})}, reduce("sum", {1})), ElementsAre(0, 0));
  EXPECT_THAT(eval({counting({1, 0})}, reduce("prod", {1})), ElementsAre(1));
  EXPECT_THAT(eval({counting({1, 0})}, reduce("max", {1})), ElementsAre(-inf));
  EXPECT_THAT(eval({counting({1, 0})}, reduce("log_sum_exp", {1})), ElementsAre(-inf));
  EXPECT_THAT(eval({counting({1, 0}, DType::i8)}, reduce("min", {1})), ElementsAre(127));
}

TEST(Reduce, Numbers) {
  EXPECT_TRUE(std::isnan(eval({tensor(DType::f32, {2}, {nan, 1})}, reduce("max"))[0]));
  EXPECT_THAT(eval({tensor(DType::f32, {2}, {-inf, -inf})}, reduce("log_sum_exp")), ElementsAre(-inf));
  EXPECT_THAT(eval({tensor(DType::i8, {2}, {127, 1})}, reduce("sum")), ElementsAre(-128));
  EXPECT_THAT(eval({tensor(DType::i32, {2}, {-3, -4})}, reduce("mean")), ElementsAre(-3));
  EXPECT_THAT(eval({tensor(DType::i32, {2}, {3, 4})}, reduce("l2")), ElementsAre(5));
  ir::HostTensor longs(DType::i64, {2});
  longs.set_int(0, (std::int64_t{1} << 53) + 1), longs.set_int(1, std::int64_t{1} << 53);
  EXPECT_EQ(run({longs}, reduce("max")).int_at(0), (std::int64_t{1} << 53) + 1);
  EXPECT_EQ(run({longs}, reduce("sum")).int_at(0), (std::int64_t{1} << 54) + 1);
}

TEST(Reduce, Refusals) {
  EXPECT_THAT(refusal({{DType::f32, {2}}}, reduce("median")),
              HasSubstr("reduce: unknown reduction 'median'; accepted: sum, mean"));
  EXPECT_THAT(refusal({{DType::f32, {2}}}, reduce("sum", {1})), HasSubstr("axis 1 is out of range"));
  EXPECT_THAT(refusal({{DType::boolean, {2}}}, reduce("sum")), HasSubstr("bool"));
}

TEST(ArgReduce, TakesTheFirstOrTheLast) {
  auto arg_max = [](std::int64_t axis, bool keep = false, bool last = false) {
    return [=](Graph& g, const auto& x) { return ops::arg_max(g, x[0], axis, keep, last); };
  };
  const auto x = tensor(DType::f32, {2, 3}, {1, 3, 3, 2, 2, 1});
  EXPECT_THAT(eval({x}, arg_max(1)), ElementsAre(1, 0));
  EXPECT_THAT(eval({x}, arg_max(1, false, true)), ElementsAre(2, 1));
  EXPECT_EQ(run({x}, arg_max(0, true)).shape(), (Ints{1, 3}));
  EXPECT_THAT(eval({x}, [](Graph& g, const auto& v) { return ops::arg_min(g, v[0], -1); }),
              ElementsAre(0, 2));
  EXPECT_EQ(type_of({{DType::f32, {-1, 4}}}, arg_max(1)), "i64[a]");
  EXPECT_THAT(refusal({{DType::f32, {2, 0}}}, arg_max(1)),
              HasSubstr("arg_reduce: axis 1 of [2, 0] is empty"));
}

TEST(Softmax, SumsToOneAndKeepsRange) {
  auto softmax = [](std::int64_t axis) {
    return [=](Graph& g, const auto& x) { return ops::softmax(g, x[0], axis); };
  };
  EXPECT_THAT(eval({tensor(DType::f32, {3}, {0, std::log(2.0f), std::log(5.0f)})}, softmax(0)),
              ElementsAre(near(0.125), near(0.25), near(0.625)));
  EXPECT_THAT(eval({tensor(DType::f32, {2, 2}, {1000, 5, 1000, 5})}, softmax(0)),
              ElementsAre(0.5, 0.5, 0.5, 0.5));
  EXPECT_THAT(eval({tensor(DType::f32, {2}, {0, -inf})}, softmax(0)), ElementsAre(1, 0));
  EXPECT_THAT(eval({tensor(DType::f32, {2}, {1000, 1000})},
                   [](Graph& g, const auto& x) { return ops::log_softmax(g, x[0]); }),
              ElementsAre(near(-std::log(2)), near(-std::log(2))));
  EXPECT_EQ(type_of({{DType::bf16, {-1, 4}}}, softmax(-1)), "bf16[a, 4]");
  EXPECT_THAT(refusal({{DType::i32, {2}}}, softmax(0)),
              HasSubstr("softmax: the operand is i32; floats are taken"));
  EXPECT_THAT(refusal({{DType::f32, {2}}}, softmax(1)), HasSubstr("axis 1"));
}

TEST(LayerNorm, NormalisesRows) {
  const auto x = tensor(DType::f64, {2, 2}, {1, 3, -5, 5});
  EXPECT_THAT(eval({x}, [](Graph& g, const auto& v) { return ops::layer_norm(g, v[0], {}, {}, -1, 0); }),
              ElementsAre(-1, 1, -1, 1));
  EXPECT_THAT(eval({x, tensor(DType::f64, {2}, {2, 3}), tensor(DType::f64, {2}, {10, 20})},
                   [](Graph& g, const auto& v) { return ops::layer_norm(g, v[0], v[1], v[2], 1, 0); }),
              ElementsAre(8, 23, 8, 23));
  EXPECT_THAT(
      eval({x}, [](Graph& g, const auto& v) { return ops::layer_norm(g, v[0], {}, {}, 0, 1); }),
      ElementsAre(near(0), near(2 / std::sqrt(15)), near(-6 / std::sqrt(15)), near(4 / std::sqrt(15))));
  auto scaled = [](Graph& g, const auto& v) { return ops::layer_norm(g, v[0], v[1], {}); };
  EXPECT_EQ(type_of({{DType::f32, {-1, 4}}, {DType::f32, {4}}}, scaled), "f32[a, 4]");
  EXPECT_THAT(refusal({{DType::f32, {2, 4}}, {DType::f32, {3}}}, scaled),
              HasSubstr("layer_norm: shapes [4] and [3]"));
  EXPECT_THAT(refusal({{DType::f32, {2, 4}}, {DType::f32, {2, 4}}}, scaled),
              HasSubstr("scale or bias [2, 4]"));
}

TEST(RmsNorm, DividesByTheRootOfTheMeanSquare) {
  EXPECT_THAT(eval({tensor(DType::f64, {1, 2}, {3, 4}), tensor(DType::f64, {2}, {5, 10})},
                   [](Graph& g, const auto& v) { return ops::rms_norm(g, v[0], v[1], -1, 0); }),
              ElementsAre(near(15 / std::sqrt(12.5)), near(40 / std::sqrt(12.5))));
}

TEST(GroupNorm, NormalisesGroupsOfChannels) {
  auto norm = [](std::int64_t groups) {
    return [=](Graph& g, const auto& v) { return ops::group_norm(g, v[0], v[1], v[2], groups, 0); };
  };
  const auto x = tensor(DType::f64, {1, 4, 1, 1}, {1, 3, 10, 30});
  const auto scale = tensor(DType::f64, {4}, {1, 2, 1, 1}), bias = tensor(DType::f64, {4}, {0, 0, 5, 5});
  EXPECT_THAT(eval({x, scale, bias}, norm(2)), ElementsAre(-1, 2, 4, 6));
  const testing::InputType image{DType::f32, {-1, 4, 3}}, channel{DType::f32, {4}};
  EXPECT_EQ(type_of({image, channel, channel}, norm(2)), "f32[a, 4, 3]");
  EXPECT_THAT(refusal({image, channel, channel}, norm(3)), HasSubstr("group_norm: groups=3"));
  EXPECT_THAT(refusal({image, {DType::f32, {3}}, channel}, norm(2)), HasSubstr("scale or bias [3]"));
}

TEST(Lrn, NormalisesAcrossNeighbouringChannels) {
  EXPECT_THAT(eval({tensor(DType::f64, {1, 4, 1}, {1, 2, 3, 4})},
                   [](Graph& g, const auto& v) { return ops::lrn(g, v[0], 2, 2.0, 1.0, 1.0); }),
              // the window of channel c is c, c + 1
              ElementsAre(near(1.0 / 6), near(2.0 / 14), near(3.0 / 26), near(4.0 / 17)));
  EXPECT_THAT(refusal({{DType::f32, {4}}}, [](Graph& g, const auto& v) { return ops::lrn(g, v[0], 3); }),
              HasSubstr("lrn: input [4]"));
  EXPECT_THAT(refusal({{DType::f32, {1, 4}}}, [](Graph& g, const auto& v) { return ops::lrn(g, v[0], 0); }),
              HasSubstr("size=0"));
}

TEST(Cumulate, RunsEveryWay) {
  auto sum = [](std::int64_t axis, ops::CumulateOptions options = {}) {
    return [=](Graph& g, const auto& v) { return ops::cumulative_sum(g, v[0], axis, options); };
  };
  const auto x = tensor(DType::i32, {4}, {1, 2, 3, 4});
  EXPECT_THAT(eval({x}, sum(0)), ElementsAre(1, 3, 6, 10));
  EXPECT_THAT(eval({x}, sum(0, {.exclusive = true})), ElementsAre(0, 1, 3, 6));
  EXPECT_THAT(eval({x}, sum(0, {.reverse = true})), ElementsAre(10, 9, 7, 4));
  EXPECT_THAT(eval({x}, sum(0, {.exclusive = true, .reverse = true})), ElementsAre(9, 7, 4, 0));
  EXPECT_THAT(eval({counting({2, 2})}, sum(0)), ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(eval({x}, [](Graph& g, const auto& v) { return ops::cumulative_product(g, v[0], 0); }),
              ElementsAre(1, 2, 6, 24));
  EXPECT_THAT(refusal({{DType::boolean, {2}}}, sum(0)), HasSubstr("cumulate: the operand is bool"));
  EXPECT_THAT(refusal({{DType::f32, {2}}}, sum(1)), HasSubstr("axis 1"));
}

}  // namespace
}  // namespace tunesmith::tracer
