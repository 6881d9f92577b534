// Matrix products, convolutions, pooling.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tracer/ops/infer.h"
#include "tracer/ops/reference.h"
#include "tracer/ops/reference_util.h"

namespace tunesmith::tracer {
namespace {

std::vector<TensorType> types_of(std::span<const HostTensor> inputs) {
  std::vector<TensorType> types;
  for (const HostTensor& input : inputs) types.push_back({input.dtype(), to_shape(input.shape())});
  return types;
}

/// Elements as doubles; exact for every integer that a product of the tests can reach.
std::vector<double> doubles(const HostTensor& tensor) {
  std::vector<double> values(static_cast<std::size_t>(tensor.size()));
  for (std::int64_t i = 0; i < tensor.size(); ++i)
    values[static_cast<std::size_t>(i)] =
        ir::is_float(tensor.dtype()) ? tensor.at(i) : static_cast<double>(tensor.int_at(i));
  return values;
}

void store(HostTensor& out, std::int64_t flat, double value) {
  if (ir::is_float(out.dtype()))
    out.set(flat, value);
  else
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

Extents spatial(const Extents& shape) { return {shape.begin() + 2, shape.end()}; }

}  // namespace

Tensors reference_matmul(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const TensorType type = infer_matmul(types_of(inputs), attributes)[0];
  HostTensor out(type.dtype, to_ints(type.shape));
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
  const std::vector<double> a = doubles(inputs[0]), b = doubles(inputs[1]);
  std::vector<double> row(static_cast<std::size_t>(n));
  for_each_index(batch_shape, [&](std::span<const std::int64_t> index, std::int64_t flat) {
    const double* a0 = a.data() + flat_of(index, a_strides) * m * k;
    const double* b0 = b.data() + flat_of(index, b_strides) * k * n;
    for (std::int64_t i = 0; i < m; ++i) {
      std::ranges::fill(row, 0.0);
      for (std::int64_t p = 0; p < k; ++p)
        for (std::int64_t j = 0; j < n; ++j)
          row[static_cast<std::size_t>(j)] += a0[i * k + p] * b0[p * n + j];
      for (std::int64_t j = 0; j < n; ++j)
        store(out, (flat * m + i) * n + j, row[static_cast<std::size_t>(j)]);
    }
  });
  return {out};
}

Tensors reference_conv(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const TensorType type = infer_conv(types_of(inputs), attributes)[0];
  HostTensor out(type.dtype, to_ints(type.shape));
  const HostTensor &x = inputs[0], &w = inputs[1];
  const Window window(spatial(w.shape()), attributes);
  const std::int64_t groups = attributes.get_int("groups"), channels = w.shape()[1], k_count = w.shape()[0];
  const std::int64_t members = k_count / groups;
  const Extents in = spatial(x.shape()), places = spatial(out.shape()), strides = strides_of(in);
  const std::int64_t x_plane = element_count(in), w_plane = element_count(window.kernel),
                     out_plane = element_count(places);
  const std::vector<double> xs = doubles(x), ws = doubles(w);
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
        double sum = inputs.size() > 2 ? inputs[2].at(k) : 0;
        for (std::int64_t c = 0; c < channels; ++c) {
          const double* plane = xs.data() + (n * x.shape()[1] + k / members * channels + c) * x_plane;
          const double* weight = ws.data() + (k * channels + c) * w_plane;
          for (const auto& [tap, flat] : taps) sum += plane[flat] * weight[tap];
        }
        store(out, (n * k_count + k) * out_plane + place, sum);
      }
    });
  return {out};
}

Tensors reference_conv_transpose(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const TensorType type = infer_conv_transpose(types_of(inputs), attributes)[0];
  HostTensor out(type.dtype, to_ints(type.shape));
  const HostTensor &x = inputs[0], &w = inputs[1];
  const Window window(spatial(w.shape()), attributes);
  const std::int64_t groups = attributes.get_int("groups"), members = w.shape()[1], channels = x.shape()[1];
  const Extents in = spatial(x.shape()), places = spatial(out.shape()), strides = strides_of(places);
  const std::int64_t in_plane = element_count(in), out_plane = element_count(places),
                     w_plane = element_count(window.kernel);
  const std::int64_t out_channels = members * groups;
  const std::vector<double> xs = doubles(x), ws = doubles(w);
  std::vector<double> sums(static_cast<std::size_t>(out.size()), 0.0);
  if (inputs.size() > 2)
    for (std::int64_t i = 0; i < out.size(); ++i)
      sums[static_cast<std::size_t>(i)] = inputs[2].at(i / out_plane % out_channels);
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
          const double value = xs[static_cast<std::size_t>((n * channels + c) * in_plane + place)];
          const std::int64_t group = c / (channels / groups);
          for (std::int64_t k = 0; k < members; ++k)
            sums[static_cast<std::size_t>((n * out_channels + group * members + k) * out_plane + flat)] +=
                value * ws[static_cast<std::size_t>((c * members + k) * w_plane + tap)];
        }
      });
    });
  for (std::int64_t i = 0; i < out.size(); ++i) store(out, i, sums[static_cast<std::size_t>(i)]);
  return {out};
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
      double best = -std::numeric_limits<double>::infinity(), sum = 0;
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
        if (best_place < 0 || value > best || std::isnan(value))
          best = value, best_place = index, best_flat = flat;
        sum += op == "lp" ? std::pow(std::abs(value), p) : value;
      });
      const std::int64_t to = nc * out_plane + place;
      if (op == "max") {
        if (best_flat >= 0)
          copy_element(out, to, x, nc * plane + best_flat);
        else
          store(out, to, ir::lowest(out.dtype()));
      } else {
        store(out, to, op == "lp" ? std::pow(sum, 1 / p) : sum / static_cast<double>(count));
      }
      where.set_int(to, nc * plane + best_place);
    });
  if (types.size() > 1) return {out, where};
  return {out};
}

}  // namespace tunesmith::tracer
