// Import of ONNX models: what bad input is told, options, functions, branches, loops and external data.
#include "tracer/onnx/import.h"

#include <filesystem>
#include <fstream>
#include <limits>

#include "tests/tracer/onnx_import_run.h"
#include "tracer/op_table.h"
#include "tracer/program.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;
using ::testing::Not;

ModelText relu() { return {{{"Relu", {"x"}, {"y"}}}, {x23}, {y23}}; }

TEST(OnnxImport, RefusesWhatIsNoModel) {
  EXPECT_THAT(refusal(std::string()), HasSubstr("truncated or damaged"));
  EXPECT_THAT(refusal(std::string("hello, this is no model at all")), HasSubstr("not an ONNX model"));
  const std::string whole = model_bytes(relu());
  for (std::size_t length = 1; length < whole.size(); ++length) {
    SCOPED_TRACE(length);
    EXPECT_FALSE(refusal(whole.substr(0, length)).empty());
  }
}

TEST(OnnxImport, RefusesAFileThatIsNotThere) {
  try {
    import_onnx("no/such/model.onnx");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot read 'no/such/model.onnx'"));
  }
}

TEST(OnnxImport, NamesAnUnknownOperator) {
  ModelText text = relu();
  text.nodes[0].op = "Relu7";
  EXPECT_THAT(refusal(text), HasSubstr("node 'n1' (Relu7, opset 18): this operator is not supported"));
  text = relu();
  text.nodes[0].domain = "com.example";
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("node 'n1'"), HasSubstr("domain 'com.example'")));
}

TEST(OnnxImport, NamesAnAttributeThatIsUnknownMissingOrOfTheWrongType) {
  ModelText text = relu();
  text.nodes[0].attributes = {int_attribute("fancy", 1)};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("(Relu, opset 18)"), HasSubstr("'fancy'")));
  text.nodes[0] = {"Concat", {"x", "x"}, {"y"}};
  EXPECT_THAT(refusal(text), HasSubstr("attribute 'axis' is missing"));
  text.nodes[0].attributes = {text_attribute("axis", "rows")};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("attribute 'axis'"), HasSubstr("accepted: INT")));
  text.opset = 20;
  text.nodes[0] = {"Gelu", {"x"}, {"y"}, {text_attribute("approximate", "fast")}};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("'fast'"), HasSubstr("accepted: none, tanh")));
}

TEST(OnnxImport, NamesAnAttributeValueThatIsUnknown) {
  const ModelText text{
      {{"DepthToSpace", {"x"}, {"y"}, {int_attribute("blocksize", 2), text_attribute("mode", "XYZ")}}},
      {value_info("x", {1, 4, 2, 2})},
      {y23}};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("'XYZ'"), HasSubstr("accepted: DCR, CRD")));
}

TEST(OnnxImport, RefusesAConvolutionWithoutAWindow) {
  const ModelText text{{{"ConvInteger", {"x", "w"}, {"y"}}},
                       {value_info("x", {1, 1, 4, 4}, onnx_u8), value_info("w", {1}, onnx_u8)},
                       {y23}};
  EXPECT_THAT(refusal(text), HasSubstr("the weight has fewer than 3 dimensions"));
}

HostTensor bytes(std::vector<std::int64_t> shape, double value) {
  HostTensor tensor(ir::DType::u8, std::move(shape));
  for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, value);
  return tensor;
}

TEST(OnnxImport, IntegerProductsAreExact) {
  // 301 products of 255 * 255: odd, and beyond 2^24, where f32 holds even numbers only.
  constexpr double want = 301.0 * 255 * 255;
  ModelText text{{{"MatMulInteger", {"a", "b", "", "z"}, {"y"}}},
                 {value_info("a", {1, 301}, onnx_u8), value_info("b", {301, 1}, onnx_u8)},
                 {value_info("y", {1, 1})}};
  for (const int zero : {0, 1}) {
    text.initializers = {tensor_head("z", {}, onnx_u8).number(5, zero)};
    EXPECT_THAT(results_of(text, {bytes({1, 301}, 255), bytes({301, 1}, 255)}),
                ::testing::ElementsAre(want - zero * 301 * 255));
  }
  text.initializers = {i64_tensor("z", {}, {0})};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("(MatMulInteger"), HasSubstr("zero point of operand 1 is i64")));
  text.nodes[0].inputs = {"a", "b"};
  text.inputs[1] = value_info("b", {301, 1});
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("operand 1 is f32"), HasSubstr("i8, u8")));
}

TEST(OnnxImport, QuantisedProductsAreSummedExactly) {
  // 600 large products, 3, and the large ones again with the other sign: in f32, which holds even numbers only beyond 2^24,
  // it would be 5.
  constexpr std::int64_t half = 600, size = 2 * half + 1;
  HostTensor x = bytes({1, size}, 255), w(ir::DType::i8, {size, 1});
  for (std::int64_t i = 0; i < size; ++i) w.set(i, i < half ? 127 : -127);
  x.set(half, 3);
  w.set(half, 1);
  ModelText text{{{"QLinearMatMul", {"x", "one", "zero", "w", "one", "none", "one", "zero"}, {"y"}}},
                 {value_info("x", {1, size}, onnx_u8), value_info("w", {size, 1}, onnx_i8)},
                 {value_info("y", {1, 1}, onnx_u8)}};
  text.initializers = {f32_tensor("one", {}, {1}), tensor_head("zero", {}, onnx_u8).number(5, 0),
                       tensor_head("none", {}, onnx_i8).number(5, 0)};
  // Of the kernels: the operators' references sum in double precision.
  auto result = [&](const std::vector<HostTensor>& inputs) {
    return interpret_program(make_program(import_text(text)), inputs).at(0).at(0);
  };
  EXPECT_EQ(result({x, w}), 3);

  text.nodes[0] = {"QLinearConv", {"x", "one", "zero", "w", "one", "none", "half", "zero", "bias"}, {"y"}};
  text.inputs = {value_info("x", {1, size, 1}, onnx_u8), value_info("w", {1, size, 1}, onnx_i8)};
  text.outputs = {value_info("y", {1, 1, 1}, onnx_u8)};
  text.initializers.push_back(f32_tensor("half", {}, {0.5f}));
  text.initializers.push_back(tensor_head("bias", {1}, onnx_i32).number(5, 4));
  EXPECT_EQ(result({x.reshaped({1, size, 1}), w.reshaped({1, size, 1})}), 14);
}

TEST(OnnxImport, IntegerConvolutionsTakeTheAttributesOfAll) {
  ModelText text{{{"ConvInteger", {"x", "w"}, {"y"}, {text_attribute("auto_pad", "SAME_UPPER")}}},
                 {value_info("x", {1, 301, 2}, onnx_u8), value_info("w", {1, 301, 2}, onnx_u8)},
                 {value_info("y", {1, 1, 2})}};
  constexpr double one = 301.0 * 255 * 255;  // beyond 2^24 and odd
  EXPECT_THAT(results_of(text, {bytes({1, 301, 2}, 255), bytes({1, 301, 2}, 255)}),
              ::testing::ElementsAre(2 * one, one));
  text.nodes[0].attributes = {Message().text(1, "kernel_shape").number(8, 3).number(20, 7)};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("(ConvInteger"), HasSubstr("'kernel_shape'")));
}

TEST(OnnxImport, RefusesKnownIndicesThatAreOutOfRange) {
  const Message x = value_info("x", {2, 3});
  const struct {
    NodeText node;
    Message indices;
    const char* told;
  } cases[] = {
      {{"Gather", {"x", "i"}, {"y"}, {int_attribute("axis", -1)}},
       i64_tensor("i", {2}, {0, 3}),
       "index 3 is out of range for axis 1 of extent 3"},
      {{"GatherElements", {"x", "i"}, {"y"}},
       i64_tensor("i", {1, 3}, {0, 1, -3}),
       "index -3 is out of range for axis 0 of extent 2"},
      {{"GatherND", {"x", "i"}, {"y"}},
       i64_tensor("i", {2, 2}, {-2, -3, 1, 3}),
       "index 3 is out of range for axis 1 of extent 3"},
      {{"ScatterElements", {"x", "i", "x"}, {"y"}},
       i64_tensor("i", {2, 3}, {0, 1, 0, 1, 0, 2}),
       "index 2 is out of range for axis 0 of extent 2"},
      {{"ScatterND", {"x", "i", "x"}, {"y"}},
       i64_tensor("i", {2, 1}, {0, 2}),
       "index 2 is out of range for axis 0 of extent 2"},
  };
  for (const auto& [node, indices, told] : cases) {
    const ModelText text{{node}, {x}, {y23}, {indices}};
    EXPECT_THAT(refusal(text), AllOf(HasSubstr("node 'n1' (" + node.op), HasSubstr(told)));
  }
}

TEST(OnnxImport, TakesEveryWholeNumberAsAConstant) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const Message list = Message().text(1, "value_ints").number(8, most).number(8, -most).number(20, 7);
  const ModelText text{{{"Constant", {}, {"a"}, {int_attribute("value_int", most)}},
                        {"Constant", {}, {"b"}, {list}, "n2"},
                        {"BitwiseXor", {"a", "b"}, {"y"}, {}, "n3"}},
                       {},
                       {value_info("y", {2}, onnx_i64)}};
  const HostTensor result = evaluate_reference(import_text(text), {})[0];
  EXPECT_EQ(result.int_at(0), 0);
  EXPECT_EQ(result.int_at(1), most ^ -most);
}

TEST(OnnxImport, NamesAnOperatorSetThatIsNotSupported) {
  ModelText text = relu();
  text.opset = 99;
  EXPECT_THAT(refusal(text), HasSubstr("operator set 99 is not supported; accepted: 1 to"));
  text.opset = 0;
  EXPECT_THAT(refusal(text), HasSubstr("does not say which operator set"));
}

TEST(OnnxImport, NamesAMissingOperandAndOneTooMany) {
  ModelText text{{{"Add", {"x"}, {"y"}}}, {x23}, {y23}};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("(Add, opset 18)"), HasSubstr("operand 1 is missing")));
  text.nodes[0].inputs = {"x", ""};
  EXPECT_THAT(refusal(text), HasSubstr("operand 1 is missing"));
  text.nodes[0].inputs = {"x", "x", "x"};
  EXPECT_THAT(refusal(text), HasSubstr("operand 2 is not supported"));
  text.nodes[0].inputs = {"x", "ghost"};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("'ghost'"), HasSubstr("no earlier node")));
}

TEST(OnnxImport, NamesAnOutputThatNobodyComputes) {
  ModelText text = relu();
  text.outputs = {value_info("z", {2, 3})};
  EXPECT_THAT(refusal(text), HasSubstr("output 'z' is computed by no node"));
  text = relu();
  text.nodes[0].outputs = {"y", "extra"};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("(Relu)"), HasSubstr("'extra'")));
  text = relu();
  text.outputs.clear();
  EXPECT_THAT(refusal(text), HasSubstr("'m.onnx': the model has no outputs"));
}

TEST(OnnxImport, NamesAValueThatIsDefinedTwice) {
  ModelText text = relu();
  text.nodes.push_back({"Sigmoid", {"x"}, {"y"}, {}, "n2"});
  EXPECT_THAT(refusal(text), HasSubstr("value 'y' is defined twice"));
  text = relu();
  text.inputs.push_back(x23);
  EXPECT_THAT(refusal(text), HasSubstr("input 'x' is declared twice"));
}

TEST(OnnxImport, NamesTheNodeWhoseOperandsDoNotFit) {
  const ModelText text{{{"Add", {"x", "b"}, {"y"}, {}, "sum"}}, {x23, value_info("b", {5})}, {y23}};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("node 'sum' (Add, opset 18)"), HasSubstr("5")));
  const ModelText product{{{"MatMul", {"x", "x"}, {"y"}, {}, "mm"}}, {x23}, {y23}};
  EXPECT_THAT(refusal(product), HasSubstr("node 'mm' (MatMul, opset 18)"));
}

TEST(OnnxImport, NamesATensorWhoseDataAreMissing) {
  ModelText text{{{"Add", {"x", "w"}, {"y"}}}, {x23}, {y23}, {f32_tensor("w", {3}, {1, 2})}};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("tensor 'w'"), HasSubstr("has 2 values, the shape needs 3")));
  text.initializers = {f32_tensor("w", {3}, {})};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("tensor 'w'"), HasSubstr("no data")));
  text.initializers = {f32_tensor("w", {-3}, {1})};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("tensor 'w'"), HasSubstr("-3")));
  text.initializers = {f32_tensor("w", {1 << 30, 1 << 30, 1 << 30}, {1})};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("tensor 'w'"), HasSubstr("out of range")));
  text.initializers = {f32_tensor("w", {1 << 17, 1 << 16}, {1})};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("tensor 'w'"), HasSubstr("out of range")));
  text.initializers = {f32_tensor("w", {1 << 16, 1 << 16}, {1})};  // must not ask for 16 GiB first
  EXPECT_THAT(refusal(text), HasSubstr("has 1 values"));
  text.initializers = {tensor_head("w", {1}, onnx_string)};
  EXPECT_THAT(refusal(text), HasSubstr("element type 8"));
}

TEST(OnnxImport, TakesNoExternalDataFromOutsideTheFolder) {
  const std::filesystem::path folder = ::testing::TempDir() + "onnx_external";
  std::filesystem::create_directories(folder);
  ModelText text{{{"Add", {"x", "w"}, {"y"}}}, {x23}, {y23}};
  auto told = [&](const std::string& location) {
    text.initializers = {external_tensor("w", {3}, location)};
    return refusal(model_bytes(text), {}, folder.string());
  };
  EXPECT_THAT(told("../secret.bin"), AllOf(HasSubstr("tensor 'w'"), HasSubstr("'../secret.bin'")));
  EXPECT_THAT(told("a/../../secret.bin"), HasSubstr("does not lie in the model's folder"));
  EXPECT_THAT(told("/etc/hostname"), HasSubstr("does not lie in the model's folder"));
  EXPECT_THAT(told(""), HasSubstr("does not lie in the model's folder"));
  EXPECT_THAT(told("absent.bin"), AllOf(HasSubstr("tensor 'w'"), HasSubstr("absent.bin")));
  std::ofstream(folder / "short.bin") << "12345678";
  std::error_code error;
  std::filesystem::remove(folder / "link.bin", error);
  std::filesystem::create_symlink("/etc/hostname", folder / "link.bin");
  EXPECT_THAT(told("link.bin"), HasSubstr("does not lie in the model's folder"));
  EXPECT_THAT(told("short.bin"), AllOf(HasSubstr("short.bin"), HasSubstr("12 bytes")));
}

TEST(OnnxImport, ReadsExternalDataBesideTheModel) {
  const std::filesystem::path folder = ::testing::TempDir() + "onnx_external_good";
  std::filesystem::create_directories(folder);
  const float data[] = {1, 2, 4};
  std::ofstream(folder / "w.bin", std::ios::binary).write(reinterpret_cast<const char*>(data), sizeof(data));
  const ModelText text{{{"Add", {"x", "w"}, {"y"}}}, {x23}, {y23}, {external_tensor("w", {3}, "w.bin")}};
  std::ofstream(folder / "m.onnx", std::ios::binary) << model_bytes(text);
  const Graph graph = import_onnx((folder / "m.onnx").string());
  const HostTensor x = f32({2, 3}, {0, 0, 0, 1, 1, 1});
  EXPECT_THAT(values(evaluate_reference(graph, {&x, 1})[0]), ::testing::ElementsAre(1, 2, 4, 2, 3, 5));
  EXPECT_THAT(onnx_input_names((folder / "m.onnx").string()), ::testing::ElementsAre("x"));
}

TEST(OnnxImport, ChecksTheShapesAndValuesGiven) {
  EXPECT_THAT(refusal(relu(), {.shapes = {{"z", {2, 3}}}}), AllOf(HasSubstr("no input 'z'"), HasSubstr("x")));
  EXPECT_THAT(refusal(relu(), {.shapes = {{"x", {2}}}}), HasSubstr("input 'x' has 2 dimensions"));
  EXPECT_THAT(refusal(relu(), {.shapes = {{"x", {2, 4}}}}),
              AllOf(HasSubstr("input 'x'"), HasSubstr("dimension 1 is 3")));
  EXPECT_THAT(refusal(relu(), {.values = {{"z", f32({1}, {1})}}}), HasSubstr("no input 'z'"));
  EXPECT_THAT(refusal(relu(), {.values = {{"x", f32({1}, {1})}}}), HasSubstr("input 'x': the value given"));
  ModelText dynamic = relu();
  dynamic.inputs = {value_info("x", {-1, 3})};
  EXPECT_THAT(refusal(dynamic, {.shapes = {{"x", {-2, 3}}}}), HasSubstr("input 'x'"));
  EXPECT_THAT(refusal(dynamic, {.symbols = {{"n", -2}}}), HasSubstr("'n'"));
}

TEST(OnnxImport, DynamicDimensionsAreSymbolsUntilTheyAreGiven) {
  ModelText text = relu();
  text.inputs = {value_info("x", {-1, 3})};
  EXPECT_FALSE(is_static(import_text(text).type(import_text(text).outputs()[0].value).shape));
  const Graph by_shape = import_text(text, {.shapes = {{"x", {5, 3}}}});
  EXPECT_EQ(to_ints(by_shape.type(by_shape.outputs()[0].value).shape), (Dims{5, 3}));
  const Graph by_name = import_text(text, {.symbols = {{"n", 7}}});
  EXPECT_EQ(to_ints(by_name.type(by_name.outputs()[0].value).shape), (Dims{7, 3}));
}

TEST(OnnxImport, ANamedDimensionHasOneSize) {
  const ModelText text{
      {{"Add", {"a", "b"}, {"y"}}}, {value_info("a", {-1, 3}), value_info("b", {-1, 3})}, {y23}};
  const Graph graph = import_text(text, {.shapes = {{"b", {5, 3}}}});  // a's follows
  EXPECT_EQ(to_ints(graph.op(graph.inputs()[0]).outputs[0].shape), (Dims{5, 3}));
  EXPECT_THAT(refusal(text, {.shapes = {{"a", {3, 3}}, {"b", {4, 3}}}}),
              HasSubstr("dimension 'n' of input 'a' is 3, that of input 'b' 4"));
  EXPECT_THAT(refusal(text, {.shapes = {{"b", {4, 3}}}, .values = {{"a", f32({1, 3}, {1, 2, 3})}}}),
              HasSubstr("dimension 'n' of input 'a' is 1, that of input 'b' 4"));
  EXPECT_THAT(refusal(text, {.shapes = {{"b", {4, 3}}}, .symbols = {{"n", 7}}}),
              HasSubstr("dimension 'n' is given as 7, that of input 'b' 4"));
}

TEST(OnnxImport, OperatorsCarryTheNamesOfTheirNodes) {
  const Message branch = graph_message({{{"Neg", {"x"}, {"r"}, {}, "inner"}}, {}, {value_info("r", {2, 3})}});
  const ModelText text{{{"If",
                         {"c"},
                         {"t"},
                         {graph_attribute("then_branch", branch), graph_attribute("else_branch", branch)},
                         "outer"},
                        {"Celu", {"t"}, {"u"}, {}, "made of several"},
                        {"Exp", {"u"}, {"y"}, {}, ""}},
                       {x23},
                       {y23},
                       {bool_tensor("c", {}, {1})}};
  const Graph graph = import_text(text);
  EXPECT_THAT(graph.print(), AllOf(HasSubstr("{op=neg}  # inner"), Not(HasSubstr("outer")),
                                   HasSubstr("{op=expm1}  # made of several"), HasSubstr("{op=exp}  # y")));
}

TEST(OnnxImport, ErrorsOfConstantsNameTheNode) {
  ModelText text{{{"Div", {"one", "zero"}, {"q"}, {}, "quotient"}},
                 {},
                 {value_info("q", {1}, onnx_i64)},
                 {i64_tensor("one", {1}, {1}), i64_tensor("zero", {1}, {0})}};
  try {
    make_program(import_text(text));
    ADD_FAILURE() << "made a program";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("binary 'quotient': "));
  }
  text.nodes.push_back({"Reshape", {"x", "q"}, {"y"}, {}, "r"});
  text.inputs = {x23};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("node 'r' (Reshape"), HasSubstr("binary 'quotient': ")));
}

TEST(OnnxImport, AnInputThatDecidesAShapeCanBeFixed) {
  const ModelText text{{{"Reshape", {"x", "s"}, {"y"}, {}, "r"}},
                       {x23, value_info("s", {1}, onnx_i64)},
                       {value_info("y", {6})}};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("node 'r'"), HasSubstr("computed at run time")));
  HostTensor target(ir::DType::i64, {1});
  target.set_int(0, -1);
  const Graph graph = import_text(text, {.values = {{"s", target}}});
  EXPECT_EQ(to_ints(graph.type(graph.outputs()[0].value).shape), Dims{6});
  EXPECT_EQ(graph.inputs().size(), 1u);
}

TEST(OnnxImport, AnInitializerIsNoInput) {
  ModelText text{
      {{"Add", {"x", "w"}, {"y"}}}, {x23, value_info("w", {3})}, {y23}, {f32_tensor("w", {3}, {1, 2, 3})}};
  EXPECT_EQ(import_text(text).inputs().size(), 1u);
}

ModelText loop_model(const std::string& condition) {
  // Each round adds the round's number; the sums are stacked.
  const ModelText body{
      {{"Cast", {"i"}, {"f"}, {int_attribute("to", onnx_f32)}, "c"},
       {"Add", {"sum", "f"}, {"next"}, {}, "a"},
       {"Identity", {"next"}, {"scan"}, {}, "s"}},
      {value_info("i", {}, onnx_i64), value_info("go", {}, onnx_bool), value_info("sum", {1})},
      {value_info(condition, {}, onnx_bool), value_info("next", {1}), value_info("scan", {1})}};
  return {{{"Loop", {"n", "", "x"}, {"last", "all"}, {graph_attribute("body", graph_message(body))}, "loop"}},
          {value_info("x", {1})},
          {value_info("last", {1}), value_info("all", {4, 1})},
          {i64_tensor("n", {}, {4})}};
}

TEST(OnnxImport, ReadsLocalFunctions) {
  // f(a) = a + a, called twice.
  const Message body = node_message({"Add", {"a", "a"}, {"b"}, {}, "inner"});
  const Message function = Message()
                               .text(1, "Twice")
                               .text(4, "a")
                               .text(5, "b")
                               .message(7, body)
                               .message(9, Message().text(1, "").number(2, 18))
                               .text(10, "local");
  ModelText text{
      {{"Twice", {"x"}, {"t"}, {}, "n1", "local"}, {"Twice", {"t"}, {"y"}, {}, "n2", "local"}}, {x23}, {y23}};
  text.functions = {function};
  const Graph graph = import_text(text);
  const HostTensor x = f32({2, 3}, {0, 1, 2, 3, 4, 5});
  EXPECT_THAT(values(evaluate_reference(graph, {&x, 1})[0]), ::testing::ElementsAre(0, 4, 8, 12, 16, 20));
}

TEST(OnnxImport, ChecksTheAttributesAndOperandsOfCallsBranchesAndLoops) {
  ModelText call{{{"Same", {"x"}, {"y"}, {int_attribute("axis", 1)}, "call", "local"}}, {x23}, {y23}};
  call.functions = {Message()
                        .text(1, "Same")
                        .text(4, "a")
                        .text(5, "b")
                        .message(7, node_message({"Identity", {"a"}, {"b"}, {}, "inner"}))
                        .message(9, Message().text(1, "").number(2, 18))
                        .text(10, "local")};
  EXPECT_THAT(refusal(call), AllOf(HasSubstr("node 'call' (Same, opset 18)"), HasSubstr("'axis'")));
  call.nodes[0].attributes.clear();
  call.nodes[0].inputs = {"x", "x"};
  EXPECT_THAT(refusal(call), AllOf(HasSubstr("(Same, opset 18)"), HasSubstr("operand 1 is not supported")));

  const Message branch = graph_message({{{"Neg", {"x"}, {"r"}, {}, "b"}}, {}, {value_info("r", {2, 3})}});
  ModelText choice{{{"If",
                     {"c"},
                     {"y"},
                     {graph_attribute("then_branch", branch), graph_attribute("else_branch", branch),
                      int_attribute("fancy", 1)}}},
                   {x23},
                   {y23},
                   {bool_tensor("c", {}, {1})}};
  EXPECT_THAT(refusal(choice), AllOf(HasSubstr("(If, opset 18)"), HasSubstr("'fancy'")));
  choice.nodes[0].attributes.pop_back();
  EXPECT_NO_THROW(import_text(choice));
  choice.nodes[0].inputs = {"c", "x"};
  EXPECT_THAT(refusal(choice), AllOf(HasSubstr("(If, opset 18)"), HasSubstr("operand 1 is not supported")));

  ModelText loop = loop_model("go");
  loop.nodes[0].attributes.push_back(int_attribute("fancy", 1));
  EXPECT_THAT(refusal(loop), AllOf(HasSubstr("node 'loop' (Loop, opset 18)"), HasSubstr("'fancy'")));
}

TEST(OnnxImport, ValuesOfASubgraphMayNotHideThoseAroundIt) {
  const Message branch = graph_message({{{"Neg", {"x"}, {"x"}, {}, "b"}}, {}, {value_info("x", {2, 3})}});
  const ModelText text{{{"If",
                         {"c"},
                         {"y"},
                         {graph_attribute("then_branch", branch), graph_attribute("else_branch", branch)}}},
                       {x23},
                       {y23},
                       {bool_tensor("c", {}, {1})}};
  EXPECT_THAT(refusal(text), HasSubstr("value 'x' is defined twice"));
}

TEST(OnnxImport, RefusesAFunctionThatCallsItself) {
  const Message body = node_message({"Again", {"a"}, {"b"}, {}, "inner", "local"});
  ModelText text{{{"Again", {"x"}, {"y"}, {}, "n1", "local"}}, {x23}, {y23}};
  text.functions = {Message()
                        .text(1, "Again")
                        .text(4, "a")
                        .text(5, "b")
                        .message(7, body)
                        .message(9, Message().text(1, "").number(2, 18))
                        .text(10, "local")};
  EXPECT_THAT(refusal(text), HasSubstr("deep"));
}

TEST(OnnxImport, UnrollsALoopOfKnownLength) {
  const Graph graph = import_text(loop_model("go"));
  const HostTensor x = f32({1}, {10});
  const auto results = evaluate_reference(graph, {&x, 1});
  EXPECT_THAT(values(results[0]), ::testing::ElementsAre(16));
  EXPECT_THAT(values(results[1]), ::testing::ElementsAre(10, 11, 13, 16));
}

TEST(OnnxImport, ALoopWithoutATripCountEndsByItsCondition) {
  // As exporters write `while`: the largest trip count, and a condition that is known in each round.
  const ModelText body{{{"Less", {"i", "two"}, {"next"}, {}, "l"}, {"Identity", {"i"}, {"scan"}, {}, "s"}},
                       {value_info("i", {}, onnx_i64), value_info("go", {}, onnx_bool)},
                       {value_info("next", {}, onnx_bool), value_info("scan", {}, onnx_i64)}};
  const ModelText text{
      {{"Loop", {"n", ""}, {"all"}, {graph_attribute("body", graph_message(body))}, "loop"}},
      {},
      {value_info("all", {3}, onnx_i64)},
      {i64_tensor("n", {}, {std::numeric_limits<std::int64_t>::max()}), i64_tensor("two", {}, {2})}};
  EXPECT_THAT(values(evaluate_reference(import_text(text), {})[0]), ::testing::ElementsAre(0, 1, 2));
}

TEST(OnnxImport, RefusesAConditionThatIsNoBool) {
  const Message branch = graph_message({{{"Neg", {"x"}, {"r"}, {}, "b"}}, {}, {value_info("r", {2, 3})}});
  const Message body = graph_message({{{"Identity", {"go"}, {"next"}, {}, "i"}},
                                      {value_info("i", {}, onnx_i64), value_info("go", {}, onnx_bool)},
                                      {value_info("next", {}, onnx_bool)}});
  const NodeText nodes[] = {
      {"If", {"c"}, {"y"}, {graph_attribute("then_branch", branch), graph_attribute("else_branch", branch)}},
      {"Loop", {"", "c"}, {}, {graph_attribute("body", body)}},
      {"Dropout", {"x", "", "c"}, {"y"}}};
  for (const NodeText& node : nodes)
    for (const Message& condition : {f32_tensor("c", {}, {1}), i64_tensor("c", {0}, {}),
                                     bool_tensor("c", {0}, {}), bool_tensor("c", {2}, {1, 1})}) {
      const ModelText text{{node}, {x23}, {x23}, {condition}};
      EXPECT_THAT(refusal(text), AllOf(HasSubstr("node 'n1' (" + node.op), HasSubstr("accepted: one bool")));
    }
}

TEST(OnnxImport, RefusesALoopOfUnknownLength) {
  ModelText text = loop_model("go");
  text.initializers.clear();
  text.inputs.push_back(value_info("n", {}, onnx_i64));
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("node 'loop' (Loop"), HasSubstr("the trip count")));
  text = loop_model("next");  // the condition is computed from x
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("node 'loop' (Loop"), HasSubstr("the condition")));
  text = loop_model("go");
  text.initializers = {i64_tensor("n", {}, {1 << 20})};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("node 'loop' (Loop"), HasSubstr("rounds")));
}

TEST(OnnxImport, TakesTheBranchOfAKnownCondition) {
  auto branch = [](const std::string& op) {
    return graph_message({{{op, {"x"}, {"r"}, {}, "b"}}, {}, {value_info("r", {2, 3})}});
  };
  const ModelText text{
      {{"If",
        {"c"},
        {"y"},
        {graph_attribute("then_branch", branch("Neg")), graph_attribute("else_branch", branch("Abs"))}}},
      {x23, value_info("c", {}, onnx_bool)},
      {y23}};
  EXPECT_THAT(refusal(text), AllOf(HasSubstr("(If, opset 18)"), HasSubstr("condition")));
  const HostTensor x = f32({2, 3}, {-1, 1, -1, 1, -1, 1});
  for (const double taken : {0.0, 1.0}) {
    const Graph graph = import_text(text, {.values = {{"c", HostTensor::scalar(ir::DType::boolean, taken)}}});
    EXPECT_EQ(evaluate_reference(graph, {&x, 1})[0].at(1), taken != 0 ? -1 : 1);
  }
}

}  // namespace
}  // namespace tunesmith::tracer
