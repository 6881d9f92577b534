// The oracle runner of programs: see interpret_program in program.h.
#include <fmt/format.h>

#include <map>

#include "ir/interpret.h"
#include "ir/support/check.h"
#include "ir/support/error.h"
#include "tracer/op_table.h"
#include "tracer/program.h"

namespace tunesmith::tracer {

namespace {

class ProgramInterpreter {
 public:
  explicit ProgramInterpreter(const Program& program) : program_(program), graph_(program.graph) {}

  std::vector<HostTensor> run(std::span<const HostTensor> inputs) {
    take_inputs(inputs);
    for (std::uint32_t i = 0; i < graph_.size(); ++i)
      if (graph_.op(OpId{i}).kind == OpKind::constant) bytes_[{OpId{i}, 0}] = graph_.op(OpId{i}).data;
    for (const ProgramStep& step : program_.steps) step.is_host ? run_host(step) : run_kernel(step);
    std::vector<HostTensor> outputs;
    for (const Graph::Output& output : graph_.outputs()) outputs.push_back(logical(output.value));
    return outputs;
  }

 private:
  void take_inputs(std::span<const HostTensor> inputs) {
    if (inputs.size() != graph_.inputs().size())
      throw_user_error("{} inputs given, the program takes {}", inputs.size(), graph_.inputs().size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Op& op = graph_.op(graph_.inputs()[i]);
      const TensorType& type = op.outputs.at(0);
      if (inputs[i].dtype() != type.dtype || inputs[i].shape() != to_ints(type.shape))
        throw_user_error("input '{}' has another type than the program takes ({}, rank {})", op.name,
                         ir::to_string(type.dtype), type.shape.size());
      bytes_[{graph_.inputs()[i], 0}] = inputs[i];
    }
  }

  ir::Buffer buffer_of(ValueId value) const {
    const TensorType& type = graph_.type(value);
    return {"", type.dtype, type.shape, ir::Role::temp, ir::Scope::global, program_.layout_of(value)};
  }
  /// The bytes of a value under a shape of the same size.
  HostTensor stored(ValueId value, std::vector<std::int64_t> shape) const {
    const auto found = bytes_.find(program_.storage_of(value));
    TS_CHECK(found != bytes_.end(),
             fmt::format("value %{} is read before it is written", index_of(value.op)));
    return found->second.reshaped(std::move(shape));
  }
  HostTensor logical(ValueId value) const {
    const ir::Buffer buffer = buffer_of(value);
    return ir::from_physical(stored(value, to_ints(ir::physical_shape(buffer))), buffer);
  }

  void run_host(const ProgramStep& step) {
    const Op& op = graph_.op(step.host_op);
    std::vector<HostTensor> inputs;
    for (ValueId input : op.inputs) inputs.push_back(logical(input));
    const auto results = evaluate_op(op, inputs);
    for (std::uint32_t o = 0; o < results.size(); ++o) bytes_[{step.host_op, o}] = results[o];
  }

  void run_kernel(const ProgramStep& step) {
    const auto arguments = ir::arguments(step.kernel);
    TS_CHECK(arguments.size() == step.inputs.size() + step.outputs.size(),
             fmt::format("step '{}' has another number of values than its kernel has arguments", step.name));
    std::vector<HostTensor> inputs;
    for (std::size_t i = 0; i < step.inputs.size(); ++i)
      inputs.push_back(stored(step.inputs[i], to_ints(ir::physical_shape(step.kernel.buffer(arguments[i])))));
    auto results = ir::interpret(step.kernel, inputs);
    TS_CHECK(results.has_value(), results.has_value() ? "" : step.name + ": " + results.error().message);
    for (std::size_t o = 0; o < step.outputs.size(); ++o) bytes_[step.outputs[o]] = (*results)[o];
  }

  const Program& program_;
  const Graph& graph_;
  std::map<ValueId, HostTensor> bytes_;  // of values that own storage, in their layout
};

}  // namespace

std::vector<HostTensor> interpret_program(const Program& program, std::span<const HostTensor> inputs) {
  return ProgramInterpreter(program).run(inputs);
}

}  // namespace tunesmith::tracer
