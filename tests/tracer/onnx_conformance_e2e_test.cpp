// The ONNX conformance cases: import and reference evaluation against the stored outputs, one test an
// operator. No case is left out.
#include <gtest/gtest.h>

#include <set>

#include "ir/support/error.h"
#include "tests/tracer/onnx_cases.h"

namespace tunesmith::tracer {
namespace {

using ir::HostTensor;
using testing::OnnxCase;

/// Why a case is held to import and to the types of its outputs only, or null.
const char* values_not_compared(const OnnxCase& c) {
  if (c.has_tag("disputed")) return "engines disagree with the stored output";
  if (c.has_tag("constant-weights")) return "a whole network, whose stored output holds one value";
  return nullptr;
}

/// Inputs that decide shapes have to be known at the import; the cases feed them at run time. A case that
/// is refused for such an input is imported again with its inputs of at most one dimension fixed.
Graph imported(const OnnxCase& c, const std::vector<HostTensor>& inputs) {
  try {
    return import_onnx(testing::case_model(c));
  } catch (const UserError& error) {
    if (std::string(error.what()).find("is computed at run time") == std::string::npos) throw;
  }
  ImportOptions options;
  const std::vector<std::string> names = onnx_input_names(testing::case_model(c));
  for (std::size_t i = 0; i < names.size() && i < inputs.size(); ++i)
    if (inputs[i].rank() <= 1) options.values[names[i]] = inputs[i];
  return import_onnx(testing::case_model(c), options);
}

/// Empty when the case passes, else what is wrong.
std::string failure_of(const OnnxCase& c) {
  try {
    const std::vector<HostTensor> inputs = testing::case_tensors(c, "input");
    const std::vector<HostTensor> wanted = testing::case_tensors(c, "output");
    const Graph graph = imported(c, inputs);
    const std::vector<std::string> names = onnx_input_names(testing::case_model(c));
    std::vector<HostTensor> operands;
    for (const OpId id : graph.inputs()) {
      const auto place = std::ranges::find(names, graph.op(id).name) - names.begin();
      operands.push_back(inputs.at(static_cast<std::size_t>(place)));
    }
    if (graph.outputs().size() != wanted.size())
      return fmt::format("{} outputs instead of {}", graph.outputs().size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const TensorType& type = graph.type(graph.outputs()[i].value);
      if (type.dtype != wanted[i].dtype() ||
          (is_static(type.shape) && to_ints(type.shape) != wanted[i].shape()))
        return fmt::format("output {}: the graph's type differs from the stored tensor's", i);
    }
    if (values_not_compared(c)) return {};
    const std::vector<HostTensor> results = evaluate_reference(graph, operands);
    for (std::size_t i = 0; i < wanted.size(); ++i)
      if (const std::string text = testing::disagreement(results[i], wanted[i]); !text.empty())
        return fmt::format("output {}: {}", i, text);
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }
}

std::vector<std::string> operators() {
  std::set<std::string> names;
  for (const OnnxCase& c : testing::onnx_cases()) names.insert(c.op);
  return {names.begin(), names.end()};
}

class OnnxOperator : public ::testing::TestWithParam<std::string> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OnnxOperator);

TEST_P(OnnxOperator, GivesTheStoredOutputs) {
  for (const OnnxCase& c : testing::onnx_cases()) {
    if (c.op != GetParam()) continue;
    const std::string failure = failure_of(c);
    EXPECT_TRUE(failure.empty()) << c.path << ": " << failure;
  }
}

INSTANTIATE_TEST_SUITE_P(Onnx, OnnxOperator, ::testing::ValuesIn(operators()), [](const auto& info) {
  return info.param == "(model)" ? std::string("Model") : info.param;
});

/// The operator tests above hold each case to what this counts.
TEST(OnnxConformance, CoversTheCases) {
  const std::vector<OnnxCase> cases = testing::onnx_cases();
  if (cases.empty()) GTEST_SKIP() << "no conformance cases beside the repository";
  std::map<std::string, int> compared, shapes_only;
  for (const OnnxCase& c : cases) ++(values_not_compared(c) ? shapes_only : compared)[c.tier];
  for (const char* tier : {"core", "ext"})
    fmt::print("{}: {} cases with values, {} with types only\n", tier, compared[tier], shapes_only[tier]);
  EXPECT_EQ(compared["core"], 801);
  EXPECT_EQ(shapes_only["core"], 7);
  EXPECT_EQ(compared["ext"], 211);
  EXPECT_EQ(shapes_only["ext"], 0);
}

}  // namespace
}  // namespace tunesmith::tracer
