// Models of very many nodes, operands and dimensions: nothing walks them by recursion, and nothing takes time
// that grows with the square of their length.
#include <filesystem>
#include <fstream>

#include "tests/tracer/onnx_import_run.h"
#include "tracer/program.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

constexpr int length = 100'000;

std::string value_name(int i) { return i == 0 ? "x" : fmt::format("v{}", i); }

/// x through `length` nodes; `node(i)` reads v(i - 1) and gives v(i), the last of which is the output.
template <class MakeNode>
ModelText chain(int count, const MakeNode& node) {
  ModelText text{{}, {value_info("x", {4})}, {value_info(value_name(count), {4})}};
  for (int i = 1; i <= count; ++i) {
    NodeText next = node(i);
    next.inputs.insert(next.inputs.begin(), value_name(i - 1));
    next.outputs = {value_name(i)};
    next.name = fmt::format("n{}", i);
    text.nodes.push_back(std::move(next));
  }
  return text;
}

TEST(OnnxLongModels, AChainOfNodesIsImportedAndFused) {
  const Graph graph = import_text(chain(length, [](int i) {
    return NodeText{i % 2 ? "Neg" : "Abs", {}, {}};
  }));
  EXPECT_EQ(graph.size(), length + 1u);
  const HostTensor x = f32({4}, {1, -2, 3, -4});
  EXPECT_EQ(values(evaluate_reference(graph, {&x, 1})[0])[1], 2);
  EXPECT_GE(make_program(graph).steps.size(), static_cast<std::size_t>(length / 64));
}

TEST(OnnxLongModels, AValueThatAllNodesReadIsFusedInTime) {
  const Graph graph = import_text(chain(20'000, [](int) { return NodeText{"Add", {"x"}, {}}; }));
  EXPECT_FALSE(make_program(graph).steps.empty());
}

TEST(OnnxLongModels, ConstantsThatHangOnOneAnotherAreFolded) {
  ModelText text = chain(length, [](int) { return NodeText{"Add", {"zeros"}, {}}; });
  text.nodes[0].inputs = {"two", "zeros"};
  text.inputs = {value_info("data", {6})};
  text.initializers = {i64_tensor("two", {2}, {2, 3}), i64_tensor("zeros", {2}, {0, 0})};
  text.nodes.push_back({"Reshape", {"data", value_name(length)}, {"y"}, {}, "last"});
  text.outputs = {value_info("y", {2, 3})};
  const Graph graph = import_text(text);
  EXPECT_EQ(to_ints(graph.type(graph.outputs()[0].value).shape), (Dims{2, 3}));
}

TEST(OnnxLongModels, ViewsOfViewsAreCutIntoSteps) {
  ModelText text = chain(20'000, [](int i) {
    if (i % 2) return NodeText{"Transpose", {}, {}};
    return NodeText{"Reshape", {"flat"}, {}};
  });
  text.inputs = {value_info("x", {2, 3, 4})};
  text.initializers = {i64_tensor("flat", {3}, {2, 3, 4})};
  const Graph graph = import_text(text);
  const HostTensor x = counting({2, 3, 4});
  const auto want = evaluate_reference(graph, {&x, 1});
  for (const bool layouts : {false, true}) {
    const auto got = interpret_program(make_program(graph, {.choose_layouts = layouts}), {&x, 1});
    EXPECT_EQ(values(got[0]), values(want[0]));
  }
}

TEST(OnnxLongModels, ManyPartsAreConcatenatedInRounds) {
  ModelText text{
      {{"Concat", {}, {"y"}, {int_attribute("axis", 0)}}}, {value_info("x", {4})}, {value_info("y", {})}};
  std::vector<double> want;
  for (int i = 0; i < 5000; ++i) {
    text.nodes[0].inputs.push_back("x");
    want.insert(want.end(), {1, 2, 3, 4});
  }
  const Graph graph = import_text(text);
  const HostTensor x = f32({4}, {1, 2, 3, 4});
  EXPECT_EQ(values(evaluate_reference(graph, {&x, 1})[0]), want);
  EXPECT_EQ(values(interpret_program(make_program(graph), {&x, 1})[0]), want);
}

TEST(OnnxLongModels, ExtentsThatGrowWithoutEndAreRefused) {
  // Windows of stride 2 over a padded symbolic extent: each adds a rounding division to the extent.
  ModelText text = chain(2000, [](int) {
    Message pads = Message().text(1, "pads").number(8, 9).number(8, 9).number(20, 7);
    Message kernel = Message().text(1, "kernel_shape").number(8, 3).number(20, 7);
    Message strides = Message().text(1, "strides").number(8, 2).number(20, 7);
    return NodeText{"MaxPool", {}, {}, {pads, kernel, strides}};
  });
  text.inputs = {value_info("x", {1, 1, -1})};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("(MaxPool, opset 18)"), HasSubstr("too long an expression")));
}

TEST(OnnxLongModels, ATensorOfManyAxesIsRefused) {
  const ModelText text{{{"Relu", {"x"}, {"y"}}}, {value_info("x", Dims(100'000, -1))}, {y23}};
  EXPECT_THAT(refusal(text), HasSubstr("a tensor of 100000 axes"));
}

TEST(OnnxLongModels, LoopsInLoopsAreRefused) {
  auto looped = [](const Message& body) {
    return NodeText{"Loop", {"n", ""}, {}, {graph_attribute("body", body)}, "loop"};
  };
  auto body_of = [](NodeText node) {
    return graph_message({{std::move(node), {"Identity", {"c"}, {"c2"}, {}, "i"}},
                          {value_info("i", {}, onnx_i64), value_info("c", {}, onnx_bool)},
                          {value_info("c2", {}, onnx_bool)}});
  };
  // Names of an inner body would hide those of the outer ones.
  const Message inner = graph_message({{{"Identity", {"d"}, {"d2"}, {}, "j"}},
                                       {value_info("k", {}, onnx_i64), value_info("d", {}, onnx_bool)},
                                       {value_info("d2", {}, onnx_bool)}});
  const Message body = body_of(looped(inner));
  const ModelText text{{looped(body)}, {x23}, {value_info("x", {2, 3})}, {i64_tensor("n", {}, {4096})}};
  EXPECT_THAT(refusal(text), HasSubstr("more than 1048576 nodes"));
}

TEST(OnnxLongModels, LongSequencesAreRefused) {
  const Message x = value_info("x", {100'000'000, 1, 1});
  const struct {
    const char* op;
    int gates;
  } cells[] = {{"RNN", 1}, {"GRU", 3}, {"LSTM", 4}};
  for (const auto& [op, gates] : cells) {
    const Message w = f32_tensor("w", {1, gates, 1}, std::vector<float>(static_cast<std::size_t>(gates), 1));
    const ModelText text{{{op, {"x", "w", "w"}, {"y"}}}, {x}, {value_info("y", {})}, {w}};
    EXPECT_THAT(refusal(text), AllOf(HasSubstr(std::string("node 'n1' (") + op),
                                     HasSubstr("100000000 elements"), HasSubstr("up to 4096")));
  }
  ModelText attention{{{"LinearAttention",
                        {"x", "x", "x"},
                        {"y"},
                        {int_attribute("q_num_heads", 1), int_attribute("kv_num_heads", 1),
                         text_attribute("update_rule", "linear")}}},
                      {value_info("x", {1, 100'000'000, 1})},
                      {value_info("y", {})}};
  attention.opset = 27;
  EXPECT_THAT(refusal(attention), AllOf(HasSubstr("(LinearAttention"), HasSubstr("100000000 elements")));
}

TEST(OnnxLongModels, ManyLongSequencesAreRefused) {
  ModelText text = chain(400, [](int i) {
    return i % 2 ? NodeText{"LSTM", {"w", "w"}, {}} : NodeText{"Squeeze", {"one"}, {}};
  });
  text.inputs = {value_info("x", {4096, 1, 1})};
  text.initializers = {f32_tensor("w", {1, 4, 1}, {1, 2, 3, 4}), i64_tensor("one", {1}, {1})};
  EXPECT_THAT(refusal(text), HasSubstr("more than 1048576 operators"));
}

TEST(OnnxLongModels, AFileBeyondTwoGibibytesIsTold) {
  const std::filesystem::path path = ::testing::TempDir() + "tunesmith_huge.onnx";
  std::ofstream(path).put('x');
  std::filesystem::resize_file(path, std::uintmax_t{3} << 30);  // sparse: takes no room
  try {
    import_onnx(path.string());
    ADD_FAILURE() << "the file was imported";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr(path.string()), HasSubstr("3221225472 bytes"),
                                    HasSubstr("2 GiB"), HasSubstr("external data")));
  }
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace tunesmith::tracer
