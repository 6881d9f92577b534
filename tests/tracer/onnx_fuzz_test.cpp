// Damaged models: cut short, with bytes flipped, or with numbers replaced. The import gives a UserError of
// one line or a graph; it never crashes. A failure prints the seed; TUNESMITH_SEED repeats it.
#include <fstream>
#include <iterator>
#include <string>

#include "ir/support/error.h"
#include "tests/tracer/onnx_cases.h"
#include "tests/tracer/onnx_model_writer.h"
#include "tests/tracer/random_values.h"
#include "tracer/onnx/import.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

Message ints_attribute(std::string_view name, const Dims& values) {
  Message message = Message().text(1, name);
  for (std::int64_t value : values) message.number(8, value);
  return message.number(20, 7);
}

/// Models whose operators take many kinds of operands and attributes.
std::vector<std::string> seeds() {
  const Message x = value_info("x", {1, 4, 6, 6}), y = value_info("y", {});
  const Message weight = f32_tensor("w", {2, 4, 1, 1}, {1, 2, 3, 4, 5, 6, 7, 8});
  std::vector<ModelText> models;
  models.push_back({{{"Conv",
                      {"x", "w"},
                      {"t"},
                      {ints_attribute("pads", {1, 1, 0, 0}), ints_attribute("strides", {2, 1}),
                       int_attribute("group", 1)}},
                     {"Softmax", {"t"}, {"y"}, {int_attribute("axis", 1)}, "n2"}},
                    {x},
                    {y},
                    {weight}});
  models.push_back(
      {{{"Slice", {"x", "s", "e"}, {"a"}},
        {"Reshape", {"a", "shape"}, {"b"}, {}, "n2"},
        {"Transpose", {"b"}, {"y"}, {ints_attribute("perm", {1, 0})}, "n3"}},
       {x},
       {y},
       {i64_tensor("s", {2}, {0, 1}), i64_tensor("e", {2}, {1, 3}), i64_tensor("shape", {2}, {-1, 12})}});
  models.push_back(
      {{{"MaxPool", {"x"}, {"a"}, {ints_attribute("kernel_shape", {2, 2}), int_attribute("ceil_mode", 1)}},
        {"ReduceMean", {"a", "axes"}, {"b"}, {int_attribute("keepdims", 0)}, "n2"},
        {"Split", {"b", "parts"}, {"y", "z"}, {int_attribute("axis", 0)}, "n3"}},
       {x},
       {y},
       {i64_tensor("axes", {2}, {1, 2}), i64_tensor("parts", {2}, {1, 0})}});
  models.push_back({{{"Gather", {"x", "i"}, {"a"}, {int_attribute("axis", 2)}},
                     {"Pad", {"a", "p"}, {"b"}, {text_attribute("mode", "reflect")}, "n2"},
                     {"Concat", {"b", "b"}, {"c"}, {int_attribute("axis", -1)}, "n3"},
                     {"TopK", {"c", "k"}, {"y", "places"}, {int_attribute("axis", 3)}, "n4"}},
                    {x},
                    {y},
                    {i64_tensor("i", {2}, {0, -1}), i64_tensor("p", {8}, {0, 0, 1, 1, 0, 0, 1, 1}),
                     i64_tensor("k", {1}, {3})}});
  models.push_back({{{"Shape", {"x"}, {"s"}},
                     {"Gather", {"s", "i"}, {"d"}, {}, "n2"},
                     {"Range", {"zero", "d0", "one"}, {"r"}, {}, "n3"},
                     {"Squeeze", {"d"}, {"d0"}, {}, "n0"},
                     {"Resize", {"x", "", "scales"}, {"y"}, {text_attribute("mode", "linear")}, "n4"}},
                    {x},
                    {y},
                    {i64_tensor("i", {1}, {1}), i64_tensor("zero", {}, {0}), i64_tensor("one", {}, {1}),
                     f32_tensor("scales", {4}, {1, 1, 2, 2})}});
  std::swap(models.back().nodes[2], models.back().nodes[3]);
  models.push_back(
      {{{"DepthToSpace", {"x"}, {"a"}, {int_attribute("blocksize", 2)}},
        {"Einsum", {"a", "a"}, {"b"}, {text_attribute("equation", "nchw,nchw->nc")}, "n2"},
        {"OneHot", {"i", "depth", "values"}, {"c"}, {int_attribute("axis", 0)}, "n3"},
        {"Trilu", {"c"}, {"d"}, {int_attribute("upper", 0)}, "n4"},
        {"Gemm", {"b", "b"}, {"y"}, {int_attribute("transB", 1)}, "n5"}},
       {x},
       {y},
       {i64_tensor("i", {2}, {0, 2}), i64_tensor("depth", {}, {3}), f32_tensor("values", {2}, {0, 1})}});
  models.push_back({{{"LSTM", {"s", "W", "R"}, {"y"}, {int_attribute("hidden_size", 1)}},
                     {"GroupNormalization", {"x", "g", "g"}, {"z"}, {int_attribute("num_groups", 2)}, "n2"},
                     {"ConvTranspose", {"x", "v"}, {"u"}, {ints_attribute("output_shape", {7, 7})}, "n3"}},
                    {x, value_info("s", {2, 1, 1})},
                    {y},
                    {f32_tensor("W", {1, 4, 1}, {1, 2, 3, 4}), f32_tensor("R", {1, 4, 1}, {1, 2, 3, 4}),
                     f32_tensor("g", {4}, {1, 2, 3, 4}), f32_tensor("v", {4, 1, 1, 1}, {1, 2, 3, 4})}});
  const Message branch = graph_message({{{"Neg", {"x"}, {"r"}, {}, "b"}}, {}, {value_info("r", {})}});
  const Message body = graph_message(
      {{{"Identity", {"go"}, {"next"}, {}, "i"}, {"Abs", {"v"}, {"w"}, {}, "a"}},
       {value_info("i", {}, onnx_i64), value_info("go", {}, onnx_bool), value_info("v", {1, 4, 6, 6})},
       {value_info("next", {}, onnx_bool), value_info("w", {})}});
  models.push_back({{{"If",
                      {"c"},
                      {"t"},
                      {graph_attribute("then_branch", branch), graph_attribute("else_branch", branch)}},
                     {"Loop", {"n", "c", "t"}, {"u"}, {graph_attribute("body", body)}, "n2"},
                     {"Dropout", {"u", "", "d"}, {"y"}, {}, "n3"}},
                    {x},
                    {y},
                    {bool_tensor("c", {}, {1}), i64_tensor("n", {}, {2}), bool_tensor("d", {}, {0})}});
  std::vector<std::string> bytes;
  for (const ModelText& model : models) bytes.push_back(model_bytes(model));
  return bytes;
}

/// Empty where the import holds its promise, else what went wrong. A crash ends the program.
std::string broken_promise(const std::string& bytes) {
  try {
    import_onnx(as_bytes(bytes), "fuzzed.onnx", "");
  } catch (const UserError& error) {
    const std::string message = error.what();
    if (message.find("fuzzed.onnx") == std::string::npos) return "no file name in: " + message;
  } catch (const std::exception& error) {
    return std::string("an exception that is no UserError: ") + error.what();
  }
  return {};
}

TEST(OnnxFuzz, TheModelsThemselvesAreImported) {
  for (const std::string& model : seeds()) EXPECT_NO_THROW(import_onnx(as_bytes(model), "fuzzed.onnx", ""));
}

TEST(OnnxFuzz, EveryPrefixOfAModelIsRefused) {
  for (const std::string& model : seeds())
    for (std::size_t length = 0; length < model.size(); ++length)
      EXPECT_EQ(broken_promise(model.substr(0, length)), "") << "length " << length;
}

TEST(OnnxFuzz, EverySingleByteReplacedIsSurvived) {
  for (const std::string& model : seeds())
    for (std::size_t at = 0; at < model.size(); ++at)
      for (const int value : {0, 1, 5, 0x7f, 0x80, 0xff}) {
        std::string damaged = model;
        damaged[at] = static_cast<char>(value);
        ASSERT_EQ(broken_promise(damaged), "") << "byte " << at << " is " << value;
      }
}

TEST(OnnxFuzz, ManyBytesFlippedAreSurvived) {
  const std::vector<std::string> models = seeds();
  for (std::uint64_t seed = first_seed(1); seed < first_seed(1) + 3000; ++seed) {
    Rng rng(seed);
    std::string damaged = models[rng.below(models.size())];
    for (std::uint64_t flips = 1 + rng.below(6); flips > 0; --flips)
      damaged[rng.below(damaged.size())] ^= static_cast<char>(1 << rng.below(8));
    ASSERT_EQ(broken_promise(damaged), "") << "TUNESMITH_SEED=" << seed;
  }
}

std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(OnnxFuzz, DamagedConformanceCasesAreSurvived) {
  const std::vector<OnnxCase> cases = onnx_cases();
  if (cases.empty()) GTEST_SKIP() << "no conformance cases beside the repository";
  const std::uint64_t first = first_seed(1);
  for (std::uint64_t seed = first; seed < first + 4000; ++seed) {
    Rng rng(seed);
    const OnnxCase& c = cases[rng.below(cases.size())];
    std::string damaged = file_bytes(case_model(c));
    if (damaged.size() > 20000) continue;
    for (std::uint64_t flips = 1 + rng.below(4); flips > 0; --flips)
      damaged[rng.below(damaged.size())] = static_cast<char>(rng.below(256));
    ASSERT_EQ(broken_promise(damaged), "") << c.path << " TUNESMITH_SEED=" << seed;
  }
}

/// Varints of 64 bits where one byte was: extreme sizes, axes and counts.
TEST(OnnxFuzz, ExtremeNumbersAreSurvived) {
  const std::int64_t extremes[] = {-1, 0, 1 << 20, std::int64_t{1} << 40, INT64_MAX, INT64_MIN};
  const char* const integers[][2] = {{"Softmax", "axis"},
                                     {"Concat", "axis"},
                                     {"Flatten", "axis"},
                                     {"Gather", "axis"},
                                     {"ArgMax", "axis"},
                                     {"Split", "num_outputs"},
                                     {"DepthToSpace", "blocksize"},
                                     {"LpPool", "p"},
                                     {"LRN", "size"},
                                     {"LayerNormalization", "axis"},
                                     {"EyeLike", "k"},
                                     {"Cast", "to"},
                                     {"Shape", "start"},
                                     {"Shape", "end"},
                                     {"TopK", "axis"},
                                     {"SpaceToDepth", "blocksize"},
                                     {"Hardmax", "axis"}};
  for (const auto& [op, attribute] : integers)
    for (const std::int64_t value : extremes) {
      const ModelText text{{{op, {"x"}, {"y"}, {int_attribute(attribute, value)}}},
                           {value_info("x", {1, 4, 6, 6})},
                           {value_info("y", {})}};
      EXPECT_EQ(broken_promise(model_bytes(text)), "") << op << " " << attribute << " " << value;
    }
  const char* const lists[][2] = {{"MaxPool", "kernel_shape"},
                                  {"MaxPool", "strides"},
                                  {"MaxPool", "pads"},
                                  {"MaxPool", "dilations"},
                                  {"Conv", "strides"},
                                  {"Conv", "pads"},
                                  {"Conv", "dilations"},
                                  {"ConvTranspose", "output_padding"},
                                  {"ConvTranspose", "output_shape"},
                                  {"ConvTranspose", "strides"},
                                  {"Transpose", "perm"}};
  for (const auto& [op, attribute] : lists)
    for (const std::int64_t value : extremes)
      for (const std::size_t count : {0, 1, 2, 4, 5}) {
        ModelText text{{{op, {"x"}, {"y"}, {ints_attribute(attribute, Dims(count, value))}}},
                       {value_info("x", {1, 4, 6, 6})},
                       {value_info("y", {})},
                       {f32_tensor("w", {4, 4, 1, 1}, std::vector<float>(16, 1))}};
        if (std::string_view(op) == "MaxPool" && std::string_view(attribute) != "kernel_shape")
          text.nodes[0].attributes.push_back(ints_attribute("kernel_shape", {2, 2}));
        if (std::string_view(op).starts_with("Conv")) text.nodes[0].inputs.push_back("w");
        EXPECT_EQ(broken_promise(model_bytes(text)), "")
            << op << " " << attribute << " " << count << " x " << value;
      }
  const char* const operands[] = {"Reshape", "Expand", "Tile", "Unsqueeze", "Squeeze", "ReduceSum",
                                  "TopK",    "CumSum", "Pad",  "Split",     "Trilu",   "Slice"};
  for (const char* op : operands)
    for (const std::int64_t value : extremes)
      for (const std::int64_t count : {0, 1, 2, 4, 8}) {
        ModelText text{{{op, {"x", "v"}, {"y"}}},
                       {value_info("x", {1, 4, 6, 6})},
                       {value_info("y", {})},
                       {i64_tensor("v", {count}, Dims(static_cast<std::size_t>(count), value))}};
        if (std::string_view(op) == "Slice") text.nodes[0].inputs.push_back("v");
        EXPECT_EQ(broken_promise(model_bytes(text)), "") << op << " " << count << " x " << value;
      }
  for (const std::int64_t value : extremes) {
    const ModelText text{{{"Range", {"a", "b", "c"}, {"y"}}, {"ConstantOfShape", {"s"}, {"z"}, {}, "n2"}},
                         {},
                         {value_info("y", {})},
                         {i64_tensor("a", {}, {0}), i64_tensor("b", {}, {value}), i64_tensor("c", {}, {1}),
                          i64_tensor("s", {2}, {value, value})}};
    EXPECT_EQ(broken_promise(model_bytes(text)), "") << "Range " << value;
  }
}

}  // namespace
}  // namespace tunesmith::tracer
