#include "tools/cli/random_data.h"

namespace tunesmith::tools {

ir::HostTensor random_tensor(const tracer::TensorType& type, Rng& rng) {
  ir::HostTensor tensor(type.dtype, tracer::to_ints(type.shape));
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    if (ir::is_float(type.dtype))
      tensor.set(i, rng.unit() * 2 - 1);
    else
      tensor.set_int(i, static_cast<std::int64_t>(rng.below(2)));
  }
  return tensor;
}

std::vector<ir::HostTensor> random_inputs(const tracer::Graph& graph, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<ir::HostTensor> inputs;
  for (const tracer::OpId id : graph.inputs()) inputs.push_back(random_tensor(graph.op(id).outputs[0], rng));
  return inputs;
}

}  // namespace tunesmith::tools
