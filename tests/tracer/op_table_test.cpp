#include "tracer/op_table.h"

#include <set>

#include "tests/tracer/reference_run.h"
#include "tracer/composites.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

TEST(OpTable, RowsAreComplete) {
  std::set<std::string_view> names;
  for (int i = 0; i < op_kind_count; ++i) {
    const OpRow& row = op_row(static_cast<OpKind>(i));
    EXPECT_EQ(row.kind, static_cast<OpKind>(i));
    EXPECT_EQ(to_string(row.kind), row.name);
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    const bool leaf = row.fusion == FusionKind::leaf, host = row.fusion == FusionKind::host;
    EXPECT_EQ(row.infer == nullptr, leaf) << row.name;
    EXPECT_EQ(row.reference == nullptr, leaf) << row.name;
    EXPECT_EQ(row.lower == nullptr, leaf || host) << row.name;
    EXPECT_TRUE(row.max_inputs == -1 || row.min_inputs <= row.max_inputs) << row.name;
  }
}

TEST(EvaluateReference, RunsAGraphOnce) {
  Graph g;
  const ValueId x = g.add_input("x", {DType::f32, {g.symbol("n")}});
  const ValueId y = ops::binary(g, BinaryOp::mul, x, ops::scalar(g, DType::f32, 3));
  g.add_output("y", y);
  g.add_output("sum", ops::reduce(g, "sum", y));
  g.add_output("x", x);
  const auto results = evaluate_reference(g, std::vector{counting({4})});
  ASSERT_EQ(results.size(), 3u);
  EXPECT_THAT(values(results[0]), ElementsAre(0, 3, 6, 9));
  EXPECT_THAT(values(results[1]), ElementsAre(18));
  EXPECT_THAT(values(results[2]), ElementsAre(0, 1, 2, 3));
}

std::string complaint(const Graph& graph, const std::vector<ir::HostTensor>& inputs) {
  try {
    evaluate_reference(graph, inputs);
  } catch (const UserError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(EvaluateReference, RefusesInputsThatDoNotFit) {
  Graph g;
  g.add_output("y", ops::relu(g, g.add_input("image", {DType::f32, {g.symbol("n"), 3}})));
  EXPECT_THAT(complaint(g, {}), HasSubstr("takes 1 inputs, 0 were given"));
  EXPECT_THAT(complaint(g, {counting({2, 4})}), HasSubstr("'image' is f32 [2, 4]"));
  EXPECT_THAT(complaint(g, {counting({6})}), HasSubstr("the graph takes f32 [?, 3]"));
  EXPECT_THAT(complaint(g, {counting({2, 3}, DType::f64)}), HasSubstr("is f64"));
}

TEST(EvaluateReference, RefusesValuesWithoutAResult) {
  Graph g;
  const ValueId x = g.add_input("x", {DType::i32, {2}}), y = g.add_input("y", {DType::i32, {2}});
  g.add_output("q", ops::binary(g, BinaryOp::div, x, y));
  EXPECT_THAT(complaint(g, {tensor(DType::i32, {2}, {1, 2}), tensor(DType::i32, {2}, {1, 0})}),
              HasSubstr("division by zero"));
  Graph h;
  const ValueId data = h.add_input("data", {DType::f32, {3}}), at = h.add_input("at", {DType::i64, {1}});
  h.add_output("y", ops::gather(h, data, at, 0));
  EXPECT_THAT(complaint(h, {counting({3}), tensor(DType::i64, {1}, {3})}),
              HasSubstr("index 3 is out of range"));
  EXPECT_THAT(complaint(h, {counting({3}), tensor(DType::i64, {1}, {-4})}), HasSubstr("index -4"));
}

}  // namespace
}  // namespace tunesmith::tracer
