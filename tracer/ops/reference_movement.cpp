#include <algorithm>
#include <numeric>

#include "ir/support/error.h"
#include "tracer/op_table.h"
#include "tracer/ops/infer.h"
#include "tracer/ops/reference.h"
#include "tracer/ops/reference_util.h"

namespace tunesmith::tracer {
namespace {

/// An output whose every element is the input's element at `place(index)`.
template <class Place>
HostTensor moved(const HostTensor& x, Extents shape, Place&& place) {
  HostTensor out(x.dtype(), std::move(shape));
  for_each_index(out.shape(), [&](std::span<const std::int64_t> index, std::int64_t flat) {
    copy_element(out, flat, x, place(index));
  });
  return out;
}

Extents result_shape(InferFn infer, std::span<const HostTensor> inputs, const Attributes& attributes) {
  return to_ints(infer(types_of(inputs), attributes)[0].shape);
}

std::int64_t checked_index(std::int64_t index, std::int64_t extent) {
  if (index < -extent || index >= extent)
    throw_user_error("index {} is out of range for an axis of extent {}", index, extent);
  return index < 0 ? index + extent : index;
}

std::int64_t reflected(std::int64_t place, std::int64_t extent) {
  if (extent == 1) return 0;
  const std::int64_t period = 2 * (extent - 1);
  place = ((place % period) + period) % period;
  return place < extent ? place : period - place;
}

/// One step of a scatter: joins an update to the element that is there.
void join(HostTensor& out, std::int64_t to, const HostTensor& updates, std::int64_t from,
          const std::string& reduction) {
  if (reduction == "none") return copy_element(out, to, updates, from);
  const bool takes_low = reduction == "min";
  if (takes_low || reduction == "max") {
    const bool better =
        takes_low ? element_less(updates, from, out, to) : element_less(out, to, updates, from);
    if (better) copy_element(out, to, updates, from);
    return;
  }
  const bool adds = reduction == "add";
  if (ir::is_float(out.dtype())) {
    const double a = out.at(to), b = updates.at(from);
    out.set(to, adds ? a + b : a * b);
  } else {
    const auto a = static_cast<std::uint64_t>(out.int_at(to)),
               b = static_cast<std::uint64_t>(updates.int_at(from));
    out.set_int(to, static_cast<std::int64_t>(adds ? a + b : a * b));
  }
}

}  // namespace

Tensors reference_reshape(std::span<const HostTensor> inputs, const Attributes& attributes) {
  return {inputs[0].reshaped(result_shape(infer_reshape, inputs, attributes))};
}

Tensors reference_transpose(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor& x = inputs[0];
  const Extents& perm = attributes.get_ints("perm");
  const Extents strides = strides_of(x.shape());
  Extents shape, moved_strides;
  for (std::int64_t axis : perm) {
    shape.push_back(x.shape()[static_cast<std::size_t>(axis)]);
    moved_strides.push_back(strides[static_cast<std::size_t>(axis)]);
  }
  return {moved(x, shape, [&](auto index) { return flat_of(index, moved_strides); })};
}

Tensors reference_expand(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const Extents shape = result_shape(infer_expand, inputs, attributes);
  const Extents strides = broadcast_strides(inputs[0].shape(), shape);
  return {moved(inputs[0], shape, [&](auto index) { return flat_of(index, strides); })};
}

Tensors reference_concat(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const std::size_t axis = axis_of(attributes.get_int("axis"), inputs[0].shape().size());
  Extents shape = inputs[0].shape();
  shape[axis] = 0;
  for (const HostTensor& input : inputs) shape[axis] += input.shape()[axis];
  HostTensor out(inputs[0].dtype(), shape);
  const Extents strides = strides_of(shape);
  std::int64_t begin = 0;
  for (const HostTensor& input : inputs) {
    for_each_index(input.shape(), [&](std::span<const std::int64_t> index, std::int64_t flat) {
      copy_element(out, flat_of(index, strides) + begin * strides[axis], input, flat);
    });
    begin += input.shape()[axis];
  }
  return {out};
}

Tensors reference_slice(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const Extents &starts = attributes.get_ints("starts"), &steps = attributes.get_ints("steps");
  const Extents strides = strides_of(inputs[0].shape());
  return {moved(inputs[0], result_shape(infer_slice, inputs, attributes), [&](auto index) {
    std::int64_t flat = 0;
    for (std::size_t d = 0; d < index.size(); ++d) flat += (starts[d] + index[d] * steps[d]) * strides[d];
    return flat;
  })};
}

Tensors reference_pad(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor& x = inputs[0];
  const Extents& pads = attributes.get_ints("pads");
  const std::string& mode = attributes.get_text("mode");
  const std::size_t rank = x.shape().size();
  Extents shape;
  for (std::size_t d = 0; d < rank; ++d) shape.push_back(x.shape()[d] + pads[d] + pads[rank + d]);
  const Extents strides = strides_of(x.shape());
  const HostTensor fill =
      HostTensor::scalar(x.dtype(), mode == "constant" ? attributes.get_float("value") : 0);
  HostTensor out(x.dtype(), shape);
  for_each_index(shape, [&](std::span<const std::int64_t> index, std::int64_t flat) {
    std::int64_t source = 0;
    bool inside = true;
    for (std::size_t d = 0; d < rank; ++d) {
      const std::int64_t extent = x.shape()[d];
      std::int64_t place = index[d] - pads[d];
      if (mode == "edge") place = std::clamp<std::int64_t>(place, 0, extent - 1);
      if (mode == "wrap") place = ((place % extent) + extent) % extent;
      if (mode == "reflect") place = reflected(place, extent);
      inside = inside && place >= 0 && place < extent;
      source += place * strides[d];
    }
    copy_element(out, flat, inside ? x : fill, inside ? source : 0);
  });
  return {out};
}

Tensors reference_tile(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor& x = inputs[0];
  const Extents& repeats = attributes.get_ints("repeats");
  Extents shape;
  for (std::size_t d = 0; d < repeats.size(); ++d) shape.push_back(x.shape()[d] * repeats[d]);
  const Extents strides = strides_of(x.shape());
  return {moved(x, shape, [&](auto index) {
    std::int64_t flat = 0;
    for (std::size_t d = 0; d < index.size(); ++d) flat += index[d] % x.shape()[d] * strides[d];
    return flat;
  })};
}

Tensors reference_gather(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor &data = inputs[0], &indices = inputs[1];
  const std::size_t axis = axis_of(attributes.get_int("axis"), data.shape().size());
  const std::size_t depth = indices.shape().size();
  Extents shape(data.shape().begin(), data.shape().begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(shape.end(), indices.shape().begin(), indices.shape().end());
  shape.insert(shape.end(), data.shape().begin() + static_cast<std::ptrdiff_t>(axis) + 1, data.shape().end());
  const Extents strides = strides_of(data.shape()), index_strides = strides_of(indices.shape());
  return {moved(data, shape, [&](std::span<const std::int64_t> index) {
    std::int64_t flat = 0;
    for (std::size_t d = 0; d < axis; ++d) flat += index[d] * strides[d];
    const std::int64_t place = indices.int_at(flat_of(index.subspan(axis, depth), index_strides));
    flat += checked_index(place, data.shape()[axis]) * strides[axis];
    for (std::size_t d = axis + 1; d < data.shape().size(); ++d) flat += index[d - 1 + depth] * strides[d];
    return flat;
  })};
}

Tensors reference_gather_elements(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor &data = inputs[0], &indices = inputs[1];
  const std::size_t axis = axis_of(attributes.get_int("axis"), data.shape().size());
  const Extents strides = strides_of(data.shape()), index_strides = strides_of(indices.shape());
  return {moved(data, indices.shape(), [&](std::span<const std::int64_t> index) {
    const std::int64_t place =
        checked_index(indices.int_at(flat_of(index, index_strides)), data.shape()[axis]);
    return flat_of(index, strides) + (place - index[axis]) * strides[axis];
  })};
}

Tensors reference_gather_nd(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor &data = inputs[0], &indices = inputs[1];
  const auto batch = static_cast<std::size_t>(attributes.get_int_or("batch_dims", 0));
  const auto depth = static_cast<std::size_t>(indices.shape().back());
  const std::size_t outer = indices.shape().size() - 1;
  Extents shape(indices.shape().begin(), indices.shape().end() - 1);
  shape.insert(shape.end(), data.shape().begin() + static_cast<std::ptrdiff_t>(batch + depth),
               data.shape().end());
  const Extents strides = strides_of(data.shape());
  Extents index_strides = strides_of(indices.shape());
  index_strides.pop_back();
  return {moved(data, shape, [&](std::span<const std::int64_t> index) {
    std::int64_t flat = 0;
    for (std::size_t d = 0; d < batch; ++d) flat += index[d] * strides[d];
    const std::int64_t first = flat_of(index.first(outer), index_strides);
    for (std::size_t d = 0; d < depth; ++d)
      flat += checked_index(indices.int_at(first + static_cast<std::int64_t>(d)), data.shape()[batch + d]) *
              strides[batch + d];
    for (std::size_t d = batch + depth; d < data.shape().size(); ++d)
      flat += index[outer + d - batch - depth] * strides[d];
    return flat;
  })};
}

Tensors reference_iota(std::span<const HostTensor>, const Attributes& attributes) {
  HostTensor out(*ir::dtype_from_string(attributes.get_text("dtype")), attributes.get_ints("shape"));
  const std::size_t axis = axis_of(attributes.get_int("axis"), out.shape().size());
  for_each_index(out.shape(), [&](std::span<const std::int64_t> index, std::int64_t flat) {
    if (ir::is_float(out.dtype()))
      out.set(flat, static_cast<double>(index[axis]));
    else
      out.set_int(flat, index[axis]);
  });
  return {out};
}

Tensors reference_scatter_elements(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor &indices = inputs[1], &updates = inputs[2];
  HostTensor out = inputs[0];
  const std::size_t axis = axis_of(attributes.get_int("axis"), out.shape().size());
  const Extents strides = strides_of(out.shape());
  for_each_index(indices.shape(), [&](std::span<const std::int64_t> index, std::int64_t flat) {
    const std::int64_t place = checked_index(indices.int_at(flat), out.shape()[axis]);
    join(out, flat_of(index, strides) + (place - index[axis]) * strides[axis], updates, flat,
         attributes.get_text("reduction"));
  });
  return {out};
}

Tensors reference_scatter_nd(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor &indices = inputs[1], &updates = inputs[2];
  HostTensor out = inputs[0];
  const auto depth = static_cast<std::size_t>(indices.shape().back());
  const Extents strides = strides_of(out.shape());
  const std::int64_t slice = element_count(std::span(out.shape()).subspan(depth));
  const std::int64_t count = element_count(std::span(indices.shape()).first(indices.shape().size() - 1));
  for (std::int64_t n = 0; n < count; ++n) {
    std::int64_t flat = 0;
    for (std::size_t d = 0; d < depth; ++d)
      flat +=
          checked_index(indices.int_at(n * static_cast<std::int64_t>(depth) + static_cast<std::int64_t>(d)),
                        out.shape()[d]) *
          strides[d];
    for (std::int64_t i = 0; i < slice; ++i)
      join(out, flat + i, updates, n * slice + i, attributes.get_text("reduction"));
  }
  return {out};
}

Tensors reference_top_k(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor& x = inputs[0];
  const std::size_t axis = axis_of(attributes.get_int("axis"), x.shape().size());
  const bool largest = attributes.get_int_or("largest", 1) != 0;
  Extents shape = x.shape();
  const std::int64_t extent = shape[axis], k = attributes.get_int("k");
  shape[axis] = k;
  HostTensor values(x.dtype(), shape), places(DType::i64, shape);
  const Extents strides = strides_of(x.shape()), out_strides = strides_of(shape);
  Extents rows = x.shape();
  rows[axis] = 1;
  for_each_index(rows, [&](std::span<const std::int64_t> index, std::int64_t) {
    const std::int64_t from = flat_of(index, strides), to = flat_of(index, out_strides);
    Extents order(static_cast<std::size_t>(extent));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    auto less = [&](std::int64_t a, std::int64_t b) {
      return element_less(x, from + a * strides[axis], x, from + b * strides[axis]);
    };
    std::ranges::stable_sort(
        order, [&](std::int64_t a, std::int64_t b) { return largest ? less(b, a) : less(a, b); });
    for (std::int64_t i = 0; i < k; ++i) {
      const std::int64_t place = order[static_cast<std::size_t>(i)];
      copy_element(values, to + i * out_strides[axis], x, from + place * strides[axis]);
      places.set_int(to + i * out_strides[axis], place);
    }
  });
  return {values, places};
}

}  // namespace tunesmith::tracer
