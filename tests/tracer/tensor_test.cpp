#include "tracer/tensor.h"

#include "tests/tracer/reference_run.h"
#include "tracer/trace.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

template <class Fn>
std::vector<ir::HostTensor> traced(Fn&& fn, const std::vector<ir::HostTensor>& inputs) {
  std::vector<TensorSpec> specs;
  for (const ir::HostTensor& input : inputs) {
    TensorSpec spec{input.dtype(), {}};
    for (std::int64_t extent : input.shape()) spec.shape.emplace_back(extent);
    specs.push_back(spec);
  }
  return evaluate_reference(trace(fn, specs), inputs);
}

template <class Action>
std::string complaint(Action&& action) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Trace, RecordsAFunction) {
  const Graph g = trace([](Tensor x, Tensor w) { return relu(matmul(x, w) + 1.0); },
                        {{DType::f32, {"batch", 2}}, {DType::f32, {2, 3}, "weight"}});
  EXPECT_EQ(g.print(), R"(%0: f32[batch, 2] = input()  # x0
%1: f32[2, 3] = input()  # weight
%2: f32[batch, 3] = matmul(%0, %1)
%3: f32[] = constant()
%4: f32[batch, 3] = binary(%2, %3) {op=add}
%5: f32[] = constant()
%6: f32[batch, 3] = binary(%5, %4) {op=max}
return y = %6
)");
}

TEST(Trace, SharesSymbolsAndSubexpressions) {
  const Graph g =
      trace([](auto a, auto b) { return (a + b) * (a + b); }, {{DType::f32, {"n"}}, {DType::f32, {"n"}}});
  EXPECT_EQ(g.symbols().size(), 1u);
  EXPECT_EQ(g.size(), 4u);
}

TEST(Trace, ReturnsOneOrMany) {
  const auto x = counting({2});
  auto pair = [](Tensor v) { return std::pair{v + 1, v * 2}; };
  auto list = [](Tensor v) { return std::vector<Tensor>{v, v, v}; };
  auto array = [](Tensor v) { return std::array<Tensor, 2>{v, -v}; };
  EXPECT_EQ(traced(pair, {x}).size(), 2u);
  EXPECT_EQ(traced(list, {x}).size(), 3u);
  EXPECT_THAT(values(traced(array, {x})[1]), ElementsAre(0, -1));
  EXPECT_EQ(trace(pair, {{DType::f32, {2}}}).outputs()[1].name, "y1");
  const Graph all = trace_list([](std::vector<Tensor> v) { return v[0] + v[1] + v[2]; },
                               std::vector<TensorSpec>(3, {DType::f32, {4}}));
  EXPECT_EQ(all.inputs().size(), 3u);
}

TEST(Trace, Refusals) {
  auto one = [](Tensor x) { return x; };
  EXPECT_THAT(complaint([&] {
                trace(one, {{DType::f32, {2}}, {DType::f32, {2}}});
              }),
              HasSubstr("does not take 2 tensors"));
  EXPECT_THAT(complaint([&] { trace(one, {}); }), HasSubstr("does not take 0 tensors"));
  EXPECT_THAT(complaint([&] {
                trace(one, {{DType::f32, {-1}}});
              }),
              HasSubstr("input 'x0' has the extent -1"));
  EXPECT_THAT(complaint([&] {
                trace([](Tensor) { return std::vector<Tensor>{}; }, {{DType::f32, {2}}});
              }),
              HasSubstr("returns no tensor"));
  EXPECT_THAT(complaint([&] {
                trace([](Tensor) { return Tensor(); }, {{DType::f32, {2}}});
              }),
              HasSubstr("that no trace has made"));
  EXPECT_THAT(complaint([&] {
                trace([](Tensor a, Tensor b) { return a + b; }, {{DType::f32, {2}}, {DType::f32, {3}}});
              }),
              HasSubstr("do not broadcast (operands: f32[2], f32[3])"));
  Tensor leaked;
  const Graph kept = trace([&](Tensor x) { return leaked = x; }, {{DType::f32, {2}}});
  Graph other;
  const Tensor foreign(other, other.add_input("x", {DType::f32, {2}}));
  EXPECT_THAT(complaint([&] {
                trace([&](Tensor x) { return x + foreign; }, {{DType::f32, {2}}});
              }),
              HasSubstr("two traces"));
  EXPECT_THAT(complaint([&] {
                trace([&](Tensor) { return foreign; }, {{DType::f32, {2}}});
              }),
              HasSubstr("output 0 is a tensor of another trace"));
}

TEST(Tensor, OperatorsWithNumbersOnEitherSide) {
  const auto x = tensor(DType::f32, {2}, {2, 4});
  auto all = [](Tensor v) {
    return std::vector<Tensor>{
        v + 1, 1 + v, v - 1, 1 - v, v * 3, 3 * v, v / 2, 8 / v, -v, pow(v, 2), max(v, v.number(3))};
  };
  const std::vector<std::vector<double>> want{{3, 5}, {3, 5}, {1, 3},   {-1, -3}, {6, 12}, {6, 12},
                                              {1, 2}, {4, 2}, {-2, -4}, {4, 16},  {3, 4}};
  const auto got = traced(all, {x});
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_EQ(values(got[i]), want[i]) << i;
}

TEST(Tensor, ComparisonsAndLogic) {
  const auto x = tensor(DType::i32, {3}, {1, 2, 3});
  auto all = [](Tensor v) {
    return std::vector<Tensor>{
        v<2, v <= 2, v> 2, v >= 2, v == 2, v != 2, (v > 1) & (v < 3), (v < 2) | (v > 2), ~(v == 2),
        (v > 1) ^ (v > 2), ~v,     2 < v};
  };
  const std::vector<std::vector<double>> want{{1, 0, 0}, {1, 1, 0}, {0, 0, 1},    {0, 1, 1},
                                              {0, 1, 0}, {1, 0, 1}, {0, 1, 0},    {1, 0, 1},
                                              {1, 0, 1}, {0, 1, 0}, {-2, -3, -4}, {0, 0, 1}};
  const auto got = traced(all, {x});
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(values(got[i]), want[i]) << i;
    EXPECT_EQ(got[i].dtype(), i == 10 ? DType::i32 : DType::boolean) << i;
  }
}

TEST(Tensor, KnowsItsType) {
  trace(
      [](Tensor x) {
        EXPECT_EQ(x.dtype(), DType::f16);
        EXPECT_EQ(x.rank(), 2);
        EXPECT_EQ(x.shape(), (std::vector<std::int64_t>{3, 4}));
        return x;
      },
      {{DType::f16, {3, 4}}});
  EXPECT_THAT(complaint([] {
                trace([](Tensor x) { return reshape(x, x.shape()); }, {{DType::f32, {"n"}}});
              }),
              HasSubstr("symbolic"));
}

TEST(Tensor, ConstantsOfTheTrace) {
  auto fn = [](Tensor x) { return x + x.constant(tensor(DType::f32, {2}, {10, 20})); };
  EXPECT_THAT(values(traced(fn, {counting({2})})[0]), ElementsAre(10, 21));
}

/// A network of many functions runs; each function's own values are tested with the operators.
TEST(Tensor, FunctionsCompose) {
  auto network = [](Tensor image, Tensor kernel, Tensor scale) {
    Tensor x = conv(image, kernel, {}, {.pads = {1, 1, 1, 1}});
    x = silu(group_norm(x, scale, scale * 0, 2)) + leaky_relu(instance_norm(x, scale, scale));
    x = batch_norm(x, scale, scale, scale, abs(scale) + 1);
    x = max_pool(x, {.kernel = {2, 2}, .strides = {2, 2}});
    x = resize(x, {.sizes = {1, 2, 4, 4}}) +
        average_pool(pad(x, {0, 0, 1, 1, 0, 0, 1, 1}), {.kernel = {1, 1}});
    Tensor rows = transpose(reshape(x, {2, 16}), {1, 0});
    rows = layer_norm(gelu(gemm(rows, swap_axes(rows, 0, 1))), {}, {});
    const auto halves = split_evenly(rows, 1, 2);
    Tensor joined = concat({halves[1], halves[0]}, -1) + where(rows > 0, rows, exp(rows));
    Tensor heads = reshape(joined, {1, 2, 8, 16});
    heads = attention(heads, heads, heads, {}, {.causal = true});
    const auto [best, at] = top_k(flatten(heads), 3);
    return std::tuple{softmax(sum(heads, {0, 1})),
                      best,
                      cast(at, DType::f32) + gather(best, arg_max(best, 1), 1),
                      einsum("abcd->dc", {heads}),
                      rms_norm(squeeze(heads)),
                      cumulative_sum(mean(heads, {-1}), 2)};
  };
  const auto results =
      traced(network, {counting({1, 1, 4, 4}), counting({2, 1, 3, 3}), tensor(DType::f32, {2}, {1, 2})});
  ASSERT_EQ(results.size(), 6u);
  EXPECT_EQ(results[0].shape(), (std::vector<std::int64_t>{8, 16}));
  EXPECT_EQ(results[3].shape(), (std::vector<std::int64_t>{16, 8}));
  double total = 0;
  for (std::int64_t i = 0; i < 16; ++i) total += results[0].at(i);
  EXPECT_NEAR(total, 1, 1e-5);
}

}  // namespace
}  // namespace tunesmith::tracer
