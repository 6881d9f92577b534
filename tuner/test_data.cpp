#include "tuner/test_data.h"

#include <algorithm>
#include <set>

#include "ir/buffer.h"
#include "ir/support/rng.h"
#include "ir/traverse.h"

namespace tunesmith::tuner {
namespace {

/// Buffers whose elements are used inside the index of another load.
std::set<ir::BufferId> index_buffers(const ir::Kernel& kernel) {
  std::set<ir::BufferId> found;
  for (const ir::Stage& stage : kernel.stages)
    for (const ir::Expr& value : stage.values)
      ir::walk(value, [&](const ir::Expr& e) {
        if (const auto* load = e.as<ir::Load>())
          for (const ir::Expr& index : load->indices)
            ir::walk(index, [&](const ir::Expr& inner) {
              if (const auto* source = inner.as<ir::Load>()) found.insert(source->buffer);
              return true;
            });
        return true;
      });
  return found;
}

}  // namespace

std::vector<ir::HostTensor> make_inputs(const ir::Kernel& kernel, std::uint64_t seed) {
  const std::set<ir::BufferId> indices = index_buffers(kernel);
  std::vector<ir::HostTensor> inputs;
  for (const ir::BufferId id : ir::arguments(kernel)) {
    const ir::Buffer& buffer = kernel.buffer(id);
    if (buffer.role == ir::Role::output) continue;
    std::vector<std::int64_t> shape;
    for (const ir::Expr& extent : ir::physical_shape(buffer)) shape.push_back(ir::int_value(extent));
    ir::HostTensor tensor(buffer.dtype, shape);
    // One stream a buffer, so that a kernel with one more input keeps the data of the others.
    Rng rng(combine64(seed, index_of(id)));
    if (ir::is_float(buffer.dtype)) {
      for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, 2 * rng.unit() - 1);
    } else if (!indices.contains(id)) {  // index buffers stay 0, which is inside every buffer
      const std::uint64_t bound = buffer.dtype == ir::DType::boolean ? 2 : 8;
      for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set_int(i, static_cast<std::int64_t>(rng.below(bound)));
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

}  // namespace tunesmith::tuner
