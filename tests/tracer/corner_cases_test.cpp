// Corners of operators that lowering and reference must see alike.
#include <limits>

#include "tests/tracer/random_values.h"
#include "tests/tracer/reference_run.h"
#include "tracer/program.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

/// The values of all outputs, which the program and the reference agree on.
std::vector<std::vector<double>> agreed(const std::vector<HostTensor>& inputs, const BuildAll& build) {
  Graph graph;
  std::vector<ValueId> arguments;
  for (const HostTensor& input : inputs)
    arguments.push_back(
        graph.add_input(fmt::format("x{}", arguments.size()), {input.dtype(), to_shape(input.shape())}));
  for (const ValueId output : build(graph, arguments)) graph.add_output("y", output);
  const auto want = evaluate_reference(graph, inputs), got = interpret_program(make_program(graph), inputs);
  std::vector<std::vector<double>> result;
  for (std::size_t o = 0; o < want.size(); ++o) {
    EXPECT_EQ(difference(got[o], want[o], 0), "") << graph.print();
    result.push_back(values(want[o]));
  }
  return result;
}

TEST(CornerCases, APoolingWindowOfPaddingOnly) {
  for (const DType dtype : {DType::f32, DType::f16}) {
    const auto results = agreed({tensor(dtype, {1, 2, 2}, {1, 2, 3, 4})}, [](Graph& g, const auto& x) {
      ops::PoolOptions options;
      options.kernel = {1};
      options.pads = {1, 1};
      const auto [largest, places] = ops::max_pool_with_indices(g, x[0], options);
      return std::vector{largest, places, ops::max_pool(g, x[0], options),
                         ops::average_pool(g, x[0], options)};
    });
    EXPECT_THAT(results[0], ElementsAre(-inf, 1, 2, -inf, -inf, 3, 4, -inf));
    EXPECT_THAT(results[1], ElementsAre(-1, 0, 1, -1, -1, 2, 3, -1));
    EXPECT_EQ(results[2], results[0]);
    EXPECT_TRUE(std::isnan(results[3][0]));  // of no elements
    EXPECT_EQ(results[3][1], 1);
  }
}

TEST(CornerCases, TheFirstOfEqualElementsInAWindow) {
  const auto results = agreed({tensor(DType::i32, {1, 1, 2, 2}, {1, 5, 5, 1})}, [](Graph& g, const auto& x) {
    ops::PoolOptions options;
    options.kernel = {2, 2};
    options.strides = {1, 1};
    options.column_major = true;
    return std::vector{ops::max_pool_with_indices(g, x[0], options).second};
  });
  EXPECT_THAT(results[0], ElementsAre(2));  // row 0, column 1; places count along columns
}

TEST(CornerCases, ATransposedConvolutionWithNegativePads) {
  const auto results =
      agreed({counting({1, 1, 4}), tensor(DType::f32, {1, 1, 2}, {1, 10})}, [](Graph& g, const auto& x) {
        ops::ConvOptions options;
        options.strides = {2};
        options.pads = {-1, 2};
        return std::vector{ops::conv_transpose(g, x[0], x[1], std::nullopt, options)};
      });
  EXPECT_THAT(results[0], ElementsAre(0, 0, 0, 1, 10, 2, 20));
}

TEST(CornerCases, TheLargestOfNumbersAndNans) {
  const auto results = agreed(
      {tensor(DType::f32, {3, 3}, {nan, 1, 2, -inf, nan, -inf, nan, nan, nan})}, [](Graph& g, const auto& x) {
        return std::vector{ops::arg_max(g, x[0], 1, false), ops::arg_min(g, x[0], 1, false),
                           ops::arg_max(g, x[0], 1, false, true)};
      });
  EXPECT_THAT(results[0], ElementsAre(2, 0, 0));
  EXPECT_THAT(results[1], ElementsAre(1, 0, 0));
  EXPECT_THAT(results[2], ElementsAre(2, 2, 0));
}

TEST(CornerCases, ReductionsOfLargeUnsignedNumbers) {
  HostTensor x(DType::u64, {2});
  x.set_int(0, -1);  // 2^64 - 1
  x.set_int(1, -1);
  agreed({x}, [](Graph& g, const auto& in) {
    return std::vector{ops::reduce(g, "l1", in[0], {}, false), ops::reduce(g, "max", in[0], {}, false)};
  });
}

TEST(CornerCases, InterpolatedIntegersAreRoundedAndStayInRange) {
  const auto results = agreed({tensor(DType::u8, {2}, {0, 255})}, [](Graph& g, const auto& x) {
    ops::ResizeOptions linear, cubic;
    linear.sizes = cubic.sizes = {8};
    linear.mode = "linear";
    cubic.mode = "cubic";
    return std::vector{ops::resize(g, x[0], linear), ops::resize(g, x[0], cubic)};
  });
  EXPECT_THAT(results[0], ElementsAre(0, 0, 32, 96, 159, 223, 255, 255));
  EXPECT_EQ(results[1].front(), 0);
  EXPECT_EQ(results[1].back(), 255);
}

TEST(CornerCases, NarrowFloatsAreDividedInF32) {
  const auto results = agreed(
      {tensor(DType::f4e2m1, {2}, {3, 4}), tensor(DType::f4e2m1, {2}, {4, 3})},
      [](Graph& g, const auto& x) { return std::vector{ops::binary(g, BinaryOp::floor_div, x[0], x[1])}; });
  EXPECT_THAT(results[0], ElementsAre(0, 1));
}

TEST(CornerCases, IndicesOutOfRangeReadTheNearestElement) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max(), least = -most - 1;
  const Build builds[] = {[](Graph& g, const auto& x) { return ops::gather(g, x[0], x[1], 0); },
                          [](Graph& g, const auto& x) { return ops::gather_elements(g, x[0], x[1], 0); },
                          [](Graph& g, const auto& x) {
                            return ops::gather_nd(g, x[0], ops::reshape(g, x[1], {5, 1}));
                          }};
  const HostTensor data = tensor(DType::f32, {3}, {1, 2, 3});
  HostTensor places(DType::i64, {5});
  for (const auto& [at, place] :
       {std::pair{0, least}, {1, std::int64_t{-4}}, {2, std::int64_t{-1}}, {3, std::int64_t{3}}, {4, most}})
    places.set_int(at, place);
  for (const Build& build : builds) {
    Graph graph;
    const std::vector<ValueId> inputs{graph.add_input("data", {DType::f32, to_shape({3})}),
                                      graph.add_input("places", {DType::i64, to_shape({5})})};
    graph.add_output("y", build(graph, inputs));
    const std::vector<HostTensor> operands{data, places};
    EXPECT_THAT(values(interpret_program(make_program(graph), operands)[0]), ElementsAre(1, 1, 3, 3, 3));
    EXPECT_THROW(evaluate_reference(graph, operands), UserError);
  }
}

TEST(CornerCases, ResizeRefusesWhatHasNoPlaceInTheInput) {
  auto resized = [](double scale, std::int64_t size) {
    return [=](Graph& g, const auto& x) {
      ops::ResizeOptions options;
      options.sizes = {size};
      options.scales = {scale};
      return ops::resize(g, x[0], options);
    };
  };
  EXPECT_THAT(refusal({{DType::f32, {4}}}, resized(0.5, 4)), HasSubstr("scaled by 0.5 has no extent 4"));
  EXPECT_EQ(type_of({{DType::f32, {4}}}, resized(0.7, 3)), "f32[3]");
  EXPECT_EQ(type_of({{DType::f32, {4}}}, resized(0.7, 2)), "f32[2]");
}

}  // namespace
}  // namespace tunesmith::tracer
