// The schedules that fast programs are made of, on sizes that nothing divides.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "tests/schedules/schedule_testing.h"
#include "tests/schedules/space_kernels.h"

namespace tunesmith::schedules::testing {
namespace {

struct Blocks {
  int mc = 16, nc = 32, kc = 16, mr = 6, nr = 16, ku = 4;
};

/// Packed, register-tiled product; `packs`: numbers of the stages that copy B and A.
std::string gemm(const Blocks& b, int pack_b, int pack_a) {
  std::string text = fmt::format(
      "split(s0.a0, {}, peel); split(s0.a0.1, {}, peel); split(s0.a1, {}, peel); split(s0.a1.1, {}, peel); "
      "split(s0.a2, {}, peel); split(s0.a2.1, {}, peel); "
      "reorder(s0.a1.0, s0.a2.0, s0.a0.0, s0.a0.1.0, s0.a1.1.0, s0.a2.1.0, s0.a2.1.1, s0.a0.1.1, s0.a1.1.1); "
      "parallel(s0.a0.0); unroll(s0.a2.1.1); unroll(s0.a0.1.1); vectorize(s0.a1.1.1); ",
      b.mc, b.mr, b.nc, b.nr, b.kc, b.ku);
  text += fmt::format(
      "stage(b1, s0, s0.a2.0, local, (1,0,1:{0})); stage(b0, s0, s0.a0.0, local, (0,1,0:{1})); "
      "split(s{2}.a1, {0}, peel); reorder(s{2}.a1.0, s{2}.a0, s{2}.a1.1); vectorize(s{2}.a1.1); "
      "split(s{3}.a0, {1}, peel); reorder(s{3}.a0.0, s{3}.a1, s{3}.a0.1); unroll(s{3}.a0.1); ",
      b.nr, b.mr, pack_b, pack_a);
  return text + "accumulate(s0, s0.a1.1.0, registers)";
}

constexpr std::array<std::int64_t, 3> sizes[] = {{33, 65, 129}, {1, 1, 1},   {6, 16, 16}, {5, 3, 15},
                                                 {16, 32, 32},  {17, 7, 33}, {1, 40, 47}};

TEST(CanonicalGemm, PackedAndTiled) {
  for (const auto& [m, k, n] : sizes) expect_same_meaning(ir::testing::matmul(m, k, n), gemm({}, 1, 2));
}

TEST(CanonicalGemm, WithAnEpilogueOnTheTile) {
  for (const auto& [m, k, n] : sizes)
    expect_same_meaning(matmul_relu(m, k, n), gemm({}, 2, 3) +
                                                  "; reverse_compute_at(s1, s0.a1.1.0); unroll(s1.a0); "
                                                  "vectorize(s1.a1)");
}

TEST(CanonicalGemm, WholeReductionInTheTileNeedsNoMemoryForTheProduct) {
  Blocks b;
  b.kc = 1000;
  const std::string text =
      gemm(b, 2, 3) + "; reverse_compute_at(s1, s0.a1.1.0); unroll(s1.a0); vectorize(s1.a1)";
  for (const auto& [m, k, n] : sizes) expect_same_meaning(matmul_relu(m, k, n), text);
  const auto nest = schedules::apply(matmul_relu(33, 65, 129), parsed(text));
  ASSERT_TRUE(nest.has_value());
  EXPECT_TRUE(nest->workspace.empty());
}

TEST(CanonicalGemm, RowsAndColumnsInOneParallelLoop) {
  const std::string text =
      "split(s0.a0, 6, peel); split(s0.a1, 16, peel); reorder(s0.a0.0, s0.a1.0, s0.a2, s0.a0.1, s0.a1.1); "
      "fuse(s0.a0.0, s0.a1.0); parallel(s0.f0); unroll(s0.a0.1); vectorize(s0.a1.1); "
      "stage(b1, s0, root, global, (1,0,1:16)); accumulate(s0, s0.f0, registers); "
      "reverse_compute_at(s1, s0.f0); unroll(s1.a0); vectorize(s1.a1)";
  for (const auto& [m, k, n] : sizes) {
    expect_same_meaning(matmul_relu(m, k, n), text);
    expect_same_meaning(matmul_relu(m, k, n, Role::constant), text);
  }
}

TEST(CanonicalGemm, RaggedTilesAreLoweredOnceForEachSize) {
  const auto nest =
      schedules::apply(ir::testing::matmul(1000, 1000, 1000), parsed(gemm({96, 512, 256, 12, 32, 4}, 1, 2)));
  ASSERT_TRUE(nest.has_value());
  std::size_t tiles = 0;
  for (const Buffer& buffer : nest->buffers) tiles += buffer.scope == Scope::registers;
  EXPECT_EQ(tiles, 4u);  // whole and ragged in rows and columns, not one for each block
}

test::ConvShape ragged_conv() {
  test::ConvShape shape;
  shape.n = 2, shape.c = 5, shape.h = 9, shape.w = 8, shape.k = 19, shape.r = 3, shape.s = 3;
  shape.pad = 1;
  shape.nhwc = true;
  return shape;
}

TEST(CanonicalConvolution, DirectWithPackedWeights) {
  for (std::int64_t stride : {1, 2}) {
    test::ConvShape shape = ragged_conv();
    shape.stride = stride;
    shape.pad_stage = shape.bias_relu = true;
    // s0 pad, s1 conv (n, h, w, k; c, r, s), s2 bias, s3 relu; s4 is the copy of the weights (r, s, c, k).
    const std::string text =
        "compute_inline(s2); stage(b1, s1, root, global, (3,0,1,2,3:16)); "
        "split(s4.a3, 16, peel); reorder(s4.a3.0, s4.a0, s4.a1, s4.a2, s4.a3.1); vectorize(s4.a3.1); "
        "split(s1.a3, 16, peel); split(s1.a2, 3, peel); "
        "reorder(s1.a0, s1.a1, s1.a3.0, s1.a2.0, s1.a5, s1.a6, s1.a4, s1.a2.1, s1.a3.1); "
        "fuse(s1.a0, s1.a1); parallel(s1.f0); unroll(s1.a2.1); vectorize(s1.a3.1); "
        "compute_at(s0, s1.f0, local); vectorize(s0.a3); accumulate(s1, s1.a2.0, registers); "
        "reverse_compute_at(s3, s1.a2.0); unroll(s3.a2); vectorize(s3.a3)";
    expect_same_meaning(test::conv2d(shape), text);
    const auto nest = schedules::apply(test::conv2d(shape), parsed(text));
    ASSERT_TRUE(nest.has_value());
    EXPECT_TRUE(nest->prepare);
    EXPECT_TRUE(nest->workspace.empty());
    // Three rows of the padded input, not all of it.
    for (const Buffer& buffer : nest->buffers) {
      if (buffer.name != "padded") continue;
      EXPECT_EQ(int_value(buffer.shape[0]), 1);
      EXPECT_EQ(int_value(buffer.shape[1]), 3);
    }
  }
}

TEST(CanonicalConvolution, PaddedInTheBodyOrInlined) {
  test::ConvShape shape = ragged_conv();
  const std::string tiles =
      "split(s0.a3, 16, peel); split(s0.a2, 3, peel); "
      "reorder(s0.a0, s0.a1, s0.a3.0, s0.a2.0, s0.a5, s0.a6, s0.a4, s0.a2.1, s0.a3.1); "
      "parallel(s0.a1); unroll(s0.a2.1); vectorize(s0.a3.1); accumulate(s0, s0.a2.0, registers)";
  expect_same_meaning(test::conv2d(shape), tiles);
  expect_same_meaning(test::conv2d(shape), tiles + "; stage(b0, s0, s0.a1, local, row_major)");
}

TEST(CanonicalConvolution, Depthwise) {
  test::ConvShape shape = ragged_conv();
  shape.c = shape.k = 21;
  // s0 (n, h, w, c; r, s)
  const std::string text =
      "split(s0.a3, 16, peel); split(s0.a2, 4, peel); "
      "reorder(s0.a0, s0.a1, s0.a2.0, s0.a3.0, s0.a4, s0.a5, s0.a2.1, s0.a3.1); parallel(s0.a1); "
      "unroll(s0.a4); unroll(s0.a5); unroll(s0.a2.1); vectorize(s0.a3.1); accumulate(s0, s0.a3.0, registers)";
  expect_same_meaning(test::depthwise(shape), text);
  expect_same_meaning(test::max_pool(shape), text);
}

TEST(CanonicalRows, SoftmaxInOnePassOverEachRow) {
  // s0 max, s1 exp, s2 sum, s3 divide; s4 and s5 are the partial maximum and sum.
  const std::string text =
      "rfactor(s0, a1, 16); rfactor(s2, a1, 16); parallel(s3.a0); split(s3.a1, 16, peel); "
      "vectorize(s3.a1.1); "
      "compute_at(s2, s3.a0, local); vectorize(s2.a1); compute_at(s5, s3.a0, registers); "
      "reorder(s5.a2, s5.a1); vectorize(s5.a1); compute_at(s1, s3.a0, local); split(s1.a1, 16, peel); "
      "vectorize(s1.a1.1); compute_at(s0, s3.a0, local); vectorize(s0.a1); compute_at(s4, s3.a0, registers); "
      "reorder(s4.a2, s4.a1); vectorize(s4.a1)";
  for (std::int64_t columns : {1, 15, 16, 37, 64}) expect_same_meaning(test::softmax(5, columns), text, 1e-5);
  const auto nest = schedules::apply(test::softmax(5, 37), parsed(text));
  ASSERT_TRUE(nest.has_value());
  EXPECT_TRUE(nest->workspace.empty());
}

TEST(CanonicalRows, LayerNorm) {
  // s0 mean, s1 variance, s2 norm; s3 and s4 are partial.
  const std::string text =
      "rfactor(s0, a1, 8); rfactor(s1, a1, 8); parallel(s2.a0); split(s2.a1, 8, peel); vectorize(s2.a1.1); "
      "compute_at(s1, s2.a0, local); compute_at(s4, s2.a0, registers); reorder(s4.a2, s4.a1); "
      "vectorize(s4.a1); "
      "compute_at(s0, s2.a0, local); compute_at(s3, s2.a0, registers); reorder(s3.a2, s3.a1); "
      "vectorize(s3.a1); "
      "vectorize(s0.a1); vectorize(s1.a1)";
  for (std::int64_t columns : {3, 8, 29}) expect_same_meaning(test::layer_norm(4, columns), text, 1e-5);
}

/// A reduction of each row of X to a tuple state of two components.
Kernel pair_reduction(std::int64_t rows, std::int64_t columns, double identity,
                      const std::function<std::vector<Expr>(const std::vector<Expr>&)>& update) {
  Kernel kernel;
  kernel.name = "pair";
  const BufferId x = kernel.add_buffer({"X", DType::f32, {rows, columns}, Role::input, Scope::global, {}});
  const BufferId a = kernel.add_buffer({"a", DType::f32, {rows}, Role::output, Scope::global, {}});
  const BufferId b = kernel.add_buffer({"b", DType::f32, {rows}, Role::output, Scope::global, {}});
  const VarId i = kernel.vars.add("i"), j = kernel.vars.add("j");
  Combiner combiner;
  combiner.kind = CombinerKind::tuple;
  combiner.identity = {float_imm(identity), float_imm(0)};
  for (auto* list : {&combiner.state, &combiner.value})
    for (const char* name : {"a", "b"}) list->push_back(kernel.vars.add(name));
  std::vector<Expr> operands;
  for (const auto& list : {combiner.state, combiner.value})
    for (VarId id : list) operands.push_back(var(id, DType::f32));
  combiner.update = update(operands);
  kernel.stages.push_back({"pair",
                           {a, b},
                           {{i, rows}},
                           {{j, columns}},
                           {load(x, DType::f32, {var(i), var(j)}), float_imm(1)},
                           combiner});
  return kernel;
}

TEST(CanonicalRows, OnlineSoftmaxKeepsMaximumAndSumInOnePass) {
  auto update = [](const std::vector<Expr>& v) {
    const Expr top = max(v[0], v[2]);
    const Expr sum = v[1] * unary(UnaryOp::exp, v[0] - top) + v[3] * unary(UnaryOp::exp, v[2] - top);
    return std::vector<Expr>{top, sum};
  };
  for (std::int64_t columns : {1, 16, 37}) {
    const Kernel kernel = pair_reduction(3, columns, -1e30, update);
    expect_same_meaning(kernel, "", 1e-5);
    expect_same_meaning(kernel,
                        "rfactor(s0, a1, 8); parallel(s0.a0); compute_at(s1, s0.a0, registers); "
                        "reorder(s1.a2, s1.a1); vectorize(s1.a1); unroll(s0.a1)",
                        1e-5);
  }
}

TEST(CanonicalRows, ComponentsThatSwapNeedTheirOldValues) {
  auto update = [](const std::vector<Expr>& v) { return std::vector<Expr>{v[1] + v[2], v[0] + v[3]}; };
  Kernel kernel = pair_reduction(3, 7, 0, update);
  kernel.stages[0].combiner->associative = false;
  expect_same_meaning(kernel, "");
  expect_same_meaning(kernel,
                      "split(s0.a1, 3, peel); reorder(s0.a1.0, s0.a1.1, s0.a0); vectorize(s0.a0); "
                      "accumulate(s0, s0.a1.0, registers)");
  expect_same_meaning(kernel, "split(s0.a1, 3, peel); accumulate(s0, s0.a0, local)");
}

TEST(CanonicalMaps, TransposeInSquareTiles) {
  const std::string text =
      "split(s0.a0, 8, peel); split(s0.a1, 8, peel); reorder(s0.a0.0, s0.a1.0, s0.a1.1, s0.a0.1); "
      "parallel(s0.a0.0); unroll(s0.a1.1); vectorize(s0.a0.1)";
  for (std::int64_t rows : {1, 8, 13})
    for (std::int64_t columns : {1, 16, 19}) expect_same_meaning(transposed(rows, columns), text);
}

TEST(CanonicalMaps, ElementwiseInOneLoop) {
  const std::string text =
      "fuse(s0.a0, s0.a1); split(s0.f0, 64, peel); split(s0.f0.1, 16, peel); parallel(s0.f0.0); "
      "vectorize(s0.f0.1.1); streaming(s0)";
  for (std::int64_t rows : {1, 7})
    for (std::int64_t columns : {1, 16, 45}) expect_same_meaning(test::elementwise(rows, columns), text);
}

TEST(CanonicalChains, SharedExpressionsAreWalkedOnce) {
  // 2^60 nodes when written out.
  auto deep = [](const Expr& x) {
    Expr e = x;
    for (int i = 0; i < 60; ++i) e = max(e * float_imm(0.5), e - float_imm(1));
    return e;
  };
  const Kernel kernel = ir::testing::elementwise(DType::f32, {40, 3}, deep);
  expect_same_meaning(kernel,
                      "stage(b0, s0, s0.a0, local, row_major); split(s0.a1, 2, peel); vectorize(s0.a1.1)");
  Kernel guarded = ir::testing::elementwise(
      DType::f32, {40, 3}, [&](const Expr& x) { return select(x < float_imm(0), deep(x), deep(deep(x))); });
  expect_same_meaning(guarded, "stage(b0, s0, s0.a0, local, row_major)");
}

TEST(CanonicalChains, TwoProductsShareTheirRows) {
  // s0 hidden, s1 relu or s1 the second product: the hidden rows of a block stay in its cache.
  const Kernel kernel = test::mlp(9, 5, 12, 7);
  for (StageIndex last = 1; last < kernel.stages.size(); ++last) {
    if (last + 1 != kernel.stages.size()) continue;
    std::string text = fmt::format("split(s{0}.a0, 4, peel); parallel(s{0}.a0.0)", last);
    for (StageIndex s = last; s-- > 0;) text += fmt::format("; compute_at(s{}, s{}.a0.0, local)", s, last);
    expect_same_meaning(kernel, text);
    const auto nest = schedules::apply(kernel, parsed(text));
    ASSERT_TRUE(nest.has_value());
    EXPECT_TRUE(nest->workspace.empty());
  }
}

}  // namespace
}  // namespace tunesmith::schedules::testing
