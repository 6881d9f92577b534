#include "tests/tracer/reference_run.h"
#include "tracer/composites.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

TEST(Reshape, KeepsElementsAndFillsTheOpenExtent) {
  auto to = [](Ints shape) { return [=](Graph& g, const auto& x) { return ops::reshape(g, x[0], shape); }; };
  EXPECT_THAT(eval({counting({2, 3})}, to({3, 2})), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(run({counting({2, 3, 4})}, to({4, -1})).shape(), (Ints{4, 6}));
  EXPECT_EQ(run({counting({0, 3})}, to({3, 0})).shape(), (Ints{3, 0}));
  EXPECT_EQ(type_of({{DType::f32, {-1, 3, 4}}}, to({-1, 12})), "f32[a, 12]");
  EXPECT_EQ(type_of({{DType::f32, {-1, 4}}}, to({2, 2, -1})), "f32[2, 2, a]");
  EXPECT_EQ(type_of({{DType::f32, {-1, 4}}}, to({2, -1})), "f32[2, a * 2]");
  EXPECT_THAT(refusal({{DType::f32, {2, 3}}}, to({4, 2})),
              HasSubstr("reshape: [2, 3] cannot be reshaped to [4, 2]"));
  EXPECT_THAT(refusal({{DType::f32, {2, 3}}}, to({4, -1})), HasSubstr("[4, -1]"));
  EXPECT_THAT(refusal({{DType::f32, {2, 3}}}, to({-1, -1})), HasSubstr("cannot be reshaped"));
  EXPECT_THAT(refusal({{DType::f32, {-1, 3}}}, to({3, 2})), HasSubstr("f32[a, 3]"));
}

TEST(Transpose, MovesAxes) {
  auto by = [](Ints perm) { return [=](Graph& g, const auto& x) { return ops::transpose(g, x[0], perm); }; };
  EXPECT_THAT(eval({counting({2, 3})}, by({1, 0})), ElementsAre(0, 3, 1, 4, 2, 5));
  const auto moved = run({counting({2, 3, 4})}, by({2, 0, 1}));
  EXPECT_EQ(moved.shape(), (Ints{4, 2, 3}));
  EXPECT_EQ(moved.at(1 * 6 + 1 * 3 + 2), 1 * 12 + 2 * 4 + 1);
  EXPECT_EQ(type_of({{DType::i8, {-1, 3, -2}}}, by({2, 1, 0})), "i8[b, 3, a]");
  EXPECT_THAT(refusal({{DType::f32, {2, 3}}}, by({0, 0})),
              HasSubstr("transpose: 'perm' is not a permutation"));
  EXPECT_THAT(refusal({{DType::f32, {2, 3}}}, by({0})), HasSubstr("'perm' has 1 entries for 2 dimensions"));
  // What moves nothing is no operator.
  Graph g;
  const ValueId x = g.add_input("x", {DType::f32, {2, 3}});
  EXPECT_EQ(ops::transpose(g, x, {0, 1}), x);
  EXPECT_EQ(ops::reshape(g, x, {2, -1}), x);
  EXPECT_EQ(ops::slice_axis(g, x, 1, 0, 9), x);
  EXPECT_EQ(ops::concat(g, {x}, 0), x);
}

TEST(Expand, RepeatsAlongAxesOfOne) {
  auto to = [](Ints shape) { return [=](Graph& g, const auto& x) { return ops::expand(g, x[0], shape); }; };
  EXPECT_THAT(eval({counting({2, 1})}, to({2, 2, 3})), ElementsAre(0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1));
  EXPECT_EQ(type_of({{DType::f32, {-1, 1}}}, to({5, -1, 4})), "f32[5, a, 4]");
  EXPECT_THAT(refusal({{DType::f32, {3}}}, to({4})), HasSubstr("expand:"));
  EXPECT_THAT(refusal({{DType::f32, {3}}}, to({1})), HasSubstr("cannot be expanded to [1]"));
  EXPECT_THAT(refusal({{DType::f32, {3}}}, to({-1, 3})), HasSubstr("stands for no axis"));
}

TEST(Concat, JoinsAlongAnAxis) {
  auto along = [](std::int64_t axis) {
    return [=](Graph& g, const auto& x) { return ops::concat(g, x, axis); };
  };
  EXPECT_THAT(eval({counting({2, 1}), counting({2, 2})}, along(-1)), ElementsAre(0, 0, 1, 1, 2, 3));
  EXPECT_THAT(eval({counting({1, 2}), counting({0, 2}), counting({1, 2})}, along(0)),
              ElementsAre(0, 1, 0, 1));
  EXPECT_EQ(type_of({{DType::f32, {-1, 2}}, {DType::f32, {-2, 2}}}, along(0)), "f32[a + b, 2]");
  EXPECT_THAT(refusal({{DType::f32, {2, 2}}, {DType::f32, {3, 3}}}, along(0)),
              HasSubstr("concat: f32 [3, 3]"));
  EXPECT_THAT(refusal({{DType::f32, {2}}, {DType::i32, {2}}}, along(0)), HasSubstr("i32 [2]"));
  EXPECT_THAT(refusal({{DType::f32, {2}}, {DType::f32, {2}}}, along(1)), HasSubstr("axis 1 is out of range"));
}

TEST(Slice, StepsBothWays) {
  auto cut = [](Ints starts, Ints sizes, Ints steps) {
    return [=](Graph& g, const auto& x) { return ops::slice(g, x[0], starts, sizes, steps); };
  };
  EXPECT_THAT(eval({counting({7})}, cut({1}, {3}, {2})), ElementsAre(1, 3, 5));
  EXPECT_THAT(eval({counting({5})}, cut({4}, {5}, {-1})), ElementsAre(4, 3, 2, 1, 0));
  EXPECT_THAT(eval({counting({2, 3})}, cut({0, 2}, {2, 2}, {1, -2})), ElementsAre(2, 0, 5, 3));
  EXPECT_EQ(run({counting({3})}, cut({0}, {0}, {1})).size(), 0);
  EXPECT_EQ(type_of({{DType::f32, {-1, 8}}}, cut({0, 2}, {-1, 3}, {1, 1})), "f32[a, 3]");
  EXPECT_THAT(refusal({{DType::f32, {3}}}, cut({1}, {3}, {1})),
              HasSubstr("slice: elements 1 to 3 of axis 0"));
  EXPECT_THAT(refusal({{DType::f32, {3}}}, cut({1}, {2}, {0})), HasSubstr("axis 0"));
  EXPECT_THAT(refusal({{DType::f32, {-1}}}, cut({1}, {2}, {1})), HasSubstr("symbolic"));
  EXPECT_THAT(refusal({{DType::f32, {3}}}, cut({1, 0}, {2, 1}, {1, 1})), HasSubstr("'starts' has 2 entries"));
}

TEST(Movement, NumbersOutOfAllRangeAreRefused) {
  const std::int64_t huge = std::int64_t{1} << 62, lowest = -huge - huge;
  const testing::InputType x{DType::f32, {4, 4}};
  using Inputs = std::vector<ValueId>;
  EXPECT_THAT(refusal({x},
                      [=](Graph& g, const Inputs& v) {
                        return ops::tile(g, v[0], {huge, 1});
                      }),
              HasSubstr("tile"));
  EXPECT_THAT(refusal({x},
                      [=](Graph& g, const Inputs& v) {
                        return ops::reshape(g, v[0], {huge, huge});
                      }),
              HasSubstr("reshape"));
  EXPECT_THAT(refusal({x},
                      [=](Graph& g, const Inputs& v) {
                        return ops::pad(g, v[0], {huge, 0, huge, 0});
                      }),
              HasSubstr("pad"));
  EXPECT_THAT(refusal({x},
                      [=](Graph& g, const Inputs& v) {
                        return ops::slice(g, v[0], {huge, 0}, {2, 4}, {1, 1});
                      }),
              HasSubstr("slice"));
  EXPECT_THAT(refusal({x},
                      [=](Graph& g, const Inputs& v) {
                        return ops::slice(g, v[0], {0, 0}, {2, 4}, {lowest, 1});
                      }),
              HasSubstr("slice"));
  EXPECT_THAT(refusal({x},
                      [=](Graph& g, const Inputs& v) {
                        return ops::expand(g, v[0], {huge, 4, 4});
                      }),
              HasSubstr("no tensor that can be held"));
  EXPECT_THAT(refusal({}, [=](Graph& g, const Inputs&) { return ops::iota(g, DType::i8, {-2}, 0); }),
              HasSubstr("i8[-2] is no tensor"));
  EXPECT_THAT(refusal({x}, [=](Graph& g, const Inputs& v) { return ops::softmax(g, v[0], lowest); }),
              HasSubstr("axis"));
}

TEST(Pad, Modes) {
  auto pad = [](Ints pads, std::string mode, double value = 0) {
    return [=](Graph& g, const auto& x) { return ops::pad(g, x[0], pads, mode, value); };
  };
  EXPECT_THAT(eval({counting({3})}, pad({2, 1}, "constant", 9)), ElementsAre(9, 9, 0, 1, 2, 9));
  EXPECT_THAT(eval({counting({3})}, pad({2, 2}, "reflect")), ElementsAre(2, 1, 0, 1, 2, 1, 0));
  EXPECT_THAT(eval({counting({3})}, pad({2, 1}, "edge")), ElementsAre(0, 0, 0, 1, 2, 2));
  EXPECT_THAT(eval({counting({3})}, pad({2, 1}, "wrap")), ElementsAre(1, 2, 0, 1, 2, 0));
  EXPECT_THAT(eval({counting({5})}, pad({-1, -2}, "constant")), ElementsAre(1, 2));
  EXPECT_THAT(eval({counting({1, 2})}, pad({0, 1, 1, -1}, "constant", 7)), ElementsAre(7, 0, 7, 7));
  EXPECT_EQ(type_of({{DType::f32, {-1}}}, pad({2, 1}, "constant")), "f32[a + 3]");
  EXPECT_THAT(refusal({{DType::f32, {3}}}, pad({1, 1}, "mirror")),
              HasSubstr("pad: unknown padding mode 'mirror'; accepted: constant, reflect, edge, wrap"));
  EXPECT_THAT(refusal({{DType::f32, {3}}}, pad({-2, -2}, "constant")),
              HasSubstr("cropped by more than it has"));
  EXPECT_THAT(refusal({{DType::f32, {0}}}, pad({1, 0}, "edge")), HasSubstr("no element to repeat"));
}

TEST(Tile, Repeats) {
  auto tile = [](Ints repeats) {
    return [=](Graph& g, const auto& x) { return ops::tile(g, x[0], repeats); };
  };
  EXPECT_THAT(eval({counting({1, 2})}, tile({2, 2})), ElementsAre(0, 1, 0, 1, 0, 1, 0, 1));
  EXPECT_EQ(type_of({{DType::f32, {-1}}}, tile({3})), "f32[a * 3]");
  EXPECT_THAT(refusal({{DType::f32, {2}}}, tile({-1})),
              HasSubstr("tile: 'repeats' has the negative entry -1"));
}

TEST(Gather, TakesPlacesAlongAnAxis) {
  auto along = [](std::int64_t axis) {
    return [=](Graph& g, const auto& x) { return ops::gather(g, x[0], x[1], axis); };
  };
  EXPECT_THAT(eval({counting({3, 2}), tensor(DType::i64, {2}, {2, -3})}, along(0)), ElementsAre(4, 5, 0, 1));
  const auto wide = run({counting({2, 3}), tensor(DType::i32, {2, 2}, {0, 2, 1, -1})}, along(1));
  EXPECT_EQ(wide.shape(), (Ints{2, 2, 2}));
  EXPECT_THAT(values(wide), ElementsAre(0, 2, 1, 2, 3, 5, 4, 5));
  EXPECT_THAT(eval({counting({3, 2}), tensor(DType::i64, {}, {1})}, along(0)), ElementsAre(2, 3));
  EXPECT_EQ(type_of({{DType::f32, {5, -1}}, {DType::i64, {-2, 3}}}, along(0)), "f32[b, 3, a]");
  EXPECT_THAT(refusal({{DType::f32, {3}}, {DType::f32, {1}}}, along(0)),
              HasSubstr("gather: indices must be i32 or i64"));
  EXPECT_THAT(refusal({{DType::f32, {3}}, {DType::i64, {1}}}, along(1)), HasSubstr("axis 1"));
}

TEST(GatherElements, TakesOnePlaceAnElement) {
  auto along = [](std::int64_t axis) {
    return [=](Graph& g, const auto& x) { return ops::gather_elements(g, x[0], x[1], axis); };
  };
  EXPECT_THAT(eval({counting({3, 3}), tensor(DType::i64, {2, 3}, {1, 2, 0, 2, 0, 0})}, along(0)),
              ElementsAre(3, 7, 2, 6, 1, 2));
  EXPECT_THAT(eval({counting({2, 2}), tensor(DType::i64, {2, 3}, {0, -1, 0, 1, 1, 0})}, along(1)),
              ElementsAre(0, 1, 0, 3, 3, 2));
  EXPECT_THAT(refusal({{DType::f32, {2, 2}}, {DType::i64, {3, 2}}}, along(1)),
              HasSubstr("gather_elements: indices [3, 2] do not fit to the data [2, 2]"));
  EXPECT_THAT(refusal({{DType::f32, {2, 2}}, {DType::i64, {2}}}, along(0)), HasSubstr("[2]"));
}

TEST(GatherNd, TakesSlices) {
  auto nd = [](std::int64_t batch) {
    return [=](Graph& g, const auto& x) { return ops::gather_nd(g, x[0], x[1], batch); };
  };
  EXPECT_THAT(eval({counting({2, 2}), tensor(DType::i64, {2, 2}, {0, 0, 1, -1})}, nd(0)), ElementsAre(0, 3));
  EXPECT_THAT(eval({counting({2, 2}), tensor(DType::i64, {2, 1}, {1, 0})}, nd(0)), ElementsAre(2, 3, 0, 1));
  EXPECT_THAT(eval({counting({2, 2, 2}), tensor(DType::i64, {2, 1}, {1, 0})}, nd(1)),
              ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(refusal({{DType::f32, {2}}, {DType::i64, {1, 2}}}, nd(0)),
              HasSubstr("gather_nd: indices of depth 2"));
  EXPECT_THAT(refusal({{DType::f32, {2, 2}}, {DType::i64, {3, 1}}}, nd(1)), HasSubstr("batch axis 0"));
}

TEST(Iota, CountsAlongAnAxis) {
  auto iota = [](DType dtype, Ints shape, std::int64_t axis) {
    return [=](Graph& g, const auto&) { return ops::iota(g, dtype, shape, axis); };
  };
  EXPECT_THAT(eval({}, iota(DType::i64, {2, 3}, 1)), ElementsAre(0, 1, 2, 0, 1, 2));
  EXPECT_THAT(eval({}, iota(DType::f16, {2, 2}, 0)), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(refusal({}, iota(DType::i64, {2}, 1)), HasSubstr("iota: axis 1 is out of range"));
}

TEST(Resize, KnownRows) {
  auto to = [](std::int64_t size, std::string mode, std::string coordinates,
               std::string nearest = "round_prefer_floor") {
    return [=](Graph& g, const auto& x) {
      return ops::resize(
          g, x[0], {.sizes = {1, 1, size}, .mode = mode, .coordinates = coordinates, .nearest = nearest});
    };
  };
  const auto row = tensor(DType::f32, {1, 1, 3}, {1, 2, 4});
  EXPECT_THAT(eval({row}, to(6, "nearest", "half_pixel")), ElementsAre(1, 1, 2, 2, 4, 4));
  EXPECT_THAT(eval({row}, to(6, "nearest", "asymmetric", "floor")), ElementsAre(1, 1, 2, 2, 4, 4));
  EXPECT_THAT(eval({row}, to(6, "nearest", "asymmetric", "ceil")), ElementsAre(1, 2, 2, 4, 4, 4));
  EXPECT_THAT(eval({row}, to(6, "linear", "half_pixel")), ElementsAre(1, 1.25, 1.75, 2.5, 3.5, 4));
  EXPECT_THAT(eval({row}, to(5, "linear", "align_corners")), ElementsAre(1, 1.5, 2, 3, 4));
  EXPECT_THAT(eval({row}, to(1, "linear", "pytorch_half_pixel")), ElementsAre(1));
  EXPECT_THAT(eval({row}, to(3, "cubic", "half_pixel")), ElementsAre(1, 2, 4));
  EXPECT_THAT(refusal({{DType::f32, {1, 1, 3}}}, to(6, "area", "half_pixel")),
              HasSubstr("resize: unknown mode 'area'; accepted: nearest, linear, cubic"));
  EXPECT_THAT(refusal({{DType::f32, {1, 1, 3}}}, to(6, "linear", "middle")),
              HasSubstr("coordinate rule 'middle'"));
  EXPECT_THAT(refusal({{DType::f32, {1, 3}}}, to(6, "linear", "half_pixel")),
              HasSubstr("3 sizes for the 2 axes"));
}

TEST(Resize, CropsWithExtrapolation) {
  const auto crop = [](Graph& g, const auto& x) {
    return ops::resize(g, x[0],
                       {.sizes = {4},
                        .mode = "linear",
                        .coordinates = "tf_crop_and_resize",
                        .extrapolation = 9,
                        .roi = {0.5, 1.25}});
  };
  EXPECT_THAT(eval({tensor(DType::f32, {5}, {0, 10, 20, 30, 40})}, crop), ElementsAre(20, 30, 40, 9));
}

TEST(ScatterElements, WritesAndJoins) {
  auto scatter = [](std::string reduction) {
    return [=](Graph& g, const auto& x) { return ops::scatter_elements(g, x[0], x[1], x[2], 0, reduction); };
  };
  const auto data = tensor(DType::f32, {4}, {1, 2, 3, 4}), updates = tensor(DType::f32, {3}, {10, 20, -5});
  const auto at = tensor(DType::i64, {3}, {1, 1, -1});
  EXPECT_THAT(eval({data, at, updates}, scatter("none")), ElementsAre(1, 20, 3, -5));
  EXPECT_THAT(eval({data, at, updates}, scatter("add")), ElementsAre(1, 32, 3, -1));
  EXPECT_THAT(eval({data, at, updates}, scatter("mul")), ElementsAre(1, 400, 3, -20));
  EXPECT_THAT(eval({data, at, updates}, scatter("min")), ElementsAre(1, 2, 3, -5));
  EXPECT_THAT(eval({data, at, updates}, scatter("max")), ElementsAre(1, 20, 3, 4));
  const auto type = [](Ints shape) { return testing::InputType{DType::f32, shape}; };
  EXPECT_THAT(refusal({type({4}), {DType::i64, {3}}, type({3})}, scatter("mean")),
              HasSubstr("scatter_elements: unknown reduction 'mean'"));
  EXPECT_THAT(refusal({type({4}), {DType::i64, {3}}, type({2})}, scatter("none")), HasSubstr("updates [2]"));
  EXPECT_THAT(refusal({type({4}), {DType::i64, {3}}, {DType::f16, {3}}}, scatter("none")),
              HasSubstr("updates are f16, the data f32"));
}

TEST(ScatterNd, WritesSlices) {
  auto scatter = [](std::string reduction) {
    return [=](Graph& g, const auto& x) { return ops::scatter_nd(g, x[0], x[1], x[2], reduction); };
  };
  EXPECT_THAT(
      eval({counting({3, 2}), tensor(DType::i64, {2, 1}, {2, 0}), tensor(DType::f32, {2, 2}, {9, 8, 7, 6})},
           scatter("none")),
      ElementsAre(7, 6, 2, 3, 9, 8));
  EXPECT_THAT(eval({counting({2, 2}, DType::i32), tensor(DType::i64, {2, 2}, {1, 1, 1, 1}),
                    tensor(DType::i32, {2}, {5, 6})},
                   scatter("add")),
              ElementsAre(0, 1, 2, 14));
  EXPECT_THAT(refusal({{DType::f32, {3, 2}}, {DType::i64, {2, 1}}, {DType::f32, {2}}}, scatter("none")),
              HasSubstr("scatter_nd: updates [2]"));
  EXPECT_THAT(refusal({{DType::f32, {3}}, {DType::i64, {2, 2}}, {DType::f32, {2}}}, scatter("none")),
              HasSubstr("depth 2"));
}

TEST(TopK, OrdersStably) {
  auto best = [](std::int64_t k, bool largest) {
    return [=](Graph& g, const auto& x) {
      const auto [v, i] = ops::top_k(g, x[0], k, 0, largest);
      return std::vector{v, i};
    };
  };
  const auto x = tensor(DType::i32, {5}, {3, 7, 7, 1, 5});
  const auto top = run_all({x}, best(3, true)), low = run_all({x}, best(2, false));
  EXPECT_THAT(values(top[0]), ElementsAre(7, 7, 5));
  EXPECT_THAT(values(top[1]), ElementsAre(1, 2, 4));
  EXPECT_THAT(values(low[0]), ElementsAre(1, 3));
  EXPECT_THAT(values(low[1]), ElementsAre(3, 0));
  EXPECT_THAT(
      refusal({{DType::f32, {3}}}, [](Graph& g, const auto& v) { return ops::top_k(g, v[0], 4).first; }),
      HasSubstr("top_k: k=4 is out of range"));
}

}  // namespace
}  // namespace tunesmith::tracer
