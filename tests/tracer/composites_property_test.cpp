// Composites and traced networks through the whole room: the program that the passes make of them, fused and
// unfused, computes what the reference computes; so does a graph whose symbols were bound.
#include "tests/tracer/random_values.h"
#include "tracer/op_table.h"
#include "tracer/program.h"
#include "tracer/trace.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

constexpr double tolerance = 2e-5;

std::vector<ir::HostTensor> random_inputs(const Graph& graph, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<ir::HostTensor> inputs;
  for (const OpId id : graph.inputs())
    inputs.push_back(
        random_tensor(rng, graph.op(id).outputs[0].dtype, to_ints(graph.op(id).outputs[0].shape)));
  return inputs;
}

void check(const char* name, const Graph& graph) {
  const std::uint64_t seed = first_seed(7);
  const auto inputs = random_inputs(graph, seed);
  const auto want = evaluate_reference(graph, inputs);
  for (const bool fuse : {true, false}) {
    const Program program = make_program(graph, {.fuse = fuse});
    const auto got = interpret_program(program, inputs);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t o = 0; o < want.size(); ++o)
      EXPECT_EQ(difference(got[o], want[o], tolerance), "")
          << name << ", output " << o << ", seed " << seed << "\n"
          << graph.print() << print(program);
  }
}

TensorSpec f32(std::vector<DimSpec> shape) { return {DType::f32, std::move(shape)}; }

TEST(CompositesProperty, Activations) {
  check("activations", trace(
                           [](Tensor x) {
                             return std::vector{relu(x),
                                                leaky_relu(x),
                                                elu(x),
                                                celu(x),
                                                selu(x),
                                                sigmoid(x),
                                                hard_sigmoid(x),
                                                hard_swish(x),
                                                silu(x),
                                                gelu(x),
                                                gelu(x, ops::GeluForm::tanh),
                                                softplus(x),
                                                softsign(x),
                                                mish(x),
                                                clip(x, -1, 1),
                                                prelu(x, x)};
                           },
                           {f32({3, 5})}));
}

TEST(CompositesProperty, NarrowActivations) {
  for (const DType dtype : {DType::f16, DType::bf16}) {
    const Graph graph = trace(
        [](Tensor x) {
          return std::vector{gelu(x), mish(x), hard_swish(x)};
        },
        {{dtype, {3, 5}}});
    const auto inputs = random_inputs(graph, first_seed(7));
    const auto want = evaluate_reference(graph, inputs), got = interpret_program(make_program(graph), inputs);
    // One unit of the narrow type: the function may fall on the other side of a tie.
    for (std::size_t o = 0; o < want.size(); ++o) EXPECT_EQ(difference(got[o], want[o], 1.0 / 128), "") << o;
  }
}

TEST(CompositesProperty, Attention) {
  const std::vector<TensorSpec> specs{f32({2, 4, 3, 2}), f32({2, 2, 5, 2}), f32({2, 2, 5, 3})};
  check("grouped", trace([](Tensor q, Tensor k, Tensor v) { return attention(q, k, v); }, specs));
  check("causal", trace([](Tensor q, Tensor k,
                           Tensor v) { return attention(q, k, v, {}, {.causal = true, .causal_offset = 2}); },
                        specs));
  check("capped", trace([](Tensor q, Tensor k,
                           Tensor v) { return attention(q, k, v, {}, {.scale = 0.7, .softcap = 3.0}); },
                        specs));
  auto masked = specs;
  masked.push_back(f32({4, 3, 5}));
  check("biased",
        trace([](Tensor q, Tensor k, Tensor v, Tensor mask) { return attention(q, k, v, mask); }, masked));
}

TEST(CompositesProperty, Einsum) {
  for (const char* equation :
       {"ik,kj->ij", "ik,kj->ji", "ij,ij->ij", "ij,ij->", "ij,jk->k", "ij,kl->ikl", "ij,jj->i"})
    check(equation, trace(
                        [&](Tensor a, Tensor b) {
                          return einsum(equation, {a, b});
                        },
                        {f32({3, 3}), f32({3, 3})}));
  check("batched", trace(
                       [](Tensor a, Tensor b) {
                         return einsum("...ij,...kj->...ki", {a, b});
                       },
                       {f32({2, 1, 2, 3}), f32({4, 5, 3})}));
  check("three", trace(
                     [](Tensor a, Tensor b, Tensor c) {
                       return einsum("ab,bc,cd->da", {a, b, c});
                     },
                     {f32({2, 3}), f32({3, 4}), f32({4, 2})}));
}

TEST(CompositesProperty, NormalisationAndShapes) {
  check("norms", trace(
                     [](Tensor x, Tensor s) {
                       return std::vector{batch_norm(x, s, s, s, abs(s) + 0.5),
                                          instance_norm(x, s, s),
                                          group_norm(x, s, s, 2),
                                          global_average_pool(x),
                                          global_max_pool(x),
                                          sum(l2_norm(x, {1}), {0})};
                     },
                     {f32({2, 4, 3, 5}), f32({4})}));
  check("shapes", trace(
                      [](Tensor x) {
                        const auto parts = split_evenly(x, 1, 3);
                        return std::vector{trilu(x, true, -1),
                                           trilu(x, false, 1),
                                           concat({parts[2], parts[0]}, 1),
                                           flatten(unsqueeze(x, {1}), 2),
                                           one_hot(arg_max(x, 1), 7, x.number(1), x.number(-1), 0),
                                           gemm(x, x, {}, {.alpha = 0.5, .transpose_b = true})};
                      },
                      {f32({4, 5})}));
}

/// The same function with a symbolic batch, bound later, and with the number from the start.
TEST(CompositesProperty, BoundSymbolsGiveTheStaticGraph) {
  auto network = [](Tensor x, Tensor kernel, Tensor w) {
    Tensor y = relu(conv(x, kernel, {}, {.pads = {1, 1}}));
    y = max_pool(y, {.kernel = {2}, .strides = {2}});
    y = matmul(flatten(y), w);
    const auto halves = split_evenly(y, 1, 2);
    return std::vector{softmax(concat({halves[1], halves[0]}, 1)),
                       squeeze(expand(unsqueeze(y, {1}), {-1, 2, 6}) * 2, {})};
  };
  auto graph_for = [&](DimSpec batch) {
    return trace(network, {f32({batch, 2, 8}), f32({3, 2, 3}), f32({12, 6})});
  };
  const Graph symbolic = graph_for("batch"), fixed = graph_for(3);
  ASSERT_FALSE(is_static(symbolic.type(symbolic.outputs()[0].value).shape));
  const Graph bound = bind_symbols(symbolic, {{"batch", 3}});
  check("bound", bound);
  const auto inputs = random_inputs(fixed, first_seed(7));
  const auto want = evaluate_reference(fixed, inputs);
  for (const Graph* graph : {&bound, &symbolic}) {
    const auto got = evaluate_reference(*graph, inputs);
    for (std::size_t o = 0; o < want.size(); ++o)
      EXPECT_EQ(difference(got[o], want[o], 0), "") << graph->print();
  }
}

}  // namespace
}  // namespace tunesmith::tracer
