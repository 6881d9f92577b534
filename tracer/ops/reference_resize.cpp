#include <algorithm>
#include <cmath>

#include "tracer/ops/reference.h"
#include "tracer/ops/reference_util.h"
#include "tracer/ops/resize.h"

namespace tunesmith::tracer {

Tensors reference_resize(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor& x = inputs[0];
  HostTensor out(x.dtype(), attributes.get_ints("sizes"));
  const std::vector<ResizeAxis> axes = resize_axes(x.shape(), attributes);
  const bool copies = attributes.get_text("mode") == "nearest";
  const Extents strides = strides_of(x.shape());
  for_each_index(out.shape(), [&](std::span<const std::int64_t> index, std::int64_t flat) {
    // All products of one tap an axis, axis by axis.
    std::vector<ResizeTap> terms{{0, 1.0}};
    for (std::size_t d = 0; d < index.size(); ++d) {
      std::vector<ResizeTap> next;
      for (const ResizeTap& term : terms)
        for (const ResizeTap& tap : axes[d].places[static_cast<std::size_t>(index[d])])
          next.push_back({term.index + tap.index * strides[d], term.weight * tap.weight});
      terms = std::move(next);
    }
    if (terms.empty()) return out.set(flat, attributes.get_float("extrapolation"));
    if (copies) return copy_element(out, flat, x, terms[0].index);
    double sum = 0;
    for (const ResizeTap& term : terms) sum += term.weight * x.at(term.index);
    if (ir::is_float(x.dtype())) return out.set(flat, sum);
    if (saturates_when_interpolated(x.dtype()))
      sum = std::clamp(sum, ir::lowest(x.dtype()), ir::highest(x.dtype()));
    out.set_int(flat, static_cast<std::int64_t>(std::nearbyint(sum)));
  });
  return {out};
}

}  // namespace tunesmith::tracer
