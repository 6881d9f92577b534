// The graph passes one by one: what each changes, and what it must leave alone.
#include <algorithm>

#include "ir/support/error.h"
#include "tests/tracer/random_values.h"
#include "tracer/op_table.h"
#include "tracer/ops/build.h"
#include "tracer/passes/cheaper_arithmetic.h"
#include "tracer/passes/choose_layouts.h"
#include "tracer/passes/fold_constants.h"
#include "tracer/passes/fold_scale.h"
#include "tracer/passes/remove_unused.h"
#include "tracer/passes/simplify_graph.h"
#include "tracer/program.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

struct Fixture {
  Rng rng{7};
  Graph graph;

  ValueId input(Ints shape, DType dtype = DType::f32) {
    return graph.add_input(fmt::format("x{}", graph.inputs().size()), {dtype, to_shape(shape)});
  }
  ValueId constant(Ints shape, double low = 0.5, double high = 2) {
    return graph.add_constant(random_tensor(rng, DType::f32, std::move(shape), low, high));
  }
  void output(ValueId v) { graph.add_output(fmt::format("y{}", graph.outputs().size()), v); }
};

std::size_t count(const Graph& graph, OpKind kind) {
  return static_cast<std::size_t>(std::ranges::count(graph.ops(), kind, &Op::kind));
}

/// Same outputs on random inputs.
void expect_same(const Graph& a, const Graph& b, double tolerance = 1e-5) {
  Rng rng(3);
  std::vector<HostTensor> inputs;
  for (OpId id : a.inputs())
    inputs.push_back(random_tensor(rng, a.op(id).outputs[0].dtype, to_ints(a.op(id).outputs[0].shape)));
  const auto want = evaluate_reference(a, inputs), got = evaluate_reference(b, inputs);
  ASSERT_EQ(want.size(), got.size());
  for (std::size_t o = 0; o < want.size(); ++o)
    EXPECT_EQ(difference(got[o], want[o], tolerance), "") << a.print() << b.print();
}

TEST(FoldConstants, ComputesWhatDependsOnConstantsOnly) {
  Fixture f;
  const ValueId x = f.input({3});
  const ValueId c = ops::unary(f.graph, UnaryOp::exp, f.constant({3}));
  f.output(ops::binary(f.graph, BinaryOp::add, x, c));
  const Graph folded = remove_unused(fold_constants(f.graph));
  EXPECT_EQ(count(folded, OpKind::unary), 0u);
  EXPECT_EQ(count(folded, OpKind::constant), 1u);
  expect_same(f.graph, folded);
}

TEST(FoldConstants, LeavesLargeExpansionsAlone) {
  Fixture f;
  f.output(ops::expand(f.graph, f.constant({1}), {1024, 1024}));
  EXPECT_EQ(count(fold_constants(f.graph), OpKind::expand), 1u);
}

TEST(RemoveUnused, KeepsInputsAndWhatOutputsNeed) {
  Fixture f;
  const ValueId x = f.input({3}), unread = f.input({2});
  ops::unary(f.graph, UnaryOp::exp, unread);
  f.output(ops::unary(f.graph, UnaryOp::tanh, x));
  const Graph clean = remove_unused(f.graph);
  EXPECT_EQ(clean.inputs().size(), 2u);
  EXPECT_EQ(count(clean, OpKind::unary), 1u);
}

Graph conv_then_norm(Fixture& f, std::int64_t groups, bool transposed) {
  const ValueId x = f.input({1, 4, 5, 5});
  ops::ConvOptions options;
  options.groups = groups;
  const ValueId w =
      transposed ? f.constant({4, 6 / groups, 3, 3}, -1, 1) : f.constant({6, 4 / groups, 3, 3}, -1, 1);
  ValueId y = transposed ? ops::conv_transpose(f.graph, x, w, std::nullopt, options)
                         : ops::conv(f.graph, x, w, std::nullopt, options);
  y = ops::binary(f.graph, BinaryOp::sub, y, f.constant({6, 1, 1}));
  y = ops::binary(f.graph, BinaryOp::mul, y, f.constant({6, 1, 1}));
  y = ops::binary(f.graph, BinaryOp::add, f.constant({1, 6, 1, 1}), y);
  f.output(ops::binary(f.graph, BinaryOp::div, y, f.constant({})));
  return f.graph;
}

TEST(FoldScale, MovesNormalisationIntoConvolutions) {
  for (const bool transposed : {false, true})
    for (const std::int64_t groups : {1, 2}) {
      Fixture f;
      const Graph graph = conv_then_norm(f, groups, transposed);
      const Graph folded = remove_unused(fold_constants(fold_scale(graph)));
      EXPECT_EQ(count(folded, OpKind::binary), 0u) << folded.print();
      expect_same(graph, folded, 1e-4);
    }
}

TEST(FoldScale, LeavesSharedResultsAndOtherDimensionsAlone) {
  Fixture f;
  const ValueId x = f.input({1, 2, 4, 4});
  const ValueId y = ops::conv(f.graph, x, f.constant({3, 2, 1, 1}), std::nullopt);
  f.output(ops::binary(f.graph, BinaryOp::mul, y, f.constant({3, 1, 1})));
  f.output(y);
  const ValueId z = ops::conv(f.graph, x, f.constant({2, 2, 1, 1}), std::nullopt);
  f.output(ops::binary(f.graph, BinaryOp::mul, z, f.constant({4})));
  const Graph folded = remove_unused(fold_scale(f.graph));
  EXPECT_EQ(count(folded, OpKind::binary), 2u);
  EXPECT_EQ(count(folded, OpKind::conv), 2u);
  expect_same(f.graph, folded);
}

TEST(FoldScale, MovesFactorsIntoMatrixProducts) {
  Fixture f;
  ValueId y = ops::matmul(f.graph, f.input({3, 4}), f.constant({4, 5}));
  y = ops::binary(f.graph, BinaryOp::add, y, f.constant({5}));
  f.output(ops::binary(f.graph, BinaryOp::mul, y, f.constant({5})));
  const Graph folded = remove_unused(fold_constants(fold_scale(f.graph)));
  EXPECT_EQ(count(folded, OpKind::binary), 1u);
  expect_same(f.graph, folded);
}

TEST(SimplifyGraph, JoinsChainsAndDropsWhatChangesNothing) {
  Fixture f;
  ValueId x = f.input({2, 3, 4});
  x = f.graph.add(OpKind::transpose, {x}, {{"perm", Ints{1, 0, 2}}});
  x = f.graph.add(OpKind::transpose, {x}, {{"perm", Ints{1, 0, 2}}});
  x = f.graph.add(OpKind::reshape, {x}, {{"shape", Ints{6, 4}}});
  x = f.graph.add(OpKind::reshape, {x}, {{"shape", Ints{2, 12}}});
  x = ops::binary(f.graph, BinaryOp::mul, x, ops::scalar(f.graph, DType::f32, 1));
  x = ops::binary(f.graph, BinaryOp::add, ops::scalar(f.graph, DType::f32, 0), x);
  x = f.graph.add(OpKind::expand, {x}, {{"shape", Ints{2, 12}}});
  x = f.graph.add(OpKind::reshape, {x}, {{"shape", Ints{2, 3, 4}}});
  f.output(ops::unary(f.graph, UnaryOp::exp, x));
  const Graph simple = remove_unused(simplify_graph(f.graph));
  EXPECT_EQ(simple.size(), 2u) << simple.print();
  expect_same(f.graph, simple);
}

TEST(SimplifyGraph, KeepsOperandsThatBroadcastTheResult) {
  Fixture f;
  const ValueId x = f.input({1, 3});
  const ValueId ones = f.graph.add_constant([] {
    HostTensor t(DType::f32, {2, 1});
    t.set(0, 1);
    t.set(1, 1);
    return t;
  }());
  f.output(ops::binary(f.graph, BinaryOp::mul, x, ones));
  const Graph simple = simplify_graph(f.graph);
  EXPECT_EQ(count(simple, OpKind::binary), 1u);
  expect_same(f.graph, simple);
}

TEST(SimplifyGraph, ZeroPaddingMovesIntoConvolutions) {
  Fixture f;
  const ValueId x = ops::pad(f.graph, f.input({1, 2, 4, 4}), {0, 0, 1, 0, 0, 0, 2, 1});
  ops::ConvOptions options;
  options.pads = {0, 1, 0, 1};
  f.output(ops::conv(f.graph, x, f.constant({3, 2, 3, 3}), std::nullopt, options));
  const Graph simple = remove_unused(simplify_graph(f.graph));
  EXPECT_EQ(count(simple, OpKind::pad), 0u);
  expect_same(f.graph, simple);
}

TEST(SimplifyGraph, OtherPaddingStays) {
  Fixture f;
  const ValueId x = ops::pad(f.graph, f.input({1, 2, 4, 4}), {0, 0, 1, 0, 0, 0, 1, 0}, "constant", 1);
  const ValueId y = ops::pad(f.graph, f.input({1, 1, 4, 4}), {0, 1, 0, 0, 0, 0, 0, 0});
  f.output(ops::conv(f.graph, x, f.constant({3, 2, 1, 1}), std::nullopt));
  f.output(ops::conv(f.graph, y, f.constant({3, 2, 1, 1}), std::nullopt));
  EXPECT_EQ(count(remove_unused(simplify_graph(f.graph)), OpKind::pad), 2u);
}

TEST(SimplifyGraph, SlicesMoveBeforeTransposes) {
  Fixture f;
  const ValueId x = ops::transpose(f.graph, f.input({4, 2, 6}), {2, 0, 1});
  for (std::int64_t part = 0; part < 3; ++part)
    f.output(ops::slice_axis(f.graph, x, 0, 2 * part, 2 * part + 2));
  const Graph simple = remove_unused(simplify_graph(f.graph));
  EXPECT_EQ(count(simple, OpKind::transpose), 3u);
  expect_same(f.graph, simple);
}

TEST(CheaperArithmetic, PowersDivisionsAndFactors) {
  Fixture f;
  const ValueId x = f.input({3, 4});
  auto number = [&](double v) { return ops::scalar(f.graph, DType::f32, v); };
  f.output(ops::binary(f.graph, BinaryOp::pow, x, number(2)));
  f.output(ops::binary(f.graph, BinaryOp::pow, x, number(3)));
  ValueId y = ops::binary(f.graph, BinaryOp::div, x, number(6));
  y = ops::binary(f.graph, BinaryOp::mul, y, f.constant({4}));
  f.output(ops::binary(f.graph, BinaryOp::mul, number(3), y));
  const Graph cheap = remove_unused(cheaper_arithmetic(f.graph));
  EXPECT_EQ(count(cheap, OpKind::binary), 3u) << cheap.print();  // x * x is shared
  for (const Op& op : cheap.ops())
    if (op.kind == OpKind::binary) {
      EXPECT_EQ(op.attributes.get_text("op"), "mul");
    }
  expect_same(f.graph, cheap);
}

TEST(CheaperArithmetic, ScalarsMoveBehindMatrixProducts) {
  Fixture f;
  const ValueId scale = ops::scalar(f.graph, DType::f32, 0.25);
  const ValueId q = ops::binary(f.graph, BinaryOp::mul, f.input({2, 3, 4}), scale);
  const ValueId k =
      ops::binary(f.graph, BinaryOp::div, f.input({2, 5, 4}), ops::scalar(f.graph, DType::f32, 2));
  f.output(ops::matmul(f.graph, q, ops::transpose(f.graph, k, {0, 2, 1})));
  const Graph cheap = remove_unused(cheaper_arithmetic(f.graph));
  EXPECT_EQ(count(cheap, OpKind::binary), 1u) << cheap.print();
  EXPECT_EQ(cheap.op(cheap.outputs()[0].value).kind, OpKind::binary);
  expect_same(f.graph, cheap);
}

TEST(CheaperArithmetic, LeavesExtremeAndZeroDivisorsAlone) {
  Fixture f;
  const ValueId x = f.input({3});
  f.output(ops::binary(f.graph, BinaryOp::div, x, ops::scalar(f.graph, DType::f32, 0)));
  f.output(ops::binary(f.graph, BinaryOp::div, x, ops::scalar(f.graph, DType::f32, 1e-30)));
  const Graph same = cheaper_arithmetic(f.graph);
  EXPECT_EQ(same.print(), f.graph.print());
}

TEST(ChooseLayouts, ConvolutionsExchangeChannelsLastValues) {
  Fixture f;
  const ValueId x = f.input({1, 3, 8, 8});
  const ValueId a = ops::conv(f.graph, x, f.constant({4, 3, 3, 3}), std::nullopt);
  const ValueId b = ops::unary(f.graph, UnaryOp::tanh, a);
  const ValueId c = ops::conv(f.graph, b, f.constant({5, 4, 3, 3}), std::nullopt);
  f.output(c);
  const Placement placement = choose_layouts(f.graph, true);
  EXPECT_EQ(to_string(placement.layout_of(a)), "(0,2,3,1)");
  EXPECT_EQ(to_string(placement.layout_of(b)), "(0,2,3,1)");
  EXPECT_TRUE(placement.layout_of(x).is_row_major());
  EXPECT_TRUE(placement.layout_of(c).is_row_major()) << "outputs of the graph are row-major";
  EXPECT_TRUE(choose_layouts(f.graph, false).layouts.empty());
}

TEST(ChooseLayouts, FlatteningToTokensIsFree) {
  // conv -> [N, C, H*W] -> [N, H*W, C]: the bytes of a channels-last value already.
  Fixture f;
  const ValueId x = f.input({1, 3, 8, 8});
  const ValueId a = ops::conv(f.graph, x, f.constant({4, 3, 2, 2}), std::nullopt);
  const ValueId b = ops::reshape(f.graph, a, {1, 4, 49});
  const ValueId c = ops::transpose(f.graph, b, {0, 2, 1});
  f.output(ops::matmul(f.graph, c, f.constant({4, 6})));
  const Placement placement = choose_layouts(f.graph, true);
  EXPECT_TRUE(placement.is_alias(b));
  EXPECT_TRUE(placement.is_alias(c));
  EXPECT_TRUE(placement.layout_of(c).is_row_major());
  EXPECT_EQ(placement.storage_of(c), a);
}

TEST(ChooseLayouts, AShuffleOfChannelsWritesThemLast) {
  Fixture f;
  const ValueId x = f.input({1, 3, 8, 8});
  const ValueId a = ops::conv(f.graph, x, f.constant({6, 3, 3, 3}), std::nullopt);
  const ValueId b = ops::transpose(f.graph, ops::reshape(f.graph, a, {1, 2, 3, 6, 6}), {0, 2, 1, 3, 4});
  const ValueId c = ops::reshape(f.graph, b, {1, 6, 6, 6});
  f.output(ops::conv(f.graph, c, f.constant({4, 6, 3, 3}), std::nullopt));
  const Placement placement = choose_layouts(f.graph, true);
  EXPECT_FALSE(placement.is_alias(c)) << "its bytes move";
  EXPECT_EQ(to_string(placement.layout_of(c)), "(0,2,3,1)");
}

TEST(ChooseLayouts, FlatteningToAVectorKeepsTheValueRowMajor) {
  Fixture f;
  const ValueId x = f.input({1, 3, 8, 8});
  const ValueId a = ops::conv(f.graph, x, f.constant({4, 3, 3, 3}), std::nullopt);
  const ValueId b = ops::reshape(f.graph, a, {1, 4 * 36});
  f.output(ops::matmul(f.graph, b, f.constant({4 * 36, 6})));
  const Placement placement = choose_layouts(f.graph, true);
  EXPECT_TRUE(placement.layout_of(a).is_row_major());
  EXPECT_TRUE(placement.is_alias(b));
}

TEST(BindSymbols, ReplacesAndRefuses) {
  Graph graph;
  const Dim n = graph.symbol("n");
  const ValueId x = graph.add_input("x", {DType::f32, {n, Dim(4)}});
  graph.add_output("y", ops::unary(graph, UnaryOp::exp, x));
  const Graph bound = bind_symbols(graph, {{"n", 3}});
  EXPECT_EQ(to_ints(bound.type(bound.outputs()[0].value).shape), (Ints{3, 4}));
  EXPECT_THROW(bind_symbols(graph, {{"m", 3}}), UserError);
  EXPECT_THROW(bind_symbols(graph, {{"n", 0}}), UserError);
  EXPECT_FALSE(is_static(bind_symbols(graph, {}).type(ValueId{OpId{0}, 0}).shape));
}

}  // namespace
}  // namespace tunesmith::tracer
