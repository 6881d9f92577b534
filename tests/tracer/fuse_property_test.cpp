// Random graphs: the program that the passes make computes what the reference computes, fused and unfused,
// with and without channels-last layouts.
#include "ir/print.h"
#include "tests/tracer/random_values.h"
#include "tracer/op_table.h"
#include "tracer/ops/build.h"
#include "tracer/program.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

/// Adds random operators over a pool of values, most of them f32 and of rank 4 or 3.
class RandomGraph {
 public:
  explicit RandomGraph(Rng& rng) : rng_(rng) {}

  Graph make() {
    const bool image = rng_.below(2);
    const Ints shape = image ? Ints{1, pick(2, 4), pick(3, 5), pick(3, 5)} : Ints{2, pick(2, 4), pick(2, 5)};
    for (std::int64_t i = pick(1, 2); i > 0; --i) input(shape);
    for (std::int64_t i = pick(3, 12); i > 0; --i) step();
    add_outputs();
    return std::move(graph_);
  }
  std::vector<HostTensor> inputs;

 private:
  std::int64_t pick(std::int64_t low, std::int64_t high) { return rng_.between(low, high); }
  Ints shape(ValueId v) const { return to_ints(graph_.type(v).shape); }
  ValueId input(const Ints& s) {
    inputs.push_back(random_tensor(rng_, DType::f32, s));
    values_.push_back(graph_.add_input(fmt::format("x{}", inputs.size()), {DType::f32, to_shape(s)}));
    return values_.back();
  }
  ValueId constant(const Ints& s, double low = -1, double high = 1) {
    return graph_.add_constant(random_tensor(rng_, DType::f32, s, low, high));
  }
  /// Recent values are likelier, so that chains form.
  ValueId any() {
    const auto n = static_cast<std::int64_t>(values_.size());
    return values_[static_cast<std::size_t>(rng_.below(2) ? n - 1 : pick(0, n - 1))];
  }
  void keep(ValueId v) {
    std::int64_t size = 1;
    for (std::int64_t extent : shape(v)) size *= extent;
    if (size <= 600) values_.push_back(v);
  }

  void step() {
    const ValueId x = any();
    const std::size_t rank = shape(x).size();
    switch (rng_.below(16)) {
      case 0:
      case 1: return keep(unary(x));
      case 2:
      case 3:
      case 4: return keep(binary(x));
      case 5: return keep(per_channel(x));
      case 6:
      case 7: return rank == 4 ? keep(window(x)) : keep(product(x));
      case 8: return keep(rank >= 2 ? product(x) : unary(x));
      case 9: return keep(rows(x));
      case 10: return keep(reduction(x));
      case 11: return keep(turned(x));
      case 12: return keep(reshaped(x));
      case 13: return keep(moved(x));
      case 14: return rank == 4 ? keep(resized(x)) : keep(rows(x));
      default: return keep(rng_.below(6) == 0 ? ops::cumulative_sum(graph_, x, -1) : unary(x));
    }
  }

  ValueId unary(ValueId x) {
    constexpr ir::UnaryOp kinds[] = {ir::UnaryOp::tanh, ir::UnaryOp::sigmoid, ir::UnaryOp::neg,
                                     ir::UnaryOp::abs, ir::UnaryOp::erf};
    return ops::unary(graph_, kinds[rng_.below(5)], x);
  }

  ValueId binary(ValueId x) {
    constexpr ir::BinaryOp kinds[] = {ir::BinaryOp::add, ir::BinaryOp::sub, ir::BinaryOp::mul,
                                      ir::BinaryOp::max};
    const auto kind = kinds[rng_.below(4)];
    std::vector<ValueId> fitting;
    for (ValueId v : values_)
      if (shape(v) == shape(x)) fitting.push_back(v);
    if (rng_.below(4) == 0) return ops::binary(graph_, kind, x, constant({}));
    return ops::binary(graph_, kind, x, fitting[rng_.below(fitting.size())]);
  }

  ValueId per_channel(ValueId x) {
    const Ints s = shape(x);
    if (s.empty()) return x;
    Ints c(s.size(), 1);
    const std::size_t dim = s.size() >= 3 && rng_.below(2) ? 1 : s.size() - 1;
    c[dim] = s[dim];
    const auto kind = rng_.below(2) ? ir::BinaryOp::mul : ir::BinaryOp::add;
    return ops::binary(graph_, kind, x, constant(c));
  }

  ValueId window(ValueId x) {
    const Ints s = shape(x);
    const std::int64_t kernel = std::min<std::int64_t>({pick(1, 3), s[2], s[3]});
    if (rng_.below(4) == 0) {
      ops::PoolOptions options;
      options.kernel = {kernel, kernel};
      options.strides = {pick(1, 2), 1};
      options.pads = {kernel / 2, 0, 0, kernel / 2};
      return rng_.below(2) ? ops::max_pool(graph_, x, options) : ops::average_pool(graph_, x, options);
    }
    ops::ConvOptions options;
    options.strides = {pick(1, 2), 1};
    const bool depthwise = rng_.below(3) == 0;
    const bool grouped = !depthwise && s[1] % 2 == 0 && rng_.below(3) == 0;
    options.groups = depthwise ? s[1] : grouped ? 2 : 1;
    const std::int64_t k = depthwise ? s[1] : pick(1, 3) * options.groups;
    if (rng_.below(5) == 0) {
      const ValueId w = constant({s[1], k / options.groups, kernel, kernel});
      options.strides = {pick(1, 2), pick(1, 2)};
      return ops::conv_transpose(graph_, x, w, std::nullopt, options);
    }
    options.pads = {kernel / 2, kernel / 2, kernel / 2, kernel / 2};
    std::optional<ValueId> bias;
    if (rng_.below(2)) bias = constant({k});
    return ops::conv(graph_, x, constant({k, s[1] / options.groups, kernel, kernel}), bias, options);
  }

  ValueId product(ValueId x) {
    const Ints s = shape(x);
    if (s.size() < 2) return unary(x);
    if (rng_.below(3) == 0) {
      Ints perm(s.size());
      for (std::size_t d = 0; d < perm.size(); ++d) perm[d] = static_cast<std::int64_t>(d);
      std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
      return ops::matmul(graph_, x, ops::transpose(graph_, any_of_shape(s, x), perm));
    }
    return ops::matmul(graph_, x, constant({s.back(), pick(1, 5)}));
  }
  ValueId any_of_shape(const Ints& s, ValueId otherwise) {
    for (ValueId v : values_)
      if (shape(v) == s && rng_.below(2)) return v;
    return otherwise;
  }

  ValueId rows(ValueId x) {
    const Ints s = shape(x);
    if (s.empty()) return unary(x);
    switch (rng_.below(3)) {
      case 0: return ops::softmax(graph_, x, s.size() > 1 && rng_.below(3) == 0 ? 1 : -1);
      case 1: return ops::layer_norm(graph_, x, constant({s.back()}), constant({s.back()}), -1, 0.1);
      default: return ops::rms_norm(graph_, x, constant({s.back()}), -1, 0.1);
    }
  }

  ValueId reduction(ValueId x) {
    const Ints s = shape(x);
    if (s.empty()) return unary(x);
    const char* kinds[] = {"mean", "sum", "max"};
    const Ints axes = s.size() == 4 && rng_.below(2) ? Ints{2, 3} : Ints{-1};
    const ValueId reduced = ops::reduce(graph_, kinds[rng_.below(3)], x, axes, true);
    if (rng_.below(2)) return ops::binary(graph_, ir::BinaryOp::sub, x, reduced);
    return reduced;
  }

  ValueId turned(ValueId x) {
    const Ints s = shape(x);
    Ints perm;
    for (std::size_t d = 0; d < s.size(); ++d)
      perm.insert(perm.begin() + pick(0, static_cast<std::int64_t>(perm.size())),
                  static_cast<std::int64_t>(d));
    if (s.size() == 4 && rng_.below(2)) perm = rng_.below(2) ? Ints{0, 2, 3, 1} : Ints{0, 3, 1, 2};
    return ops::transpose(graph_, x, perm);
  }

  ValueId reshaped(ValueId x) {
    const Ints s = shape(x);
    if (s.size() == 4 && rng_.below(2)) return ops::reshape(graph_, x, {s[0], s[1], s[2] * s[3]});
    if (s.size() >= 2 && rng_.below(2)) {
      Ints joined(s.begin() + 1, s.end());
      joined[0] *= s[0];
      return ops::reshape(graph_, x, joined);
    }
    Ints split = s;
    if (!split.empty() && split.back() % 2 == 0) {
      split.back() /= 2;
      split.push_back(2);
    } else {
      split.insert(split.begin() + pick(0, static_cast<std::int64_t>(split.size())), 1);
    }
    return split.size() > 5 ? x : ops::reshape(graph_, x, split);
  }

  ValueId moved(ValueId x) {
    const Ints s = shape(x);
    if (s.empty()) return unary(x);
    const std::int64_t axis = pick(0, static_cast<std::int64_t>(s.size()) - 1);
    switch (rng_.below(3)) {
      case 0: return ops::concat(graph_, {x, any_of_shape(s, x), unary(x)}, axis);
      case 1: return ops::slice_axis(graph_, x, axis, s[static_cast<std::size_t>(axis)] / 2, 100);
      default: {
        Ints pads(2 * s.size(), 0);
        pads[static_cast<std::size_t>(axis)] = 1;
        pads[s.size() + static_cast<std::size_t>(axis)] = pick(0, 1);
        return ops::pad(graph_, x, pads, rng_.below(2) ? "constant" : "edge", 0);
      }
    }
  }

  ValueId resized(ValueId x) {
    const Ints s = shape(x);
    ops::ResizeOptions options;
    options.sizes = {s[0], s[1], s[2] * 2, s[3]};
    options.mode = rng_.below(2) ? "nearest" : "linear";
    return ops::resize(graph_, x, options);
  }

  void add_outputs() {
    const auto n = static_cast<std::int64_t>(values_.size());
    graph_.add_output("y0", values_.back());
    for (std::int64_t i = pick(0, 2); i > 0; --i)
      graph_.add_output(fmt::format("y{}", i), values_[static_cast<std::size_t>(pick(0, n - 1))]);
  }

  Rng& rng_;
  Graph graph_;
  std::vector<ValueId> values_;
};

std::string kernels(const Program& program) {
  std::string text;
  for (const ProgramStep& step : program.steps)
    if (!step.is_host) text += ir::print(step.kernel);
  return text;
}

void check_program(const Graph& graph, const FuseOptions& options, const std::vector<HostTensor>& inputs,
                   const std::vector<HostTensor>& want, std::uint64_t seed) {
  const Program program = make_program(graph, options);
  const auto got = interpret_program(program, inputs);
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t o = 0; o < want.size(); ++o)
    ASSERT_EQ(difference(got[o], want[o], 2e-4), "")
        << "output " << o << ", seed " << seed << ", fuse " << options.fuse << ", layouts "
        << options.choose_layouts << "\n"
        << graph.print() << program.graph.print() << print(program) << kernels(program);
}

TEST(FuseProperty, ProgramsComputeWhatTheReferenceComputes) {
  for (std::uint64_t round = 0; round < 400; ++round) {
    const std::uint64_t seed = first_seed(round + 1);
    Rng rng(seed);
    RandomGraph random(rng);
    const Graph graph = random.make();
    SCOPED_TRACE(fmt::format("seed {}", seed));
    const auto want = evaluate_reference(graph, random.inputs);
    for (const bool fuse : {false, true})
      for (const bool layouts : {false, true}) {
        check_program(graph, {fuse, layouts, ir::Numerics::strict}, random.inputs, want, seed);
        if (HasFatalFailure()) return;
      }
  }
}

TEST(FuseProperty, IsDeterministic) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rng first(seed), second(seed);
    const Program a = make_program(RandomGraph(first).make());
    const Program b = make_program(RandomGraph(second).make());
    EXPECT_EQ(print(a), print(b));
  }
}

}  // namespace
}  // namespace tunesmith::tracer
