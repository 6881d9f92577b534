// The ONNX conformance cases through the graph passes: every program, run by the interpreter, gives what the
// reference gives for the graph as it was imported.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/tracer/onnx_cases.h"
#include "tracer/program.h"

namespace tunesmith::tracer {
namespace {

using ir::HostTensor;
using testing::OnnxCase;

/// Networks of the size of whole models take the interpreter minutes.
constexpr std::int64_t most_elements = 200'000;

std::int64_t elements(const Graph& graph) {
  std::int64_t total = 0;
  for (const Op& op : graph.ops())
    for (const TensorType& type : op.outputs) {
      std::int64_t size = 1;
      for (std::int64_t extent : to_ints(type.shape)) size *= extent;
      total += size;
    }
  return total;
}

TEST(ProgramConformance, ProgramsGiveWhatTheReferenceGives) {
  const std::vector<OnnxCase> cases = testing::onnx_cases();
  if (cases.empty()) GTEST_SKIP() << "no conformance cases beside the repository";
  int compared = 0, too_large = 0;
  for (const OnnxCase& c : cases) {
    SCOPED_TRACE(c.path);
    const testing::ImportedCase model = testing::import_case(c);
    if (elements(model.graph) > most_elements) {
      ++too_large;
      continue;
    }
    const auto want = evaluate_reference(model.graph, model.operands);
    const Program program = make_program(model.graph);
    const auto got = interpret_program(program, model.operands);
    ASSERT_EQ(got.size(), want.size());
    ++compared;
    for (std::size_t o = 0; o < want.size(); ++o)
      EXPECT_EQ(testing::disagreement(got[o], want[o]), "") << model.graph.print() << print(program);
  }
  std::printf("%d cases compared, %d larger than the interpreter should run\n", compared, too_large);
  EXPECT_GE(compared, 900);
}

}  // namespace
}  // namespace tunesmith::tracer
