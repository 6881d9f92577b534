// Operators with arbitrary operands and attributes: the shape rule accepts or refuses with a UserError, and
// what it accepted has a reference result of the type that the rule gave.
#include "ir/support/error.h"
#include "tests/tracer/op_trials.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

enum class Outcome { refused, too_large, evaluated };

Outcome attempt(OpKind kind, const Trial& trial, Draw& d) {
  Graph graph;
  std::vector<ValueId> operands;
  std::vector<ir::HostTensor> inputs;
  for (const Operand& operand : trial.operands) {
    inputs.push_back(random_tensor(d.rng(), operand.dtype, operand.shape));
    operands.push_back(
        graph.add_input(fmt::format("x{}", operands.size()), {operand.dtype, to_shape(operand.shape)}));
  }
  try {
    const ValueId first = graph.add(kind, operands, trial.attributes);
    const std::vector<TensorType> types = graph.op(first).outputs;
    if (!are_small(types)) return Outcome::too_large;
    for (std::uint32_t o = 0; o < types.size(); ++o) graph.add_output(fmt::format("y{}", o), {first.op, o});
    const auto results = evaluate_reference(graph, inputs);
    for (std::size_t o = 0; o < types.size(); ++o) {
      EXPECT_EQ(results[o].dtype(), types[o].dtype) << graph.print();
      EXPECT_EQ(results[o].shape(), to_ints(types[o].shape)) << graph.print();
    }
    return Outcome::evaluated;
  } catch (const UserError&) {
    return Outcome::refused;
  }
}

TEST(OpsFuzz, RulesAcceptOrRefuseAndReferencesFollow) {
  constexpr std::uint64_t rounds = 3000;
  for (const auto& [kind, make] : trial_makers()) {
    std::uint64_t evaluated = 0, refused = 0;
    const std::uint64_t first = first_seed(1);
    for (std::uint64_t seed = first; seed < first + rounds; ++seed) {
      SCOPED_TRACE(fmt::format("{}, seed {}", to_string(kind), seed));
      Draw draw(seed);
      const Outcome outcome = attempt(kind, make(draw), draw);
      evaluated += outcome == Outcome::evaluated;
      refused += outcome == Outcome::refused;
    }
    // The draws must reach both sides of the rule.
    EXPECT_GT(evaluated, rounds / 100) << to_string(kind);
    EXPECT_GT(refused, 0u) << to_string(kind);
  }
}

TEST(OpsFuzz, CoversEveryKind) {
  for (int i = 0; i < op_kind_count; ++i) {
    const auto kind = static_cast<OpKind>(i);
    EXPECT_EQ(trial_makers().count(kind), op_row(kind).infer == nullptr ? 0u : 1u) << to_string(kind);
  }
}

}  // namespace
}  // namespace tunesmith::tracer
