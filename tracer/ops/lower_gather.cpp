// Reads at computed places: gather, gather_elements, gather_nd, and iota. Negative places count from the end;
// places beyond the axis become its nearest element, so that no index reads other memory.
#include "tracer/ops/lower.h"
#include "tracer/ops/lower_util.h"

namespace tunesmith::tracer {

using namespace ir;
using Extents = std::vector<std::int64_t>;

namespace {

/// An element of an axis of `extent`, whatever `place` holds.
Expr bounded(const Expr& place, std::int64_t extent) {
  const Expr index = cast(index_dtype, place);
  const Expr counted =
      is_unsigned_integer(place.dtype()) ? index : select(index < Expr(0), index + extent, index);
  return max(min(counted, Expr(extent - 1)), Expr(0));
}

Extents output_shape(std::span<const TensorType> outputs) { return to_ints(outputs[0].shape); }

}  // namespace

std::vector<TensorView> lower_gather(KernelBuilder&, std::span<const TensorView> inputs,
                                     const Attributes& attributes, std::span<const TensorType> outputs) {
  const std::size_t axis = wrap_axis(attributes.get_int("axis"), inputs[0].shape.size());
  return {{outputs[0].dtype, output_shape(outputs),
           [axis, data = inputs[0], places = inputs[1]](Indices indices) {
             const std::size_t rank = places.shape.size();
             std::vector<Expr> own(indices.begin(), indices.begin() + static_cast<std::ptrdiff_t>(axis));
             own.push_back(bounded(places(indices.subspan(axis, rank)), data.shape[axis]));
             own.insert(own.end(), indices.begin() + static_cast<std::ptrdiff_t>(axis + rank), indices.end());
             return data(own);
           }}};
}

std::vector<TensorView> lower_gather_elements(KernelBuilder&, std::span<const TensorView> inputs,
                                              const Attributes& attributes,
                                              std::span<const TensorType> outputs) {
  const std::size_t axis = wrap_axis(attributes.get_int("axis"), inputs[0].shape.size());
  return {{outputs[0].dtype, output_shape(outputs),
           [axis, data = inputs[0], places = inputs[1]](Indices indices) {
             std::vector<Expr> own(indices.begin(), indices.end());
             own[axis] = bounded(places(indices), data.shape[axis]);
             return data(own);
           }}};
}

std::vector<TensorView> lower_gather_nd(KernelBuilder&, std::span<const TensorView> inputs,
                                        const Attributes& attributes, std::span<const TensorType> outputs) {
  const auto batch = static_cast<std::size_t>(attributes.get_int_or("batch_dims", 0));
  return {{outputs[0].dtype, output_shape(outputs),
           [batch, data = inputs[0], places = inputs[1]](Indices indices) {
             const std::size_t outer = places.shape.size() - 1;
             const std::int64_t depth = places.shape.back();
             std::vector<Expr> at(indices.begin(), indices.begin() + static_cast<std::ptrdiff_t>(outer));
             at.emplace_back(0);
             std::vector<Expr> own(indices.begin(), indices.begin() + static_cast<std::ptrdiff_t>(batch));
             for (std::int64_t k = 0; k < depth; ++k) {
               at.back() = Expr(k);
               own.push_back(bounded(places(at), data.shape[own.size()]));
             }
             own.insert(own.end(), indices.begin() + static_cast<std::ptrdiff_t>(outer), indices.end());
             return data(own);
           }}};
}

std::vector<TensorView> lower_iota(KernelBuilder&, std::span<const TensorView>, const Attributes& attributes,
                                   std::span<const TensorType> outputs) {
  const Extents shape = output_shape(outputs);
  const std::size_t axis = wrap_axis(attributes.get_int("axis"), shape.size());
  const DType dtype = outputs[0].dtype;
  return {{dtype, shape, [=](Indices indices) { return cast(dtype, indices[axis]); }}};
}

}  // namespace tunesmith::tracer
