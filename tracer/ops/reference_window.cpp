// Matrix products, convolutions, pooling.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "tracer/op_table.h"
#include "tracer/ops/infer.h"
#include "tracer/ops/reference.h"
#include "tracer/ops/reference_util.h"

namespace tunesmith::tracer {
namespace {

/// What products are summed in: doubles, or integers that wrap.
template <class Acc>
Acc element(const HostTensor& tensor, std::int64_t flat) {
  if constexpr (std::is_same_v<Acc, double>)
    return tensor.at(flat);
  else
    return static_cast<Acc>(tensor.int_at(flat));
}

template <class Acc>
std::vector<Acc> elements(const HostTensor& tensor) {
  std::vector<Acc> values(static_cast<std::size_t>(tensor.size()));
  for (std::int64_t i = 0; i < tensor.size(); ++i)
    values[static_cast<std::size_t>(i)] = element<Acc>(tensor, i);
  return values;
}

void store(HostTensor& out, std::int64_t flat, double value) { out.set(flat, value); }
void store(HostTensor& out, std::int64_t flat, std::uint64_t value) {
  out.set_int(flat, static_cast<std::int64_t>(value));
}

struct Window {
  Extents kernel, strides, dilations, pads;
  std::size_t rank = 0;

  Window(Extents taps, const Attributes& attributes)
      : kernel(std::move(taps)),
        strides(attributes.get_ints("strides")),
        dilations(attributes.get_ints("dilations")),
        pads(attributes.get_ints("pads")),
        rank(kernel.size()) {}

  /// Place in the input of tap `t` of the window at `out`, in dimension d; may be outside.
  std::int64_t place(std::size_t d, std::int64_t out, std::int64_t t) const {
    return out * strides[d] + t * dilations[d] - pads[d];
  }
};

/// The largest of no elements.
void set_nothing(HostTensor& out, std::int64_t flat) {
  if (ir::is_float(out.dtype()))
    out.set(flat, -std::numeric_limits<double>::infinity());
  else
    out.set_int(flat, static_cast<std::int64_t>(ir::lowest(out.dtype())));
}

Extents spatial(const Extents& shape) { return {shape.begin() + 2, shape.end()}; }

template <class Acc>
void matmul(std::span<const HostTensor> inputs, const Attributes&, HostTensor& out) {
  auto matrix = [](const HostTensor& t, bool left) {
    Extents shape = t.shape();
    if (shape.size() == 1) shape.insert(left ? shape.begin() : shape.end(), 1);
    return shape;
  };
  const Extents a_shape = matrix(inputs[0], true), b_shape = matrix(inputs[1], false);
  const std::int64_t m = a_shape[a_shape.size() - 2], k = a_shape.back(), n = b_shape.back();
  const Extents a_batch(a_shape.begin(), a_shape.end() - 2), b_batch(b_shape.begin(), b_shape.end() - 2);
  const Shape batch = broadcast_shapes(to_shape(a_batch), to_shape(b_batch));
  const Extents batch_shape = to_ints(batch);
  const Extents a_strides = broadcast_strides(a_batch, batch_shape),
                b_strides = broadcast_strides(b_batch, batch_shape);
  const std::vector<Acc> a = elements<Acc>(inputs[0]), b = elements<Acc>(inputs[1]);
  std::vector<Acc> row(static_cast<std::size_t>(n));
  for_each_index(batch_shape, [&](std::span<const std::int64_t> index, std::int64_t flat) {
    const Acc* a0 = a.data() + flat_of(index, a_strides) * m * k;
    const Acc* b0 = b.data() + flat_of(index, b_strides) * k * n;
    for (std::int64_t i = 0; i < m; ++i) {
      std::ranges::fill(row, Acc{0});
      for (std::int64_t p = 0; p < k; ++p)
        for (std::int64_t j = 0; j < n; ++j)
          row[static_cast<std::size_t>(j)] += a0[i * k + p] * b0[p * n + j];
      for (std::int64_t j = 0; j < n; ++j)
        store(out, (flat * m + i) * n + j, row[static_cast<std::size_t>(j)]);
    }
  });
}

template <class Acc>
void conv(std::span<const HostTensor> inputs, const Attributes& attributes, HostTensor& out) {
  const HostTensor &x = inputs[0], &w = inputs[1];
  const Window window(spatial(w.shape()), attributes);
  const std::int64_t groups = attributes.get_int("groups"), channels = w.shape()[1], k_count = w.shape()[0];
  const std::int64_t members = k_count / groups;
  const Extents in = spatial(x.shape()), places = spatial(out.shape()), strides = strides_of(in);
  const std::int64_t x_plane = element_count(in), w_plane = element_count(window.kernel),
                     out_plane = element_count(places);
  const std::vector<Acc> xs = elements<Acc>(x), ws = elements<Acc>(w);
  for (std::int64_t n = 0; n < x.shape()[0]; ++n)
    for_each_index(places, [&](std::span<const std::int64_t> at, std::int64_t place) {
      // The taps that meet the input, and where: shared by all channels.
      std::vector<std::pair<std::int64_t, std::int64_t>> taps;
      for_each_index(window.kernel, [&](std::span<const std::int64_t> t, std::int64_t tap) {
        std::int64_t flat = 0;
        for (std::size_t d = 0; d < window.rank; ++d) {
          const std::int64_t p = window.place(d, at[d], t[d]);
          if (p < 0 || p >= in[d]) return;
          flat += p * strides[d];
        }
        taps.emplace_back(tap, flat);
      });
      for (std::int64_t k = 0; k < k_count; ++k) {
        Acc sum = inputs.size() > 2 ? element<Acc>(inputs[2], k) : 0;
        for (std::int64_t c = 0; c < channels; ++c) {
          const Acc* plane = xs.data() + (n * x.shape()[1] + k / members * channels + c) * x_plane;
          const Acc* weight = ws.data() + (k * channels + c) * w_plane;
          for (const auto& [tap, flat] : taps) sum += plane[flat] * weight[tap];
        }
        store(out, (n * k_count + k) * out_plane + place, sum);
      }
    });
}

template <class Acc>
void conv_transpose(std::span<const HostTensor> inputs, const Attributes& attributes, HostTensor& out) {
  const HostTensor &x = inputs[0], &w = inputs[1];
  const Window window(spatial(w.shape()), attributes);
  const std::int64_t groups = attributes.get_int("groups"), members = w.shape()[1], channels = x.shape()[1];
  const Extents in = spatial(x.shape()), places = spatial(out.shape()), strides = strides_of(places);
  const std::int64_t in_plane = element_count(in), out_plane = element_count(places),
                     w_plane = element_count(window.kernel);
  const std::int64_t out_channels = members * groups;
  const std::vector<Acc> xs = elements<Acc>(x), ws = elements<Acc>(w);
  std::vector<Acc> sums(static_cast<std::size_t>(out.size()), Acc{0});
  if (inputs.size() > 2)
    for (std::int64_t i = 0; i < out.size(); ++i)
      sums[static_cast<std::size_t>(i)] = element<Acc>(inputs[2], i / out_plane % out_channels);
  for (std::int64_t n = 0; n < x.shape()[0]; ++n)
    for_each_index(in, [&](std::span<const std::int64_t> at, std::int64_t place) {
      for_each_index(window.kernel, [&](std::span<const std::int64_t> t, std::int64_t tap) {
        std::int64_t flat = 0;
        for (std::size_t d = 0; d < window.rank; ++d) {
          const std::int64_t p = window.place(d, at[d], t[d]);
          if (p < 0 || p >= places[d]) return;
          flat += p * strides[d];
        }
        for (std::int64_t c = 0; c < channels; ++c) {
          const Acc value = xs[static_cast<std::size_t>((n * channels + c) * in_plane + place)];
          const std::int64_t group = c / (channels / groups);
          for (std::int64_t k = 0; k < members; ++k)
            sums[static_cast<std::size_t>((n * out_channels + group * members + k) * out_plane + flat)] +=
                value * ws[static_cast<std::size_t>((c * members + k) * w_plane + tap)];
        }
      });
    });
  for (std::int64_t i = 0; i < out.size(); ++i) store(out, i, sums[static_cast<std::size_t>(i)]);
}

using SumFn = void (*)(std::span<const HostTensor> inputs, const Attributes& attributes, HostTensor& out);

Tensors summed(InferFn infer, SumFn floats, SumFn integers, std::span<const HostTensor> inputs,
               const Attributes& attributes) {
  const TensorType type = infer(types_of(inputs), attributes)[0];
  HostTensor out(type.dtype, to_ints(type.shape));
  (ir::is_float(type.dtype) ? floats : integers)(inputs, attributes, out);
  return {out};
}

}  // namespace

Tensors reference_matmul(std::span<const HostTensor> inputs, const Attributes& attributes) {
  return summed(infer_matmul, matmul<double>, matmul<std::uint64_t>, inputs, attributes);
}

Tensors reference_conv(std::span<const HostTensor> inputs, const Attributes& attributes) {
  return summed(infer_conv, conv<double>, conv<std::uint64_t>, inputs, attributes);
}

Tensors reference_conv_transpose(std::span<const HostTensor> inputs, const Attributes& attributes) {
  return summed(infer_conv_transpose, conv_transpose<double>, conv_transpose<std::uint64_t>, inputs,
                attributes);
}

Tensors reference_pool(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const std::vector<TensorType> types = infer_pool(types_of(inputs), attributes);
  const HostTensor& x = inputs[0];
  HostTensor out(types[0].dtype, to_ints(types[0].shape));
  HostTensor where(DType::i64, to_ints(types[0].shape));
  const Window window(attributes.get_ints("kernel"), attributes);
  const std::string& op = attributes.get_text("op");
  const bool include_pad = attributes.get_int_or("count_include_pad", 0) != 0;
  const bool column_major = attributes.get_int_or("column_major", 0) != 0;
  const double p = static_cast<double>(attributes.get_int_or("p", 2));
  const Extents in = spatial(x.shape()), places = spatial(out.shape()), strides = strides_of(in);
  Extents index_strides = strides;
  if (column_major)
    for (std::size_t d = 0; d < in.size(); ++d)
      index_strides[d] = d == 0 ? 1 : index_strides[d - 1] * in[d - 1];
  const std::int64_t plane = element_count(in), out_plane = element_count(places);
  for (std::int64_t nc = 0; nc < x.shape()[0] * x.shape()[1]; ++nc)
    for_each_index(places, [&](std::span<const std::int64_t> at, std::int64_t place) {
      double sum = 0;
      std::int64_t count = 0, best_place = -1, best_flat = -1;
      for_each_index(window.kernel, [&](std::span<const std::int64_t> t, std::int64_t) {
        std::int64_t flat = 0, index = 0;
        bool inside = true, counts = true;
        for (std::size_t d = 0; d < window.rank; ++d) {
          const std::int64_t q = window.place(d, at[d], t[d]);
          inside = inside && q >= 0 && q < in[d];
          counts = counts && q < in[d] + window.pads[window.rank + d];
          flat += q * strides[d];
          index += q * index_strides[d];
        }
        if (inside || (include_pad && counts)) ++count;
        if (!inside) return;
        const double value = x.at(nc * plane + flat);
        if (best_flat < 0 || std::isnan(value) ||
            element_less(x, nc * plane + best_flat, x, nc * plane + flat))
          best_place = index, best_flat = flat;
        sum += op == "lp" ? std::pow(std::abs(value), p) : value;
      });
      const std::int64_t to = nc * out_plane + place;
      if (op == "max") {
        if (best_flat >= 0)
          copy_element(out, to, x, nc * plane + best_flat);
        else
          set_nothing(out, to);
      } else {
        out.set(to, op == "lp" ? std::pow(sum, 1 / p) : sum / static_cast<double>(count));
      }
      where.set_int(to, best_flat < 0 ? -1 : nc * plane + best_place);
    });
  if (types.size() > 1) return {out, where};
  return {out};
}

}  // namespace tunesmith::tracer
