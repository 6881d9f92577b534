#include <cmath>

#include "tests/tracer/reference_run.h"
#include "tracer/composites.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

ValueId matmul(Graph& g, const std::vector<ValueId>& x) { return ops::matmul(g, x[0], x[1]); }

TEST(Matmul, MatricesVectorsBatches) {
  EXPECT_THAT(eval({counting({2, 3}), counting({3, 2})}, matmul), ElementsAre(10, 13, 28, 40));
  EXPECT_THAT(eval({counting({3}), counting({3})}, matmul), ElementsAre(5));
  EXPECT_THAT(eval({counting({2, 3}), counting({3})}, matmul), ElementsAre(5, 14));
  EXPECT_THAT(eval({counting({3}), counting({3, 2})}, matmul), ElementsAre(10, 13));
  const auto batched = run({counting({2, 1, 1, 2}), counting({3, 2, 1})}, matmul);
  EXPECT_EQ(batched.shape(), (Ints{2, 3, 1, 1}));
  EXPECT_THAT(values(batched), ElementsAre(1, 3, 5, 3, 13, 23));
  EXPECT_THAT(eval({counting({2, 0}), counting({0, 1})}, matmul), ElementsAre(0, 0));
}

TEST(Matmul, BytesAreSummedInI32) {
  const auto a = tensor(DType::u8, {1, 3}, {255, 255, 255}), b = tensor(DType::i8, {3, 1}, {-128, -128, 1});
  const auto y = run({a, b}, matmul);
  EXPECT_EQ(y.dtype(), DType::i32);
  EXPECT_EQ(y.int_at(0), 255 * -255);
}

TEST(Matmul, LongIntegersAreExactAndWrap) {
  ir::HostTensor a(DType::i64, {1, 2}), b(DType::i64, {2, 1});
  a.set_int(0, (std::int64_t{1} << 53) + 1), a.set_int(1, std::int64_t{1} << 62);
  b.set_int(0, 1), b.set_int(1, 4);
  EXPECT_EQ(run({a, b}, matmul).int_at(0), (std::int64_t{1} << 53) + 1);
}

TEST(Matmul, SumsInDouble) {
  // 2^24 + 1 + 1 … is lost one by one in f32.
  ir::HostTensor a(DType::f32, {1, 1025}), b(DType::f32, {1025, 1});
  for (std::int64_t i = 0; i < 1025; ++i) a.set(i, i == 0 ? 16777216.0 : 1.0), b.set(i, 1);
  EXPECT_EQ(run({a, b}, matmul).at(0), 16777216.0 + 1024);
}

TEST(Matmul, SymbolicShapesAndRefusals) {
  EXPECT_EQ(type_of({{DType::f16, {-1, 4, 8}}, {DType::f16, {8, -2}}}, matmul), "f16[a, 4, b]");
  EXPECT_EQ(type_of({{DType::f32, {4, -1}}, {DType::f32, {-1, 4}}}, matmul), "f32[4, 4]");
  EXPECT_THAT(refusal({{DType::f32, {2, 3}}, {DType::f32, {2, 3}}}, matmul),
              HasSubstr("matmul: inner dimensions of [2, 3] and [2, 3] differ"));
  EXPECT_THAT(refusal({{DType::f32, {2, -1}}, {DType::f32, {-2, 3}}}, matmul),
              HasSubstr("f32[2, a], f32[b, 3]"));
  EXPECT_THAT(refusal({{DType::f32, {}}, {DType::f32, {2}}}, matmul), HasSubstr("operand A"));
  EXPECT_THAT(refusal({{DType::f32, {2}}, {DType::f16, {2}}}, matmul), HasSubstr("operand B is f16"));
  EXPECT_THAT(refusal({{DType::boolean, {2}}, {DType::boolean, {2}}}, matmul), HasSubstr("bool"));
  EXPECT_THAT(refusal({{DType::f32, {2, 1, 3}}, {DType::f32, {3, 3, 1}}}, matmul),
              HasSubstr("do not broadcast"));
}

Build conv(ops::ConvOptions options = {}) {
  return [=](Graph& g, const auto& x) {
    return ops::conv(g, x[0], x[1], x.size() > 2 ? std::optional(x[2]) : std::nullopt, options);
  };
}

TEST(Conv, OneDimension) {
  const auto x = tensor(DType::f32, {1, 1, 5}, {1, 2, 3, 4, 5}), w = tensor(DType::f32, {1, 1, 2}, {1, 10});
  EXPECT_THAT(eval({x, w}, conv()), ElementsAre(21, 32, 43, 54));
  EXPECT_THAT(eval({x, w}, conv({.strides = {2}, .pads = {1, 0}})), ElementsAre(10, 32, 54));
  EXPECT_THAT(eval({x, w}, conv({.dilations = {3}})), ElementsAre(41, 52));
  EXPECT_THAT(eval({x, w, tensor(DType::f32, {1}, {100})}, conv({.pads = {0, 1}})),
              ElementsAre(121, 132, 143, 154, 105));
}

TEST(Conv, TwoDimensionsWithUnevenPads) {
  const auto x = counting({1, 1, 2, 3}), w = tensor(DType::f32, {1, 1, 2, 2}, {1, 1, 1, 1});
  const auto y = run({x, w}, conv({.pads = {1, 0, 0, 1}}));
  EXPECT_EQ(y.shape(), (Ints{1, 1, 2, 3}));
  EXPECT_THAT(values(y), ElementsAre(1, 3, 2, 8, 12, 7));
}

TEST(Conv, GroupsAndChannels) {
  const auto x = tensor(DType::f32, {1, 4, 1}, {1, 2, 3, 4});
  EXPECT_THAT(eval({x, tensor(DType::f32, {2, 2, 1}, {1, 10, 1, 10})}, conv({.groups = 2})),
              ElementsAre(21, 43));
  EXPECT_THAT(eval({x, tensor(DType::f32, {8, 1, 1}, {1, 2, 1, 2, 1, 2, 1, 2})}, conv({.groups = 4})),
              ElementsAre(1, 2, 2, 4, 3, 6, 4, 8));
}

TEST(Conv, ThreeDimensions) {
  const auto y =
      run({counting({1, 1, 2, 2, 2}), tensor(DType::f32, {1, 1, 2, 2, 2}, {1, 1, 1, 1, 1, 1, 1, 1})}, conv());
  EXPECT_EQ(y.shape(), (Ints{1, 1, 1, 1, 1}));
  EXPECT_EQ(y.at(0), 28);
}

TEST(Conv, SymbolicShapes) {
  EXPECT_EQ(type_of({{DType::f32, {-1, 3, 224, 224}}, {DType::f32, {8, 3, 3, 3}}},
                    conv({.strides = {2, 2}, .pads = {1, 1, 1, 1}})),
            "f32[a, 8, 112, 112]");
  EXPECT_EQ(type_of({{DType::f32, {1, 3, -1}}, {DType::f32, {8, 3, 3}}}, conv({.pads = {1, 1}})),
            "f32[1, 8, a]");
  EXPECT_THAT(refusal({{DType::f32, {1, -1, 4}}, {DType::f32, {8, 3, 3}}}, conv()), HasSubstr("symbolic"));
}

TEST(Conv, Refusals) {
  const InputType x{DType::f32, {1, 4, 8}};
  EXPECT_THAT(refusal({x, {DType::f32, {8, 3, 3}}}, conv()),
              HasSubstr("conv: input [1, 4, 8], weight [8, 3, 3] and groups=1 do not fit"));
  EXPECT_THAT(refusal({x, {DType::f32, {3, 2, 3}}}, conv({.groups = 2})), HasSubstr("groups=2"));
  EXPECT_THAT(refusal({x, {DType::f32, {8, 4, 3, 3}}}, conv()), HasSubstr("different ranks"));
  EXPECT_THAT(refusal({x, {DType::f16, {8, 4, 3}}}, conv()), HasSubstr("the weight is f16"));
  EXPECT_THAT(refusal({x, {DType::f32, {8, 4, 9}}}, conv()),
              HasSubstr("a window of 9 does not fit into axis 2"));
  EXPECT_THAT(refusal({x, {DType::f32, {8, 4, 3}}, {DType::f32, {7}}}, conv()), HasSubstr("bias [7]"));
  EXPECT_THAT(refusal({x, {DType::f32, {8, 4, 3}}, {DType::f16, {8}}}, conv()), HasSubstr("the bias is f16"));
  EXPECT_THAT(refusal({x, {DType::f32, {8, 4, 3}}}, conv({.strides = {0}})),
              HasSubstr("'strides' has the entry 0; accepted: 1 to"));
  EXPECT_THAT(refusal({x, {DType::f32, {8, 4, 3}}}, conv({.pads = {1}})), HasSubstr("'pads'"));
  EXPECT_THAT(refusal({{DType::f32, {4, 8}}, {DType::f32, {8, 4}}}, conv()),
              HasSubstr("conv: input [4, 8] has no spatial axis"));
}

Build conv_transpose(ops::ConvOptions options = {}) {
  return [=](Graph& g, const auto& x) {
    return ops::conv_transpose(g, x[0], x[1], x.size() > 2 ? std::optional(x[2]) : std::nullopt, options);
  };
}

TEST(ConvTranspose, SpreadsElements) {
  const auto x = tensor(DType::f32, {1, 1, 3}, {1, 2, 3}), w = tensor(DType::f32, {1, 1, 2}, {1, 10});
  EXPECT_THAT(eval({x, w}, conv_transpose()), ElementsAre(1, 12, 23, 30));
  EXPECT_THAT(eval({x, w}, conv_transpose({.strides = {2}})), ElementsAre(1, 10, 2, 20, 3, 30));
  EXPECT_THAT(eval({x, w}, conv_transpose({.strides = {2}, .pads = {1, 2}})), ElementsAre(10, 2, 20));
  EXPECT_THAT(eval({x, w}, conv_transpose({.strides = {2}, .output_padding = {1}})),
              ElementsAre(1, 10, 2, 20, 3, 30, 0));
  EXPECT_THAT(eval({x, w}, conv_transpose({.dilations = {2}})), ElementsAre(1, 2, 13, 20, 30));
  const auto bias = tensor(DType::f32, {2}, {100, 200});
  EXPECT_THAT(eval({tensor(DType::f32, {1, 2, 1}, {1, 2}), tensor(DType::f32, {2, 1, 1}, {3, 5}), bias},
                   conv_transpose({.groups = 2})),
              ElementsAre(103, 210));
}

TEST(ConvTranspose, IsTheGradientOfConv) {
  // <conv(x), y> == <x, conv_transpose(y)>
  const ops::ConvOptions options{.strides = {2, 1}, .dilations = {1, 2}, .pads = {1, 0, 0, 1}, .groups = 2};
  const auto x = counting({1, 4, 5, 6}), w = counting({2, 2, 2, 3});
  const auto forward = run({x, w}, conv(options));
  const auto y = counting(forward.shape());
  const auto back = run({y, w}, conv_transpose(options));
  ASSERT_EQ(back.shape(), x.shape());
  double left = 0, right = 0;
  for (std::int64_t i = 0; i < y.size(); ++i) left += forward.at(i) * y.at(i);
  for (std::int64_t i = 0; i < x.size(); ++i) right += x.at(i) * back.at(i);
  EXPECT_EQ(left, right);
}

TEST(ConvTranspose, ShapesAndRefusals) {
  EXPECT_EQ(type_of({{DType::f32, {-1, 4, -2}}, {DType::f32, {4, 3, 2}}}, conv_transpose({.strides = {2}})),
            "f32[a, 3, b * 2]");
  EXPECT_THAT(refusal({{DType::f32, {1, 4, 8}}, {DType::f32, {3, 4, 2}}}, conv_transpose()),
              HasSubstr("conv_transpose: input"));
  EXPECT_THAT(refusal({{DType::f32, {1, 4, 1}}, {DType::f32, {4, 4, 1}}}, conv_transpose({.pads = {1, 1}})),
              HasSubstr("axis 2 is cropped to -1"));
  EXPECT_THAT(
      refusal({{DType::f32, {1, 4, 1}}, {DType::f32, {4, 4, 1}}, {DType::f32, {3}}}, conv_transpose()),
      HasSubstr("bias [3]"));
}

TEST(SamePads, PutTheOddElementWhereItIsAskedFor) {
  const Ints extents{5, 4}, kernel{3, 2}, strides{2, 1}, dilations{1, 1};
  EXPECT_EQ(ops::same_pads(extents, kernel, strides, dilations, true), (Ints{1, 0, 1, 1}));
  EXPECT_EQ(ops::same_pads(extents, kernel, strides, dilations, false), (Ints{1, 1, 1, 0}));
  EXPECT_EQ(ops::same_pads(Ints{8}, Ints{1}, Ints{4}, Ints{1}, true), (Ints{0, 0}));
}

TEST(MaxPool, PlacesAndIndices) {
  const auto x = tensor(DType::f32, {1, 2, 4}, {1, 5, 2, 3, -4, -2, -3, -1});
  const auto pool = [](ops::PoolOptions options) {
    return [=](Graph& g, const auto& v) { return ops::max_pool(g, v[0], options); };
  };
  EXPECT_THAT(eval({x}, pool({.kernel = {2}})), ElementsAre(5, 5, 3, -2, -2, -1));
  EXPECT_THAT(eval({x}, pool({.kernel = {2}, .strides = {2}, .pads = {1, 1}})),
              ElementsAre(1, 5, 3, -4, -2, -1));
  EXPECT_THAT(eval({x}, pool({.kernel = {3}, .strides = {2}, .ceil_mode = true})), ElementsAre(5, 3, -2, -1));
  EXPECT_THAT(eval({x}, pool({.kernel = {2}, .dilations = {3}})), ElementsAre(3, -1));
  const auto both = run_all({counting({1, 1, 2, 3})}, [](Graph& g, const auto& v) {
    const auto row = ops::max_pool_with_indices(g, v[0], {.kernel = {2, 2}});
    const auto column = ops::max_pool_with_indices(g, v[0], {.kernel = {2, 2}, .column_major = true});
    return std::vector{row.first, row.second, column.second};
  });
  EXPECT_THAT(values(both[0]), ElementsAre(4, 5));
  EXPECT_THAT(values(both[1]), ElementsAre(4, 5));
  EXPECT_THAT(values(both[2]), ElementsAre(3, 5));
}

TEST(AveragePool, CountsPaddingWhenAsked) {
  const auto x = tensor(DType::f32, {1, 1, 3}, {2, 4, 6});
  const auto pool = [](ops::PoolOptions options) {
    return [=](Graph& g, const auto& v) { return ops::average_pool(g, v[0], options); };
  };
  EXPECT_THAT(eval({x}, pool({.kernel = {2}})), ElementsAre(3, 5));
  EXPECT_THAT(eval({x}, pool({.kernel = {2}, .pads = {1, 1}})), ElementsAre(2, 3, 5, 6));
  EXPECT_THAT(eval({x}, pool({.kernel = {2}, .pads = {1, 1}, .count_include_pad = true})),
              ElementsAre(1, 3, 5, 3));
  EXPECT_THAT(
      eval({x}, [](Graph& g, const auto& v) { return ops::lp_pool(g, v[0], {.kernel = {2}, .p = 1}); }),
      ElementsAre(6, 10));
  EXPECT_NEAR(eval({x}, [](Graph& g, const auto& v) { return ops::lp_pool(g, v[0], {.kernel = {2}}); })[0],
              std::sqrt(20), 1e-6);
}

TEST(Pool, Refusals) {
  const auto average = [](ops::PoolOptions options) {
    return [=](Graph& g, const auto& v) { return ops::average_pool(g, v[0], options); };
  };
  EXPECT_EQ(type_of({{DType::f32, {-1, -2, 8}}}, average({.kernel = {2}, .strides = {2}})), "f32[a, b, 4]");
  EXPECT_THAT(refusal({{DType::f32, {1, 1, 3}}}, average({.kernel = {2, 2}})),
              HasSubstr("pool: 'kernel' has 2 entries for 1"));
  EXPECT_THAT(refusal({{DType::i32, {1, 1, 3}}}, average({.kernel = {2}})),
              HasSubstr("average pooling takes floats"));
  EXPECT_THAT(refusal({{DType::f32, {1, 1, 3}}}, average({.kernel = {4}})), HasSubstr("a window of 4"));
  EXPECT_THAT(refusal({{DType::f32, {1, 1, -1}}}, average({.kernel = {2}, .ceil_mode = true})),
              HasSubstr("symbolic"));
  EXPECT_THAT(refusal({{DType::f32, {1, 3}}}, average({.kernel = {2}})), HasSubstr("no spatial axis"));
}

TEST(GlobalPool, ReducesSpatialAxes) {
  EXPECT_THAT(eval({counting({1, 2, 2, 2})},
                   [](Graph& g, const auto& v) { return ops::global_average_pool(g, v[0]); }),
              ElementsAre(1.5, 5.5));
  const auto y =
      run({counting({1, 2, 3})}, [](Graph& g, const auto& v) { return ops::global_max_pool(g, v[0]); });
  EXPECT_EQ(y.shape(), (Ints{1, 2, 1}));
  EXPECT_THAT(values(y), ElementsAre(2, 5));
}

}  // namespace
}  // namespace tunesmith::tracer
