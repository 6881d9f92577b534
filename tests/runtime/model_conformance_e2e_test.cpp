// The ONNX conformance cases compiled and run, on one and two threads in turn: what the machine computes is
// what the reference computes.
#include <cstdio>

#include "tests/runtime/model_testing.h"
#include "tests/tracer/onnx_cases.h"

namespace tunesmith::runtime {
namespace {

using tracer::testing::OnnxCase;

/// Networks of the size of whole models take the reference minutes.
constexpr std::int64_t most_elements = 200'000;

std::int64_t elements(const tracer::Graph& graph) {
  std::int64_t total = 0;
  for (const tracer::Op& op : graph.ops())
    for (const tracer::TensorType& type : op.outputs) {
      std::int64_t size = 1;
      for (const std::int64_t extent : tracer::to_ints(type.shape)) size *= extent;
      total += size;
    }
  return total;
}

TEST(ModelConformance, CompiledModelsGiveWhatTheReferenceGives) {
  const std::vector<OnnxCase> cases = tracer::testing::onnx_cases();
  if (cases.empty()) GTEST_SKIP() << "no conformance cases beside the repository";
  const ModelOptions options[] = {testing::model_options(1), testing::model_options(2)};
  int compared = 0;
  for (const OnnxCase& c : cases) {
    SCOPED_TRACE(c.path);
    const tracer::testing::ImportedCase model = tracer::testing::import_case(c);
    if (elements(model.graph) > most_elements) continue;
    const auto want = tracer::evaluate_reference(model.graph, model.operands);
    auto compiled = CompiledModel::build(model.graph, options[compared % 2]);
    if (!compiled) {
      ADD_FAILURE() << compiled.error().message;
      continue;
    }
    const auto got = (*compiled)->run(model.operands);
    ASSERT_EQ(got.size(), want.size());
    ++compared;
    for (std::size_t o = 0; o < want.size(); ++o)
      EXPECT_EQ(tracer::testing::disagreement(got[o], want[o]), "") << model.graph.print();
  }
  std::printf("%d cases compared\n", compared);
  EXPECT_GE(compared, 1000);
}

}  // namespace
}  // namespace tunesmith::runtime
