// Winograd convolutions: the two transforms by themselves, what they compute together, when the pass chooses
// them, and how far they round from the direct sum.
#include <cmath>

#include "ir/support/error.h"
#include "tests/tracer/random_values.h"
#include "tests/tracer/reference_run.h"
#include "tracer/op_table.h"
#include "tracer/ops/build.h"
#include "tracer/ops/winograd.h"
#include "tracer/passes/choose_winograd.h"
#include "tracer/program.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

Build input_transform(std::int64_t tile, Ints pads) {
  return [=](Graph& g, const auto& x) {
    return g.add(OpKind::winograd_input, {x[0]}, {{"tile", tile}, {"pads", pads}});
  };
}
Build output_transform(std::int64_t tile) {
  return [=](Graph& g, const auto& x) { return g.add(OpKind::winograd_output, {x[0]}, {{"tile", tile}}); };
}

struct Layer {
  std::int64_t n = 1, c = 64, h = 8, w = 8, k = 64;
  Ints pads{1, 1, 1, 1};
  std::int64_t kernel = 3, stride = 1, dilation = 1, groups = 1;
  bool bias = true;
  bool constant_weights = true;
  DType dtype = DType::f32;
};

/// Elements with full mantissas, so that sums round (those of random_tensor are multiples of 1/128).
HostTensor ragged_tensor(Rng& rng, Ints shape) {
  HostTensor tensor(DType::f32, std::move(shape));
  for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, 2 * rng.unit() - 1);
  return tensor;
}

Graph network(const Layer& l, Rng& rng) {
  Graph g;
  const ValueId x = g.add_input("x", {l.dtype, to_shape({l.n, l.c, l.h, l.w})});
  const Ints shape{l.k, l.c / l.groups, l.kernel, l.kernel};
  const ValueId w = l.constant_weights
                        ? g.add_constant(l.dtype == DType::f32 ? ragged_tensor(rng, shape)
                                                               : random_tensor(rng, l.dtype, shape, -1, 1),
                                         "w")
                        : g.add_input("w", {l.dtype, to_shape(shape)});
  std::optional<ValueId> bias;
  if (l.bias) bias = g.add_constant(random_tensor(rng, l.dtype, {l.k}, -1, 1), "bias");
  ops::ConvOptions options;
  options.pads = l.pads;
  options.strides = {l.stride, l.stride};
  options.dilations = {l.dilation, l.dilation};
  options.groups = l.groups;
  g.add_output("y", ops::conv(g, x, w, bias, options));
  return g;
}

std::size_t transforms_in(const Graph& g) {
  return static_cast<std::size_t>(std::ranges::count(g.ops(), OpKind::winograd_input, &Op::kind));
}
std::int64_t tile_in(const Graph& g) {
  const auto found = std::ranges::find(g.ops(), OpKind::winograd_input, &Op::kind);
  return found == g.ops().end() ? 0 : found->attributes.get_int("tile");
}

TEST(Winograd, TransformsAroundAProductAreTheConvolution) {
  Rng rng(5);
  for (std::int64_t tile : {2, 4}) {
    Layer layer{
        .n = 2, .c = 3, .h = 2 * tile + 1, .w = tile + 1, .k = 5, .pads = {1, 0, 0, 1}, .bias = false};
    layer.dtype = DType::f64;
    const Graph g = network(layer, rng);
    const HostTensor x = random_tensor(rng, DType::f64, {layer.n, layer.c, layer.h, layer.w}, -1, 1);
    const HostTensor want = evaluate_reference(g, std::vector{x}).at(0);
    const HostTensor& w = std::ranges::find(g.ops(), OpKind::constant, &Op::kind)->data;
    const std::int64_t t = tile + 2, tiles = want.shape()[2] / tile * (want.shape()[3] / tile) * layer.n;

    const HostTensor v = run({x}, input_transform(tile, layer.pads));
    const HostTensor u = winograd_weights(w, tile);
    EXPECT_EQ(u.shape(), (Ints{t * t, layer.c, layer.k}));
    const HostTensor products =
        run({v.reshaped({t * t, tiles, layer.c}), u},
            [](Graph& graph, const auto& in) { return ops::matmul(graph, in[0], in[1]); });
    const HostTensor got =
        run({products.reshaped({t, t, layer.n, want.shape()[2] / tile, want.shape()[3] / tile, layer.k})},
            output_transform(tile));
    EXPECT_EQ(difference(got, want, 1e-12), "") << "tile " << tile;
  }
}

TEST(Winograd, ShapesAndRefusals) {
  EXPECT_EQ(type_of({{DType::f32, {-1, 3, 8, 4}}}, input_transform(4, {1, 1, 1, 1})),
            "f32[6, 6, a, 2, 1, 3]");
  EXPECT_EQ(type_of({{DType::f64, {4, 4, -1, 2, 1, -2}}}, output_transform(2)), "f64[a, b, 4, 2]");
  EXPECT_THAT(refusal({{DType::f32, {1, 3, 8, 8}}}, input_transform(3, {1, 1, 1, 1})), HasSubstr("tile=3"));
  EXPECT_THAT(refusal({{DType::f16, {1, 3, 8, 8}}}, input_transform(2, {1, 1, 1, 1})), HasSubstr("not f16"));
  EXPECT_THAT(refusal({{DType::f32, {3, 8, 8}}}, input_transform(2, {1, 1, 1, 1})),
              HasSubstr("4 dimensions"));
  EXPECT_THAT(refusal({{DType::f32, {1, 3, 8, 7}}}, input_transform(4, {1, 1, 1, 1})),
              HasSubstr("axis 3 has 7 places"));
  EXPECT_THAT(refusal({{DType::f32, {1, 3, 1, 4}}}, input_transform(2, {0, 0, 0, 0})),
              HasSubstr("axis 2 has -1 places"));
  EXPECT_THAT(refusal({{DType::f32, {1, 3, 8, 8}}}, input_transform(2, {1, 1})), HasSubstr("'pads'"));
  EXPECT_THAT(refusal({{DType::f32, {1, 3, 8, 8}}}, input_transform(2, {-1, 1, 1, 1})), HasSubstr("'pads'"));
  EXPECT_THAT(refusal({{DType::f32, {4, 4, 1, 2, 2, 3}}}, output_transform(4)), HasSubstr("extent 6"));
  EXPECT_THAT(refusal({{DType::f32, {4, 4, 1, 2, 3}}}, output_transform(2)), HasSubstr("6 dimensions"));
}

TEST(ChooseWinograd, WhereItSavesMoreThanItMoves) {
  Rng rng(1);
  auto tile = [&](const Layer& layer) { return tile_in(choose_winograd(network(layer, rng))); };
  EXPECT_EQ(tile({.h = 56, .w = 56}), 4);
  EXPECT_EQ(tile({.n = 4, .h = 12, .w = 17, .pads = {1, 0, 1, 1}}), 4);
  EXPECT_EQ(tile({.c = 256, .h = 14, .w = 14, .k = 256}), 2) << "tiles of 4 do not cover 14";
  EXPECT_EQ(tile({.c = 256, .h = 7, .w = 7, .k = 256}), 0) << "no tile covers 7";
  EXPECT_EQ(tile({.c = 3, .h = 224, .w = 224}), 0) << "the transforms would cost more than they save";
  EXPECT_EQ(tile({.h = 56, .w = 56, .stride = 2}), 0);
  EXPECT_EQ(tile({.h = 58, .w = 58, .dilation = 2}), 0);
  EXPECT_EQ(tile({.h = 56, .w = 56, .groups = 2}), 0);
  EXPECT_EQ(tile({.h = 57, .w = 57, .pads = {-1, -1, 1, 1}}), 0);
  EXPECT_EQ(tile({.h = 56, .w = 56, .pads = {2, 2, 2, 2}, .kernel = 5}), 0);
  EXPECT_EQ(tile({.h = 56, .w = 56, .constant_weights = false}), 0);
  EXPECT_EQ(tile({.h = 56, .w = 56, .dtype = DType::f16}), 0);
}

TEST(ChooseWinograd, FastNumericsOnly) {
  Rng rng(2);
  const Graph g = network({.h = 16, .w = 16}, rng);
  EXPECT_EQ(transforms_in(make_program(g).graph), 0u);
  const Program fast = make_program(g, {.numerics = ir::Numerics::fast});
  EXPECT_EQ(transforms_in(fast.graph), 1u);
  EXPECT_EQ(fast.steps.size(), 3u) << print(fast);
  EXPECT_EQ(fast.steps.back().name, "winograd_output+add") << "the bias joins the last transform";
}

/// Largest error against the exact result, in units of the result's root mean square.
double error_of(const HostTensor& got, const HostTensor& want) {
  double largest = 0, squares = 0;
  for (std::int64_t i = 0; i < want.size(); ++i) {
    largest = std::max(largest, std::abs(got.at(i) - want.at(i)));
    squares += want.at(i) * want.at(i);
  }
  return largest / std::sqrt(squares / static_cast<double>(want.size()));
}

TEST(Winograd, RoundsLittleMoreThanTheDirectSum) {
  const std::uint64_t seed = first_seed(11);
  for (std::int64_t tile : {2, 4}) {
    Rng rng(seed);
    const Layer layer{.c = 64, .h = 2 * tile, .w = 4 * tile, .k = 32, .bias = false};
    const Graph direct = network(layer, rng);
    const HostTensor x = ragged_tensor(rng, {1, layer.c, layer.h, layer.w});
    const HostTensor& w = std::ranges::find(direct.ops(), OpKind::constant, &Op::kind)->data;
    Graph fast;
    const std::int64_t t = tile + 2;
    const ValueId in = fast.add_input("x", {DType::f32, to_shape(x.shape())});
    const ValueId v = fast.add(OpKind::winograd_input, {in}, {{"tile", tile}, {"pads", layer.pads}});
    const ValueId products = ops::matmul(fast, ops::reshape(fast, v, {t * t, 8, layer.c}),
                                         fast.add_constant(winograd_weights(w, tile)));
    fast.add_output(
        "y", fast.add(OpKind::winograd_output, {ops::reshape(fast, products, {t, t, 1, 2, 4, layer.k})},
                      {{"tile", tile}}));

    const HostTensor want = evaluate_reference(direct, std::vector{x}).at(0);
    auto error = [&](const Graph& g) {
      return error_of(interpret_program(make_program(g), std::vector{x}).at(0), want);
    };
    EXPECT_LE(error(fast), 4 * error(direct)) << "tile " << tile << ", seed " << seed;
  }
}

}  // namespace
}  // namespace tunesmith::tracer
