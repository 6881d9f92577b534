#include "tests/tracer/reference_run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tunesmith::tracer::testing {

using ir::HostTensor;

HostTensor tensor(ir::DType dtype, std::vector<std::int64_t> shape, std::vector<double> elements) {
  HostTensor result(dtype, std::move(shape));
  EXPECT_EQ(result.size(), static_cast<std::int64_t>(elements.size())) << "a literal of the wrong size";
  for (std::int64_t i = 0; i < result.size(); ++i) result.set(i, elements.at(static_cast<std::size_t>(i)));
  return result;
}

HostTensor counting(std::vector<std::int64_t> shape, ir::DType dtype) {
  HostTensor result(dtype, std::move(shape));
  for (std::int64_t i = 0; i < result.size(); ++i) result.set(i, static_cast<double>(i));
  return result;
}

std::vector<double> values(const HostTensor& tensor) {
  std::vector<double> result;
  for (std::int64_t i = 0; i < tensor.size(); ++i) result.push_back(tensor.at(i));
  return result;
}

std::vector<HostTensor> run_all(const std::vector<HostTensor>& inputs, const BuildAll& build) {
  Graph graph;
  std::vector<ValueId> arguments;
  for (const HostTensor& input : inputs)
    arguments.push_back(
        graph.add_input(fmt::format("x{}", arguments.size()), {input.dtype(), to_shape(input.shape())}));
  const std::vector<ValueId> outputs = build(graph, arguments);
  for (const ValueId output : outputs) graph.add_output("y", output);
  const auto results = evaluate_reference(graph, inputs);
  for (std::size_t o = 0; o < outputs.size(); ++o) {
    // The shape rule and the reference must agree.
    EXPECT_EQ(results[o].dtype(), graph.type(outputs[o]).dtype) << graph.print();
    EXPECT_EQ(results[o].shape(), to_ints(graph.type(outputs[o]).shape)) << graph.print();
  }
  return results;
}

HostTensor run(const std::vector<HostTensor>& inputs, const Build& build) {
  return run_all(inputs, [&](Graph& graph, const auto& x) { return std::vector{build(graph, x)}; })[0];
}

std::vector<double> eval(const std::vector<HostTensor>& inputs, const Build& build) {
  return values(run(inputs, build));
}

namespace {

ValueId build_on(Graph& graph, const std::vector<InputType>& inputs, const Build& build) {
  std::vector<ValueId> arguments;
  for (const InputType& input : inputs) {
    Shape shape;
    for (std::int64_t extent : input.shape)
      shape.push_back(extent >= 0 ? Dim(extent) : graph.symbol(extent == -1 ? "a" : "b"));
    arguments.push_back(
        graph.add_input(fmt::format("x{}", arguments.size()), {input.dtype, std::move(shape)}));
  }
  return build(graph, arguments);
}

}  // namespace

std::string refusal(const std::vector<InputType>& inputs, const Build& build) {
  Graph graph;
  try {
    build_on(graph, inputs, build);
  } catch (const UserError& error) {
    return error.what();
  }
  ADD_FAILURE() << "accepted:\n" << graph.print();
  return {};
}

std::string type_of(const std::vector<InputType>& inputs, const Build& build) {
  Graph graph;
  return to_string(graph.type(build_on(graph, inputs, build)), graph.symbols());
}

}  // namespace tunesmith::tracer::testing
