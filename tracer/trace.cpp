#include "tracer/trace.h"

#include <fmt/format.h>

#include "ir/support/error.h"

namespace tunesmith::tracer::detail {

std::vector<Tensor> add_trace_inputs(Graph& graph, const std::vector<TensorSpec>& specs) {
  std::vector<Tensor> tensors;
  for (const TensorSpec& spec : specs) {
    const std::string name = spec.name.empty() ? fmt::format("x{}", tensors.size()) : spec.name;
    TensorType type{spec.dtype, {}};
    for (const DimSpec& dim : spec.shape) {
      if (dim.symbol.empty() && dim.extent < 0)
        throw_user_error("trace: input '{}' has the extent {}; an open extent is given by a name", name,
                         dim.extent);
      type.shape.push_back(dim.symbol.empty() ? Dim(dim.extent) : graph.symbol(dim.symbol));
    }
    tensors.emplace_back(graph, graph.add_input(name, std::move(type)));
  }
  return tensors;
}

void add_trace_outputs(Graph& graph, const std::vector<Tensor>& outputs) {
  if (outputs.empty()) throw_user_error("trace: the function returns no tensor");
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (&outputs[i].graph() != &graph) throw_user_error("trace: output {} is a tensor of another trace", i);
    graph.add_output(outputs.size() == 1 ? "y" : fmt::format("y{}", i), outputs[i].value());
  }
}

void throw_wrong_arity(std::size_t count) {
  throw_user_error("trace: the function does not take {} tensors, one for each spec (at most {})", count,
                   max_traced_arguments);
}

}  // namespace tunesmith::tracer::detail
