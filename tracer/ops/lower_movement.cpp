// Data movement by index arithmetic. Reads that would be out of range stand behind a lazy select.
#include <algorithm>

#include "ir/support/check.h"
#include "tracer/ops/lower.h"
#include "tracer/ops/lower_util.h"

namespace tunesmith::tracer {

using namespace ir;
using Extents = std::vector<std::int64_t>;

namespace {

Extents output_shape(std::span<const TensorType> outputs) { return to_ints(outputs[0].shape); }

/// `x` read at another index: `source` gives the index of dimension d.
TensorView moved(const TensorView& x, Extents shape,
                 std::function<Expr(std::size_t d, const Expr& index)> source) {
  return {x.dtype, std::move(shape), [x, source = std::move(source)](Indices indices) {
            std::vector<Expr> own;
            for (std::size_t d = 0; d < indices.size(); ++d) own.push_back(source(d, indices[d]));
            return x(own);
          }};
}

/// 0, 1, …, n-1, n-2, …, 1, 0, … for places outside [0, extent).
Expr reflected(const Expr& place, std::int64_t extent) {
  if (extent == 1) return 0;
  const std::int64_t period = 2 * (extent - 1);
  const Expr within = floor_mod(place, period);
  return min(within, Expr(period) - within);
}

}  // namespace

std::vector<TensorView> lower_reshape(KernelBuilder&, std::span<const TensorView> inputs, const Attributes&,
                                      std::span<const TensorType> outputs) {
  return {reshape_view(inputs[0], output_shape(outputs))};
}

std::vector<TensorView> lower_transpose(KernelBuilder&, std::span<const TensorView> inputs,
                                        const Attributes& attributes, std::span<const TensorType>) {
  return {transpose_view(inputs[0], attributes.get_ints("perm"))};
}

std::vector<TensorView> lower_expand(KernelBuilder&, std::span<const TensorView> inputs, const Attributes&,
                                     std::span<const TensorType> outputs) {
  return {broadcast(inputs[0], output_shape(outputs))};
}

std::vector<TensorView> lower_concat(KernelBuilder&, std::span<const TensorView> inputs,
                                     const Attributes& attributes, std::span<const TensorType> outputs) {
  const std::size_t axis = wrap_axis(attributes.get_int("axis"), outputs[0].shape.size());
  std::vector<TensorView> parts(inputs.begin(), inputs.end());
  return {{outputs[0].dtype, output_shape(outputs), [axis, parts](Indices indices) {
             std::vector<std::int64_t> begin;
             std::int64_t end = 0;
             for (const TensorView& part : parts) {
               begin.push_back(end);
               end += part.shape[axis];
             }
             Expr result;
             for (std::size_t p = parts.size(); p-- > 0;) {
               std::vector<Expr> own(indices.begin(), indices.end());
               if (begin[p] != 0) own[axis] = own[axis] - begin[p];
               const Expr element = parts[p](own);
               const std::int64_t part_end = begin[p] + parts[p].shape[axis];
               result = result ? select(indices[axis] < Expr(part_end), element, result) : element;
             }
             return result;
           }}};
}

std::vector<TensorView> lower_slice(KernelBuilder&, std::span<const TensorView> inputs,
                                    const Attributes& attributes, std::span<const TensorType> outputs) {
  const Extents& starts = attributes.get_ints("starts");
  const Extents& steps = attributes.get_ints("steps");
  return {moved(inputs[0], output_shape(outputs), [starts, steps](std::size_t d, const Expr& index) {
    const Expr scaled = steps[d] == 1 ? index : index * steps[d];
    return starts[d] == 0 ? scaled : scaled + starts[d];
  })};
}

std::vector<TensorView> lower_pad(KernelBuilder&, std::span<const TensorView> inputs,
                                  const Attributes& attributes, std::span<const TensorType> outputs) {
  const TensorView& x = inputs[0];
  const std::size_t rank = x.shape.size();
  const Extents& pads = attributes.get_ints("pads");
  const Extents before(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
  const Extents after(pads.begin() + static_cast<std::ptrdiff_t>(rank), pads.end());
  const std::string& mode = attributes.get_text("mode");
  if (mode == "constant")
    return {padded_view(x, before, after, constant(attributes.get_float("value"), x.dtype))};
  return {
      moved(x, output_shape(outputs), [mode, before, after, extents = x.shape](std::size_t d, const Expr& i) {
        if (before[d] == 0 && after[d] <= 0) return i;
        const Expr place = before[d] == 0 ? i : i - before[d];
        const std::int64_t extent = extents[d];
        if (mode == "edge") return min(max(place, Expr(0)), Expr(extent - 1));
        if (mode == "wrap") return floor_mod(place, extent);
        TS_CHECK(mode == "reflect", "a padding mode of an unknown name");
        return reflected(place, extent);
      })};
}

std::vector<TensorView> lower_tile(KernelBuilder&, std::span<const TensorView> inputs, const Attributes&,
                                   std::span<const TensorType> outputs) {
  const Extents shape = output_shape(outputs);
  return {moved(inputs[0], shape, [own = inputs[0].shape, shape](std::size_t d, const Expr& index) {
    return own[d] == shape[d] ? index : own[d] == 1 ? Expr(0) : floor_mod(index, own[d]);
  })};
}

}  // namespace tunesmith::tracer
