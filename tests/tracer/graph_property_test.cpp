// Random small graphs over the whole operator table, of all dtypes: the program that the passes make of them,
// fused and unfused, computes what the reference computes. A failure prints the seed; TUNESMITH_SEED repeats
// it.
#include <algorithm>
#include <set>
#include <string_view>

#include "ir/support/error.h"
#include "tests/tracer/op_trials.h"
#include "tracer/ops/reference_util.h"
#include "tracer/program.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> list) {
  return std::ranges::find(list, text) != list.end();
}

bool is_discrete(DType dtype) { return !ir::is_float(dtype); }

/// Whether results are the same to the bit whatever the order and width of arithmetic inside.
bool is_exact(const Op& op) {
  switch (op.kind) {
    case OpKind::unary:
      return is_one_of(op.attributes.get_text("op"),
                       {"neg", "abs", "sign", "floor", "ceil", "trunc", "round_even", "is_nan", "is_inf",
                        "logical_not", "bit_not"});
    case OpKind::binary:
      return is_discrete(op.outputs[0].dtype) || is_one_of(op.attributes.get_text("op"), {"min", "max"});
    case OpKind::reduce:
      return is_discrete(op.outputs[0].dtype) || is_one_of(op.attributes.get_text("op"), {"min", "max"});
    case OpKind::pool: return op.attributes.get_text("op") == "max";
    case OpKind::matmul:
    case OpKind::conv:
    case OpKind::conv_transpose:
    case OpKind::cumulate:
    case OpKind::scatter_elements:
    case OpKind::scatter_nd: return is_discrete(op.outputs[0].dtype);
    case OpKind::resize:
    case OpKind::winograd_input:
    case OpKind::winograd_output:
    case OpKind::softmax:
    case OpKind::log_softmax:
    case OpKind::layer_norm:
    case OpKind::rms_norm:
    case OpKind::group_norm:
    case OpKind::lrn: return false;
    default: return true;  // movement, selection, casts, places
  }
}

/// Whether a small error of an operand stays a small error of the result.
bool is_smooth(OpKind kind, const Attributes& attributes) {
  switch (kind) {
    case OpKind::unary:
      return is_one_of(attributes.get_text("op"),
                       {"neg", "abs", "tanh", "sigmoid", "erf", "sin", "cos", "exp", "atan", "asinh"});
    case OpKind::binary: return is_one_of(attributes.get_text("op"), {"add", "sub", "mul", "min", "max"});
    case OpKind::reduce:
      return is_one_of(attributes.get_text("op"), {"sum", "mean", "min", "max", "sum_square", "l1"});
    case OpKind::pool: return attributes.get_text("op") != "lp" && attributes.get_int("with_indices") == 0;
    case OpKind::cast:
    case OpKind::bit_cast:
    case OpKind::arg_reduce:
    case OpKind::top_k:
    case OpKind::layer_norm:
    case OpKind::rms_norm:
    case OpKind::group_norm: return false;
    default: return true;
  }
}

/// Two units in the last place of narrow types; rounding that adds up in wide ones. Interpolated integers are
/// cut, which may fall on either side.
double tolerance_of(const Op& op, DType dtype) {
  if (is_discrete(dtype))
    return op.kind == OpKind::resize && op.attributes.get_text("mode") != "nearest" ? 1 : 0;
  const int width = ir::bit_width(dtype);
  return width >= 32 ? 1e-3 : dtype == DType::f16 ? 4e-3 : dtype == DType::bf16 ? 4e-2 : 0.6;
}

class TableGraph {
 public:
  explicit TableGraph(std::uint64_t seed) : draw_(seed) {}

  Graph make() {
    for (int steps = 8; steps > 0; --steps) step();
    if (graph_.outputs().empty()) graph_.add_output("y", leaf({DType::f32, {2}}).id);
    return std::move(graph_);
  }

  std::vector<HostTensor> inputs;
  std::vector<HostTensor> want;  // of the outputs
  std::set<OpKind> kinds;

 private:
  struct Known {
    ValueId id;
    HostTensor value;
    bool exact = true;
  };
  using Operands = std::vector<Known>;

  std::size_t below(std::size_t n) { return draw_.rng().below(n); }

  Known leaf(const Operand& type) {
    HostTensor value = random_tensor(draw_.rng(), type.dtype, type.shape);
    if (below(3) == 0) return {graph_.add_constant(value), value};
    inputs.push_back(value);
    return {graph_.add_input(fmt::format("x{}", inputs.size()), {type.dtype, to_shape(type.shape)}), value};
  }

  /// Adds an operator whose result the reference knows; throws a UserError where there is none.
  std::vector<Known> add(OpKind kind, const Operands& operands, const Attributes& attributes) {
    std::vector<ValueId> ids;
    std::vector<HostTensor> values;
    bool exact = true;
    for (const Known& operand : operands) {
      ids.push_back(operand.id);
      values.push_back(operand.value);
      exact = exact && operand.exact;
    }
    if (!are_small(op_row(kind).infer(types_of(values), attributes)))
      throw_user_error("too large for a test");
    const auto results = evaluate_op(kind, values, attributes);
    const OpId op = graph_.add(kind, ids, attributes).op;
    kinds.insert(kind);
    std::vector<Known> known;
    for (std::uint32_t o = 0; o < results.size(); ++o)
      known.push_back({{op, o}, results[o], exact && is_exact(graph_.op(op))});
    return known;
  }
  Known add_one(OpKind kind, const Known& operand, const Attributes& attributes) {
    return add(kind, {operand}, attributes)[0];
  }

  /// The elements of a value, repeated or cut to another shape.
  Known fitted(Known v, const Ints& shape) {
    if (v.value.shape() == shape) return v;
    const std::int64_t have = v.value.size(), need = element_count(shape);
    v = add_one(OpKind::reshape, v, {{"shape", Ints{have}}});
    if (have < need) v = add_one(OpKind::tile, v, {{"repeats", Ints{(need + have - 1) / have}}});
    if (v.value.size() != need)
      v = add_one(OpKind::slice, v, {{"starts", Ints{0}}, {"sizes", Ints{need}}, {"steps", Ints{1}}});
    return add_one(OpKind::reshape, v, {{"shape", shape}});
  }

  Known operand(const Operand& type, bool must_be_exact) {
    Operands fitting;
    for (const Known& known : pool_)
      if (known.value.dtype() == type.dtype && (known.exact || !must_be_exact)) fitting.push_back(known);
    if (fitting.empty() || below(4) == 0 || element_count(type.shape) == 0) return leaf(type);
    return fitted(fitting[below(2) ? fitting.size() - 1 : below(fitting.size())], type.shape);
  }

  /// Values that others may read: not empty, finite, small enough that their errors are, and wide where they
  /// have any.
  static bool is_tame(const Known& known) {
    if (known.value.size() == 0) return false;
    if (is_discrete(known.value.dtype())) return known.exact;
    if (!known.exact && ir::bit_width(known.value.dtype()) < 32) return false;
    for (std::int64_t i = 0; i < known.value.size(); ++i)
      if (!(std::abs(known.value.at(i)) <= 4)) return false;
    return true;
  }

  void step() {
    const auto& makers = trial_makers();
    const auto& [kind, make] = *std::next(makers.begin(), static_cast<std::ptrdiff_t>(below(makers.size())));
    for (int attempts = 8; attempts > 0; --attempts) try {
        const Trial trial = make(draw_);
        // Refused before operands are made.
        std::vector<TensorType> types;
        for (const Operand& o : trial.operands) types.push_back({o.dtype, to_shape(o.shape)});
        op_row(kind).infer(types, trial.attributes);
        Operands operands;
        for (const Operand& o : trial.operands)
          operands.push_back(operand(o, !is_smooth(kind, trial.attributes)));
        for (Known& result : add(kind, operands, trial.attributes)) {
          if (below(2) == 0 || !is_tame(result)) {
            graph_.add_output(fmt::format("y{}", want.size()), result.id);
            want.push_back(result.value);
          }
          if (is_tame(result)) pool_.push_back(std::move(result));
        }
        return;
      } catch (const UserError&) {  // another trial
      }
  }

  Draw draw_;
  Graph graph_;
  Operands pool_;
};

TEST(GraphProperty, ProgramsOverTheWholeTableComputeWhatTheReferenceComputes) {
  constexpr std::uint64_t rounds = 400;
  const std::uint64_t first = first_seed(1);
  for (std::uint64_t seed = first; seed < first + rounds; ++seed) {
    TableGraph random(seed);
    const Graph graph = random.make();
    for (const bool fused : {false, true}) {
      const Program program = make_program(graph, {.fuse = fused, .choose_layouts = fused});
      const auto got = interpret_program(program, random.inputs);
      for (std::size_t o = 0; o < random.want.size(); ++o)
        ASSERT_EQ(difference(got.at(o), random.want[o],
                             tolerance_of(graph.op(graph.outputs()[o].value), random.want[o].dtype())),
                  "")
            << "output " << o << ", seed " << seed << ", fused " << fused << "\n"
            << graph.print() << print(program);
    }
  }
}

TEST(GraphProperty, DrawsEveryKind) {
  std::set<OpKind> kinds;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    TableGraph random(seed);
    random.make();
    kinds.merge(random.kinds);
  }
  for (const auto& [kind, make] : trial_makers()) EXPECT_TRUE(kinds.contains(kind)) << to_string(kind);
}

}  // namespace
}  // namespace tunesmith::tracer
