// Which operators share a kernel: the boundaries that fusion draws.
#include "ir/print.h"
#include "tests/tracer/random_values.h"
#include "tracer/op_table.h"
#include "tracer/ops/build.h"
#include "tracer/program.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

class Fuse : public ::testing::Test {
 protected:
  ValueId input(Ints shape) {
    return g.add_input(fmt::format("x{}", g.inputs().size()), {DType::f32, to_shape(shape)});
  }
  ValueId constant(Ints shape) {
    return g.add_constant(random_tensor(rng, DType::f32, std::move(shape), -1, 1));
  }
  void output(ValueId v) { g.add_output(fmt::format("y{}", g.outputs().size()), v); }
  ValueId unary(UnaryOp op, ValueId x) { return ops::unary(g, op, x); }
  ValueId binary(BinaryOp op, ValueId a, ValueId b) { return ops::binary(g, op, a, b); }

  /// The program, checked against the reference.
  Program program(FuseOptions options = {}) {
    Program p = make_program(g, options);
    std::vector<HostTensor> inputs;
    for (OpId id : g.inputs())
      inputs.push_back(random_tensor(rng, DType::f32, to_ints(g.op(id).outputs[0].shape)));
    const auto want = evaluate_reference(g, inputs), got = interpret_program(p, inputs);
    for (std::size_t o = 0; o < want.size(); ++o)
      EXPECT_EQ(difference(got[o], want[o], 1e-4), "") << print(p);
    return p;
  }
  static std::string text(const Program& p) {
    std::string result = print(p);
    for (const ProgramStep& step : p.steps) result += step.is_host ? "" : ir::print(step.kernel);
    return result;
  }

  Rng rng{11};
  Graph g;
};

TEST_F(Fuse, ChainOfMapsIsOneFlatKernel) {
  ValueId x = input({4, 8});
  for (UnaryOp op : {UnaryOp::exp, UnaryOp::neg, UnaryOp::tanh, UnaryOp::abs}) x = unary(op, x);
  output(x);
  const Program p = program();
  ASSERT_EQ(p.steps.size(), 1u);
  EXPECT_EQ(p.steps[0].name, "exp+neg+tanh+abs");
  EXPECT_EQ(p.steps[0].kernel.stages.size(), 1u);
  EXPECT_EQ(p.steps[0].kernel.stages[0].spatial.size(), 1u) << text(p);
}

TEST_F(Fuse, WithoutFusionEveryOperatorIsAStep) {
  output(unary(UnaryOp::neg, unary(UnaryOp::exp, input({4}))));
  EXPECT_EQ(program({.fuse = false}).steps.size(), 2u);
}

TEST_F(Fuse, EpilogueJoinsTheMatrixProduct) {
  const ValueId x = input({4, 8}), residual = input({4, 6});
  ValueId y = ops::matmul(g, x, constant({8, 6}));
  y = binary(BinaryOp::add, y, constant({6}));
  y = binary(BinaryOp::mul, y, unary(UnaryOp::sigmoid, y));
  output(binary(BinaryOp::add, y, residual));
  const Program p = program();
  ASSERT_EQ(p.steps.size(), 1u) << text(p);
  EXPECT_EQ(p.steps[0].kernel.stages.size(), 2u) << text(p);
}

TEST_F(Fuse, PaddedConvolutionWithBiasAndActivation) {
  ops::ConvOptions options;
  options.pads = {1, 1, 1, 1};
  const ValueId y = ops::conv(g, input({1, 3, 6, 6}), constant({4, 3, 3, 3}), constant({4}), options);
  output(binary(BinaryOp::max, y, ops::scalar(g, DType::f32, 0)));
  const Program p = program();
  ASSERT_EQ(p.steps.size(), 1u);
  EXPECT_EQ(p.steps[0].kernel.stages.size(), 3u) << text(p);  // pad, convolution, bias and activation
}

TEST_F(Fuse, DepthwiseConvolutionIsOneReductionOverTheWindow) {
  ops::ConvOptions options;
  options.groups = 4;
  output(ops::conv(g, input({1, 4, 6, 6}), constant({4, 1, 3, 3}), std::nullopt, options));
  const Program p = program();
  ASSERT_EQ(p.steps[0].kernel.stages.size(), 1u) << text(p);
  EXPECT_EQ(p.steps[0].kernel.stages[0].reduce.size(), 2u);
  EXPECT_EQ(p.steps[0].kernel.stages[0].spatial.size(), 3u);
}

TEST_F(Fuse, ChannelsLastPointwiseConvolutionIsAMatrixProduct) {
  ValueId y = ops::conv(g, input({1, 3, 6, 6}), constant({4, 3, 3, 3}), std::nullopt);
  y = ops::conv(g, y, constant({5, 4, 1, 1}), std::nullopt);
  output(ops::conv(g, y, constant({2, 5, 3, 3}), std::nullopt));
  const Program p = program();
  ASSERT_EQ(p.steps.size(), 3u);
  const ir::Stage& stage = p.steps[1].kernel.stages.at(0);
  EXPECT_EQ(stage.spatial.size(), 2u) << text(p);
  EXPECT_EQ(stage.reduce.size(), 1u);
}

TEST_F(Fuse, SoftmaxWithScaleAndMaskIsOneKernel) {
  const ValueId x = input({2, 3, 8}), mask = input({8});
  const ValueId scaled = binary(BinaryOp::mul, x, ops::scalar(g, DType::f32, 0.125));
  output(ops::softmax(g, binary(BinaryOp::add, scaled, mask)));
  EXPECT_EQ(program().steps.size(), 1u);
}

TEST_F(Fuse, ResidualAndLayerNormShareAKernelWithTwoOutputs) {
  const ValueId sum = binary(BinaryOp::add, input({3, 8}), input({3, 8}));
  output(ops::layer_norm(g, sum, constant({8}), constant({8})));
  output(sum);
  const Program p = program();
  ASSERT_EQ(p.steps.size(), 1u) << text(p);
  EXPECT_EQ(p.steps[0].outputs.size(), 2u);
}

TEST_F(Fuse, DecomposedLayerNormIsOneKernel) {
  const ValueId x = input({3, 8});
  const ValueId centred = binary(BinaryOp::sub, x, ops::reduce(g, "mean", x, {-1}, true));
  const ValueId variance = ops::reduce(g, "mean", binary(BinaryOp::mul, centred, centred), {-1}, true);
  const ValueId deviation =
      unary(UnaryOp::sqrt, binary(BinaryOp::add, variance, ops::scalar(g, DType::f32, 1e-5)));
  output(binary(BinaryOp::mul, binary(BinaryOp::div, centred, deviation), constant({8})));
  EXPECT_EQ(program().steps.size(), 1u);
}

TEST_F(Fuse, ReshapesCostNothing) {
  const ValueId x = unary(UnaryOp::exp, input({4, 6}));
  output(ops::matmul(g, ops::reshape(g, x, {8, 3}), constant({3, 2})));
  output(ops::reshape(g, x, {24}));
  const Program p = program();
  EXPECT_EQ(p.steps.size(), 2u) << text(p);
  EXPECT_EQ(p.aliases.size(), 2u);
}

TEST_F(Fuse, HeadsOfAttentionNeedNoCopies) {
  const std::int64_t s = 4, h = 2, d = 3;
  auto heads = [&](ValueId x) {
    const ValueId y = ops::matmul(g, x, constant({h * d, h * d}));
    return ops::transpose(g, ops::reshape(g, binary(BinaryOp::add, y, constant({h * d})), {s, h, d}),
                          {1, 0, 2});
  };
  const ValueId x = input({s, h * d});
  const ValueId q = heads(x), k = heads(x), v = heads(x);
  const ValueId scores = ops::softmax(g, ops::matmul(g, q, ops::transpose(g, k, {0, 2, 1})));
  const ValueId mixed = ops::transpose(g, ops::matmul(g, scores, v), {1, 0, 2});
  output(ops::matmul(g, ops::reshape(g, mixed, {s, h * d}), constant({h * d, h * d})));
  const Program p = program();
  EXPECT_EQ(p.steps.size(), 7u) << text(p);  // q, k, v, scores, softmax, mixed, output
}

TEST_F(Fuse, ExpensiveValueWithTwoReadersIsComputedOnce) {
  const ValueId e = unary(UnaryOp::exp, input({2, 4}));
  const ValueId turned = ops::transpose(g, e, {1, 0});
  output(ops::matmul(g, e, turned));
  const Program p = program();
  std::size_t exponentials = 0;
  for (const ProgramStep& step : p.steps) exponentials += step.name.find("exp") != std::string::npos;
  EXPECT_EQ(exponentials, 1u) << text(p);
}

TEST_F(Fuse, NothingRunsBetweenTheHalvesOfAKernel) {
  // b needs the matrix product, which needs a: a and b must not share a kernel.
  const ValueId a = unary(UnaryOp::exp, input({4, 4}));
  const ValueId m = ops::cumulative_sum(g, a, 0);
  output(binary(BinaryOp::add, a, m));
  const Program p = program();
  EXPECT_EQ(p.steps.size(), 3u) << text(p);
}

TEST_F(Fuse, EqualKernelsShareAWeight) {
  ValueId x = input({4, 4});
  for (int i = 0; i < 3; ++i) x = ops::softmax(g, ops::matmul(g, x, constant({4, 4})));
  output(x);
  const Program p = program();
  ASSERT_EQ(p.steps.size(), 6u);
  for (const ProgramStep& step : p.steps) EXPECT_EQ(step.weight, 3);
}

TEST_F(Fuse, OutputsMayBeInputsAndConstants) {
  const ValueId x = input({2});
  output(x);
  output(constant({3}));
  output(unary(UnaryOp::exp, x));
  EXPECT_EQ(program().steps.size(), 1u);
}

}  // namespace
}  // namespace tunesmith::tracer
