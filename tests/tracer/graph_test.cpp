#include "tracer/graph.h"

#include "ir/support/error.h"
#include "tests/tracer/reference_run.h"
#include "tracer/composites.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Graph, EqualOperatorsAreOne) {
  Graph g;
  const ValueId x = g.add_input("x", {DType::f32, {4}}), y = g.add_input("y", {DType::f32, {4}});
  const ValueId a = ops::binary(g, BinaryOp::add, x, y);
  EXPECT_EQ(ops::binary(g, BinaryOp::add, x, y), a);
  EXPECT_NE(ops::binary(g, BinaryOp::add, y, x), a);
  EXPECT_NE(ops::binary(g, BinaryOp::sub, x, y), a);
  EXPECT_EQ(g.size(), 5u);
}

TEST(Graph, NamesOfOperatorsAreNoPartOfTheirIdentity) {
  Graph g;
  const ValueId x = g.add_input("x", {DType::f32, {4}});
  const ValueId a = g.add(OpKind::softmax, {x}, {{"axis", std::int64_t{0}}}, "first");
  EXPECT_EQ(g.add(OpKind::softmax, {x}, {{"axis", std::int64_t{0}}}, "second"), a);
  EXPECT_EQ(g.op(a).name, "first");
}

TEST(Graph, NameScopesNameWhatHasNoName) {
  Graph g;
  const ValueId x = g.add_input("x", {DType::f32, {4}});
  auto name_of_unary = [&](UnaryOp op) { return g.op(ops::unary(g, op, x)).name; };
  {
    const Graph::NameScope outer(g, "outer");
    EXPECT_EQ(name_of_unary(UnaryOp::exp), "outer");
    {
      const Graph::NameScope inner(g, "inner");
      EXPECT_EQ(name_of_unary(UnaryOp::log), "inner");
      EXPECT_EQ(name_of_unary(UnaryOp::exp), "outer") << "the operator that is there";
    }
    EXPECT_EQ(name_of_unary(UnaryOp::sqrt), "outer");
    EXPECT_EQ(g.op(g.add(OpKind::unary, {x}, {{"op", std::string("sin")}}, "own")).name, "own");
  }
  EXPECT_EQ(name_of_unary(UnaryOp::neg), "");
}

TEST(Graph, ConstantsAreSharedByContent) {
  Graph g;
  const ValueId a = g.add_constant(testing::counting({3}));
  EXPECT_EQ(g.add_constant(testing::counting({3})), a);
  EXPECT_NE(g.add_constant(testing::counting({1, 3})), a);
  EXPECT_NE(g.add_constant(testing::counting({3}, DType::f64)), a);
  EXPECT_NE(g.add_constant(testing::tensor(DType::f32, {3}, {0, 1, 3})), a);
  // Zeros differ by their sign.
  EXPECT_NE(ops::scalar(g, DType::f32, 0.0), ops::scalar(g, DType::f32, -0.0));
}

TEST(Graph, AttributesOfAnotherTypeDiffer) {
  EXPECT_EQ((Attributes{{"b", 1.0}, {"a", std::int64_t{2}}}),
            (Attributes{{"a", std::int64_t{2}}, {"b", 1.0}}));
  EXPECT_NE((Attributes{{"a", 1.0}}), (Attributes{{"a", std::int64_t{1}}}));
  Attributes replaced{{"a", 1.0}};
  replaced.set("a", std::string("text"));
  EXPECT_EQ(replaced.entries().size(), 1u);
  EXPECT_EQ(replaced.get_text("a"), "text");
  EXPECT_EQ(replaced.get_int_or("absent", 7), 7);
}

TEST(Graph, SymbolsAreSharedByName) {
  Graph g;
  EXPECT_TRUE(ir::equal(g.symbol("batch"), g.symbol("batch")));
  EXPECT_FALSE(ir::equal(g.symbol("batch"), g.symbol("length")));
  EXPECT_EQ(g.symbols().size(), 2u);
}

TEST(Graph, PrintsOneOperatorALine) {
  Graph g;
  const ValueId x = g.add_input("x", {DType::f32, {g.symbol("batch"), 8}});
  const ValueId y = ops::softmax(g, ops::relu(g, x), -1);
  g.add_output("probabilities", y);
  EXPECT_EQ(g.print(), R"(%0: f32[batch, 8] = input()  # x
%1: f32[] = constant()
%2: f32[batch, 8] = binary(%1, %0) {op=max}
%3: f32[batch, 8] = softmax(%2) {axis=-1}
return probabilities = %3
)");
}

TEST(Graph, RefusalsNameOperatorOperandsAndNode) {
  Graph g;
  const ValueId x = g.add_input("x", {DType::f32, {g.symbol("batch"), 8}});
  const ValueId w = g.add_input("w", {DType::f32, {4, 8}});
  const std::string message = message_of([&] { g.add(OpKind::matmul, {x, w}, {}, "layer1/MatMul"); });
  EXPECT_THAT(message, HasSubstr("matmul 'layer1/MatMul'"));
  EXPECT_THAT(message, HasSubstr("f32[batch, 8], f32[4, 8]"));
  EXPECT_THAT(message_of([&] { g.add(OpKind::matmul, {x}); }), HasSubstr("matmul: takes 2 to 2 operands"));
}

TEST(Graph, InputsHaveDifferentNames) {
  Graph g;
  g.add_input("x", {DType::f32, {4}});
  EXPECT_THAT(message_of([&] { g.add_input("x", {DType::f32, {4}}); }), HasSubstr("'x'"));
}

TEST(Graph, ToIntsRefusesSymbols) {
  Graph g;
  EXPECT_FALSE(is_static({Dim(3), g.symbol("n")}));
  EXPECT_EQ(to_ints({Dim(3), Dim(4)}), (std::vector<std::int64_t>{3, 4}));
  EXPECT_THAT(message_of([&] { to_ints({Dim(3), g.symbol("n")}); }), HasSubstr("symbolic"));
}

}  // namespace
}  // namespace tunesmith::tracer
