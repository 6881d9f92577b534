// What the declared operator set says: operators and attributes that it does not have are refused, and
// attributes that say how to compute are honoured or refused, never ignored.
#include <limits>

#include "tests/tracer/onnx_import_run.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

constexpr int onnx_f16 = 10, onnx_f64 = 11;

ModelText one(NodeText node, std::int64_t opset, std::vector<Message> inputs = {x23}) {
  ModelText text{{std::move(node)}, std::move(inputs), {value_info("y", {})}};
  text.opset = opset;
  return text;
}

TEST(OnnxOperatorSets, AnOperatorOfALaterSetNamesBoth) {
  EXPECT_THAT(refusal(one({"Gelu", {"x"}, {"y"}}, 18)),
              AllOf(HasSubstr("node 'n1' (Gelu, opset 18)"), HasSubstr("since opset 20"),
                    HasSubstr("declares opset 18")));
  EXPECT_NO_THROW(import_text(one({"Gelu", {"x"}, {"y"}}, 20)));
  EXPECT_THAT(refusal(one({"LayerNormalization", {"x"}, {"y"}}, 16)), HasSubstr("since opset 17"));
}

TEST(OnnxOperatorSets, AnAttributeOfAnotherSetNamesBoth) {
  const NodeText clip{"Clip", {"x"}, {"y"}, {float_attribute("min", 0)}};
  EXPECT_THAT(refusal(one(clip, 18)), AllOf(HasSubstr("(Clip, opset 18)"), HasSubstr("'min'"),
                                            HasSubstr("before opset 11"), HasSubstr("declares opset 18")));
  EXPECT_NO_THROW(import_text(one(clip, 10)));
  const NodeText last{"ArgMax", {"x"}, {"y"}, {int_attribute("select_last_index", 1)}};
  EXPECT_THAT(refusal(one(last, 11)), AllOf(HasSubstr("'select_last_index'"), HasSubstr("since opset 12")));
  EXPECT_NO_THROW(import_text(one(last, 12)));
  const NodeText pads{"Pad", {"x"}, {"y"}, {float_attribute("value", 1)}};
  EXPECT_THAT(refusal(one(pads, 13)), AllOf(HasSubstr("'value'"), HasSubstr("before opset 11")));
}

TEST(OnnxOperatorSets, AnOperatorThatWasRemovedNamesBoth) {
  ModelText scatter = one({"Scatter", {"x", "i", "x"}, {"y"}}, 10);
  scatter.initializers = {i64_tensor("i", {2, 3}, {0, 0, 0, 1, 1, 1})};
  EXPECT_NO_THROW(import_text(scatter));
  scatter.opset = 11;
  EXPECT_THAT(refusal(scatter), AllOf(HasSubstr("(Scatter, opset 11)"), HasSubstr("before opset 11 only")));
  ModelText upsample = one({"Upsample", {"x", "s"}, {"y"}}, 9);
  upsample.initializers = {f32_tensor("s", {2}, {1, 2})};
  EXPECT_NO_THROW(import_text(upsample));
  upsample.opset = 10;
  EXPECT_THAT(refusal(upsample), AllOf(HasSubstr("(Upsample, opset 10)"), HasSubstr("before opset 10 only")));
}

TEST(OnnxOperatorSets, AnOperandOfALaterSetNamesBoth) {
  ModelText squeeze = one({"Squeeze", {"x", "axes"}, {"y"}}, 13, {value_info("x", {1, 3})});
  squeeze.initializers = {i64_tensor("axes", {1}, {0})};
  EXPECT_NO_THROW(import_text(squeeze));
  squeeze.opset = 12;
  EXPECT_THAT(refusal(squeeze),
              AllOf(HasSubstr("(Squeeze, opset 12)"), HasSubstr("operand 1 exists since opset 13"),
                    HasSubstr("declares opset 12")));
  ModelText clip = one({"Clip", {"x", "", "top"}, {"y"}}, 10);
  clip.initializers = {f32_tensor("top", {}, {1})};
  EXPECT_THAT(refusal(clip), HasSubstr("operand 2 exists since opset 11"));
  clip.opset = 11;
  clip.nodes[0].attributes = {int_attribute("#1", 1)};  // how the tables write an operand
  EXPECT_THAT(refusal(clip), HasSubstr("attribute '#1' is not supported"));
}

TEST(OnnxOperatorSets, TheOldBroadcastIsOfSetsBeforeSeven) {
  const NodeText add{"Add", {"x", "b"}, {"y"}, {int_attribute("broadcast", 1), int_attribute("axis", 0)}};
  const ModelText old = one(add, 6, {x23, value_info("b", {2})});
  EXPECT_THAT(results_of(old, {f32({2, 3}, {0, 0, 0, 0, 0, 0}), f32({2}, {1, 2})}),
              ElementsAre(1, 1, 1, 2, 2, 2));
  EXPECT_THAT(refusal(one(add, 7, {x23, value_info("b", {2})})),
              AllOf(HasSubstr("(Add, opset 7)"), HasSubstr("'broadcast'"), HasSubstr("before opset 7")));
}

TEST(OnnxOperatorSets, ASlopeAChannelNeedsAChannelAxis) {
  const NodeText prelu{"PRelu", {"x", "s"}, {"y"}};
  const ModelText good = one(prelu, 6, {value_info("x", {1, 2, 1}), value_info("s", {2})});
  EXPECT_THAT(results_of(good, {f32({1, 2, 1}, {-1, -1}), f32({2}, {2, 3})}), ElementsAre(-2, -3));
  for (const Dims& shape : {Dims{}, Dims{2}})
    EXPECT_THAT(refusal(one(prelu, 6, {value_info("x", shape), value_info("s", {2})})),
                AllOf(HasSubstr("(PRelu, opset 6)"), HasSubstr("2 or more")));
}

TEST(OnnxOperatorSets, DropoutThatTrainsIsRefused) {
  EXPECT_THAT(refusal(one({"Dropout", {"x"}, {"y"}}, 6)), HasSubstr("'is_test' is 0"));
  EXPECT_NO_THROW(import_text(one({"Dropout", {"x"}, {"y"}, {int_attribute("is_test", 1)}}, 6)));
}

TEST(OnnxOperatorSets, SoftmaxPrecisionIsHonoured) {
  const Message q = value_info("q", {1, 1, 2, 2}), k = value_info("k", {1, 1, 2, 2});
  auto model = [&](int precision) {
    return one({"Attention", {"q", "k", "k"}, {"y"}, {int_attribute("softmax_precision", precision)}}, 23,
               {q, k});
  };
  auto computes_in_f64 = [](const Graph& graph) {
    return std::ranges::any_of(graph.ops(), [](const Op& op) {
      return op.kind == OpKind::softmax && op.outputs[0].dtype == DType::f64;
    });
  };
  EXPECT_FALSE(computes_in_f64(import_text(model(onnx_f32))));
  EXPECT_FALSE(computes_in_f64(import_text(model(onnx_f16))));  // f32 is more precise
  const Graph graph = import_text(model(onnx_f64));
  EXPECT_TRUE(computes_in_f64(graph));
  EXPECT_EQ(graph.type(graph.outputs()[0].value).dtype, DType::f32);
  EXPECT_THAT(refusal(model(onnx_i64)), AllOf(HasSubstr("(Attention, opset 23)"),
                                              HasSubstr("'softmax_precision' is 7"), HasSubstr("accepted")));
}

TEST(OnnxOperatorSets, StashTypeIsHonoured) {
  auto model = [&](const char* op, int opset, int type, std::vector<Message> more = {}) {
    more.push_back(int_attribute("stash_type", type));
    std::vector<std::string> operands{"x", "s", "s"};
    if (std::string_view(op) == "RMSNormalization") operands.pop_back();
    return one({op, operands, {"y"}, more}, opset, {value_info("x", {1, 4}), value_info("s", {4})});
  };
  // Squares that f32 cannot hold.
  const HostTensor x = f32({1, 4}, {1e30, -1e30, 1e30, -1e30}), s = f32({4}, {1, 1, 1, 0});
  for (const auto& [op, opset] : {std::pair{"LayerNormalization", 17}, {"RMSNormalization", 23}}) {
    const Graph graph = import_text(model(op, opset, onnx_f64));
    EXPECT_TRUE(
        std::ranges::any_of(graph.ops(), [](const Op& o) { return o.outputs[0].dtype == DType::f64; }));
    EXPECT_EQ(graph.type(graph.outputs()[0].value).dtype, DType::f32) << op;
    EXPECT_NEAR(values(evaluate_reference(graph, std::vector{x, s})[0])[0],
                std::string_view(op) == "RMSNormalization" ? 1 : 2, 1e-6);
    EXPECT_THAT(refusal(model(op, opset, onnx_u8)), AllOf(HasSubstr(op), HasSubstr("'stash_type' is 2")));
  }
  const Message groups = int_attribute("num_groups", 2);
  const Graph grouped = import_text(model("GroupNormalization", 21, onnx_f64, {groups}));
  EXPECT_EQ(grouped.type(grouped.outputs()[0].value).dtype, DType::f32);
  EXPECT_THAT(refusal(model("GroupNormalization", 21, onnx_i64, {groups})), HasSubstr("'stash_type' is 7"));
}

TEST(OnnxOperatorSets, TheDivisionOfQuantizeLinearHasItsPrecision) {
  // 1000.5 / 0.5 is 2001 in f32, and 2000 or 2002 in f16, whose neighbours lie 2 apart there.
  auto quantized = [&](std::vector<Message> attributes) {
    ModelText text =
        one({"QuantizeLinear", {"x", "s", "z"}, {"y"}, std::move(attributes)}, 23, {value_info("x", {1})});
    text.initializers = {f32_tensor("s", {}, {0.5f}),
                         tensor_head("z", {}, 5).number(5, 0)};  // i16: int32_data
    return results_of(text, {f32({1}, {1000.25})})[0];
  };
  EXPECT_EQ(quantized({}), 2000);
  EXPECT_EQ(quantized({int_attribute("precision", onnx_f32)}), 2000);
  ModelText bad = one({"QuantizeLinear", {"x", "s"}, {"y"}, {int_attribute("precision", onnx_f64)}}, 23,
                      {value_info("x", {1})});
  bad.initializers = {f32_tensor("s", {}, {0.5f})};
  EXPECT_THAT(refusal(bad), AllOf(HasSubstr("(QuantizeLinear, opset 23)"), HasSubstr("'precision' is 11")));
  bad.opset = 21;
  EXPECT_THAT(refusal(bad), AllOf(HasSubstr("'precision'"), HasSubstr("since opset 23")));
}

Dims range_of(std::int64_t start, std::int64_t limit, std::int64_t delta) {
  ModelText text = one({"Range", {"a", "b", "c"}, {"y"}}, 18, {});
  text.initializers = {i64_tensor("a", {}, {start}), i64_tensor("b", {}, {limit}),
                       i64_tensor("c", {}, {delta})};
  const HostTensor result = evaluate_reference(import_text(text), {})[0];
  Dims elements;
  for (std::int64_t i = 0; i < result.size(); ++i) elements.push_back(result.int_at(i));
  return elements;
}

TEST(OnnxOperatorSets, IntegerRangesAreExact) {
  constexpr std::int64_t big = (std::int64_t{1} << 53) + 1, most = std::numeric_limits<std::int64_t>::max(),
                         least = std::numeric_limits<std::int64_t>::min();
  EXPECT_THAT(range_of(big, big + 3, 2), ElementsAre(big, big + 2));
  EXPECT_THAT(range_of(most - 2, most, 1), ElementsAre(most - 2, most - 1));
  EXPECT_THAT(range_of(least, most, most), ElementsAre(least, -1, most - 1));
  EXPECT_THAT(range_of(1, -4, -2), ElementsAre(1, -1, -3));
  EXPECT_THAT(range_of(0, least, least), ElementsAre(0));
  EXPECT_TRUE(range_of(3, 3, 1).empty());
  EXPECT_TRUE(range_of(3, 4, -1).empty());
  ModelText endless = one({"Range", {"a", "b", "c"}, {"y"}}, 18, {});
  endless.initializers = {i64_tensor("a", {}, {least}), i64_tensor("b", {}, {most}),
                          i64_tensor("c", {}, {1})};
  EXPECT_THAT(refusal(endless), HasSubstr("18446744073709551615 elements"));
}

}  // namespace
}  // namespace tunesmith::tracer
