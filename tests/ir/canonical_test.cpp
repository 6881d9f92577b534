#include "ir/canonical.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/interpret.h"
#include "ir/print.h"
#include "tests/ir/kernels.h"

namespace tunesmith::ir {
namespace {

using ::testing::ElementsAre;

Expr relu(const Expr& x) { return max(x, float_imm(0)); }

/// out[n, k, h, w] = sum(c, r, s) X[n, c, h + r, w + s] * W[k, c, r, s], written as a front end does.
Kernel conv(std::int64_t k, std::int64_t c, std::int64_t size, std::int64_t window) {
  Kernel kernel;
  kernel.name = "conv";
  const std::int64_t out = size - window + 1;
  const BufferId x = kernel.add_buffer({"X", DType::f32, {1, c, size, size}, Role::input, Scope::global, {}});
  const BufferId w =
      kernel.add_buffer({"W", DType::f32, {k, c, window, window}, Role::constant, Scope::global, {}});
  const BufferId y = kernel.add_buffer({"Y", DType::f32, {1, k, out, out}, Role::output, Scope::global, {}});
  std::vector<Axis> spatial, reduce;
  for (std::int64_t extent : {std::int64_t{1}, k, out, out})
    spatial.push_back({kernel.vars.add("s"), extent});
  for (std::int64_t extent : {c, window, window}) reduce.push_back({kernel.vars.add("r"), extent});
  auto v = [](const Axis& axis) { return var(axis.var); };
  const Expr value =
      load(x, DType::f32,
           {v(spatial[0]), v(reduce[0]), v(spatial[2]) + v(reduce[1]), v(spatial[3]) + v(reduce[2])}) *
      load(w, DType::f32, {v(spatial[1]), v(reduce[0]), v(reduce[1]), v(reduce[2])});
  kernel.stages.push_back(
      {"Y", {y}, spatial, reduce, {value}, plain_combiner(CombinerKind::sum, DType::f32)});
  return kernel;
}

TEST(Canonical, ElementwiseBecomesOneDimensional) {
  EXPECT_EQ(print(canonicalise(testing::elementwise(DType::f32, {2, 3, 4}, relu))),
            "kernel elementwise strict {\n"
            "  input a0: f32[24]\n"
            "  output c0: f32[24]\n"
            "  stage s0: c0[i0:24] = max(a0[i0], 0.0)\n"
            "}\n");
}

TEST(Canonical, PointwiseConvolutionBecomesAMatrixProduct) {
  EXPECT_EQ(print(canonicalise(conv(8, 16, 7, 1))),
            "kernel conv strict {\n"
            "  input a0: f32[16, 49]\n"
            "  constant a1: f32[8, 16]\n"
            "  output c0: f32[8, 49]\n"
            "  stage s0: c0[i0:8, i1:49] = sum(k0:16) a0[k0, i1] * a1[i0, k0]\n"
            "}\n");
}

TEST(Canonical, WindowsKeepTheirAxes) {
  EXPECT_EQ(print(canonicalise(conv(8, 16, 7, 3))),
            "kernel conv strict {\n"
            "  input a0: f32[16, 7, 7]\n"
            "  constant a1: f32[8, 16, 3, 3]\n"
            "  output c0: f32[8, 5, 5]\n"
            "  stage s0: c0[i0:8, i1:5, i2:5] = sum(k0:16, k1:3, k2:3) a0[k0, i1 + k1, i2 + k2] * a1[i0, k0, "
            "k1, k2]\n"
            "}\n");
}

TEST(Canonical, PermutedLayoutsBecomeRowMajor) {
  Kernel kernel = testing::elementwise(DType::f32, {1, 3, 4, 5}, relu);
  const std::int32_t channels_last[] = {0, 2, 3, 1};
  for (Buffer& buffer : kernel.buffers) buffer.layout = Layout::permutation(channels_last);
  EXPECT_EQ(canonical_text(kernel), canonical_text(testing::elementwise(DType::f32, {60}, relu)));
}

TEST(Canonical, DifferentLayoutsAreDifferentWork) {
  Kernel kernel = testing::elementwise(DType::f32, {3, 4}, relu);
  kernel.buffers[0].layout = Layout::permutation(std::vector<std::int32_t>{1, 0});
  EXPECT_NE(canonical_text(kernel), canonical_text(testing::elementwise(DType::f32, {3, 4}, relu)));
}

TEST(Canonical, NamesAndOperandOrderDoNotMatter) {
  Kernel a = testing::matmul(4, 5, 6), b = a;
  b.name = "other";
  b.buffers[0].name = "left";
  b.stages[0].name = "product";
  const auto* product = b.stages[0].values[0].as<Binary>();
  b.stages[0].values[0] = product->b * product->a;
  EXPECT_EQ(canonical_text(a), canonical_text(b));
  EXPECT_TRUE(canonical_text(a).starts_with("canon 1\n"));
}

TEST(Canonical, NumericsDTypesAndShapesMatter) {
  Kernel fast = testing::matmul(4, 5, 6);
  fast.numerics = Numerics::fast;
  EXPECT_NE(canonical_text(fast), canonical_text(testing::matmul(4, 5, 6)));
  EXPECT_NE(canonical_text(testing::matmul(4, 5, 7)), canonical_text(testing::matmul(4, 5, 6)));
}

TEST(Canonical, SymbolsMergeWithConstantsAndKeepTheirMeaning) {
  Kernel kernel = testing::elementwise(DType::f32, {1, 3, 4}, relu);
  const VarId n = kernel.vars.add("n");
  kernel.symbols.push_back({n, 1, 100, 1});
  for (Buffer& buffer : kernel.buffers) buffer.shape[0] = var(n);
  kernel.stages[0].spatial[0].extent = var(n);
  const Kernel canonical = canonicalise(kernel);
  EXPECT_THAT(print(canonical), ::testing::HasSubstr("stage s0: c0[i0:n0 * 12] = max(a0[i0], 0.0)"));
  HostTensor x(DType::f32, {24});
  x.set(23, 5);
  const auto result = interpret(canonical, std::vector{x});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ((*result)[0].at(23), 5);
}

TEST(Canonical, FamiliesShareTheirTextAndKeepTheirExtents) {
  const Family a = family_of(testing::matmul(96, 100, 96)), b = family_of(testing::matmul(32, 12, 32));
  EXPECT_EQ(a.text, b.text);
  EXPECT_THAT(a.extents, ElementsAre(96, 100));
  EXPECT_NE(family_of(testing::matmul(96, 100, 64)).text, a.text) << "three different extents";
  EXPECT_NE(family_of(testing::matmul(97, 100, 97)).text, a.text) << "odd";
}

}  // namespace
}  // namespace tunesmith::ir
