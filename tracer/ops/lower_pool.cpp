// Pooling over sliding windows: maximum (with the place of the maximum where it is asked for), average and
// p-norm. Padding is a stage of its own, filled with what does not change the result.
#include <algorithm>
#include <cmath>

#include "ir/support/check.h"
#include "tracer/ops/lower.h"
#include "tracer/ops/lower_window.h"

namespace tunesmith::tracer {

using namespace ir;
using Extents = std::vector<std::int64_t>;

namespace {

/// A pooling operator over x [N, C, spatial…].
struct Pool {
  TensorView x;
  Window window;
  Extents shape;
  /// Padding after the input that the windows reach: pads_end, or more where the output is rounded up.
  Extents reach;
};

Pool pool_of(const TensorView& x, const Attributes& attributes, const TensorType& output) {
  Pool pool{x, window_of(attributes, attributes.get_ints("kernel")), to_ints(output.shape), {}};
  const Window& window = pool.window;
  for (std::size_t d = 0; d < window.rank(); ++d) {
    const std::int64_t end = (pool.shape[2 + d] - 1) * window.strides[d] + window.span(d);
    pool.reach.push_back(std::max<std::int64_t>(0, end - x.shape[2 + d] - window.pads_begin[d]));
  }
  return pool;
}

std::vector<Expr> place(const Pool& pool, Indices i, const std::vector<Expr>& r) {
  std::vector<Expr> at{i[0], i[1]};
  for (std::size_t d = 0; d < pool.window.rank(); ++d)
    at.push_back(i[2 + d] * pool.window.strides[d] + r[d] * pool.window.dilations[d]);
  return at;
}

TensorView padded(KernelBuilder& builder, const Pool& pool, const TensorView& x, const Expr& outside) {
  return padded_stage(builder, "pool.pad", x, pool.window.pads_begin, pool.reach, outside);
}

TensorView reduced(KernelBuilder& builder, const Pool& pool, const std::string& name, const TensorView& x,
                   CombinerKind combiner) {
  const CompactAxes axes(pool.window.kernel);
  return builder.reduce(name, x.dtype, pool.shape, axes.extents, combiner,
                        [&](Indices i, Indices reduce) { return x(place(pool, i, axes.of(reduce))); });
}

/// Some window has all its elements along dimension d in the padding.
bool may_be_empty(const Pool& pool, std::size_t d) {
  for (std::int64_t out = 0; out < pool.shape[2 + d]; ++out) {
    const std::int64_t start = out * pool.window.strides[d] - pool.window.pads_begin[d],
                       step = pool.window.dilations[d];
    const std::int64_t first_tap = start >= 0 ? 0 : (-start + step - 1) / step;
    if (first_tap >= pool.window.kernel[d] || start + first_tap * step >= pool.x.shape[2 + d]) return true;
  }
  return false;
}
bool may_be_empty(const Pool& pool) {
  for (std::size_t d = 0; d < pool.window.rank(); ++d)
    if (may_be_empty(pool, d)) return true;
  return false;
}

/// Places of a window in dimension d that count: those inside [-before, extent + after).
Expr count_in(const Pool& pool, std::size_t d, const Expr& out, std::int64_t before, std::int64_t after) {
  const Window& window = pool.window;
  const std::int64_t step = window.dilations[d], taps = window.kernel[d], extent = pool.x.shape[2 + d];
  const std::int64_t last = (pool.shape[2 + d] - 1) * window.strides[d] + window.span(d) - 1;
  const Expr start = out * window.strides[d] - window.pads_begin[d];
  const bool full_begin = window.pads_begin[d] <= before;
  const bool full_end = last - window.pads_begin[d] < extent + after;
  const Expr first_tap =
      full_begin ? Expr(0) : max(Expr(0), floor_div(Expr(step - 1 - before) - start, step));
  const Expr end_tap =
      full_end ? Expr(taps) : min(Expr(taps), floor_div(Expr(extent + after - 1) - start, step) + 1);
  return may_be_empty(pool, d) ? max(end_tap - first_tap, Expr(0)) : end_tap - first_tap;
}

TensorView average(KernelBuilder& builder, const Pool& pool, bool count_padding) {
  const DType acc = accumulator_dtype(pool.x.dtype);
  const TensorView x = cast_view(padded(builder, pool, pool.x, constant(0, pool.x.dtype)), acc);
  const TensorView sum = reduced(builder, pool, "pool.sum", x, CombinerKind::sum);
  return {acc, pool.shape, [=, window = pool.window](Indices i) {
            Expr count = 1;
            for (std::size_t d = 0; d < window.rank(); ++d) {
              const std::int64_t before = count_padding ? window.pads_begin[d] : 0;
              const std::int64_t after = count_padding ? window.pads_end[d] : 0;
              count = count * count_in(pool, d, i[2 + d], before, after);
            }
            const auto* fixed = as_int(count);
            const Expr divisor = fixed ? constant(static_cast<double>(*fixed), acc) : cast(acc, count);
            return binary(BinaryOp::div, sum(i), divisor);
          }};
}

TensorView p_norm(KernelBuilder& builder, const Pool& pool, std::int64_t p) {
  const DType acc = accumulator_dtype(pool.x.dtype);
  const TensorView x = cast_view(padded(builder, pool, pool.x, constant(0, pool.x.dtype)), acc);
  const TensorView powers = mapped(x, acc, [p, acc](const Expr& e) {
    const Expr magnitude = unary(UnaryOp::abs, e);
    if (p == 1) return magnitude;
    if (p == 2) return e * e;
    return binary(BinaryOp::pow, magnitude, constant(static_cast<double>(p), acc));
  });
  const TensorView sum = reduced(builder, pool, "pool.sum", powers, CombinerKind::sum);
  return mapped(sum, acc, [p, acc](const Expr& e) {
    if (p == 1) return e;
    if (p == 2) return unary(UnaryOp::sqrt, e);
    return binary(BinaryOp::pow, e, constant(1.0 / static_cast<double>(p), acc));
  });
}

constexpr std::int64_t nowhere = std::int64_t{1} << 62;  // larger than every place

/// The place of the same element where the spatial dimensions are counted in reverse order of significance.
Expr column_major_place(const Expr& place, const Extents& extents) {
  const std::int64_t plane = product(std::span(extents).subspan(2));
  Expr result = floor_div(place, plane) * plane, rest = floor_mod(place, plane);
  std::int64_t behind = plane, stride = 1;
  for (std::size_t d = 2; d < extents.size(); ++d) {
    behind /= extents[d];
    result = result + floor_div(rest, behind) * stride;
    rest = floor_mod(rest, behind);
    stride *= extents[d];
  }
  return result;
}

/// Maximum and the place of its first occurrence in the whole unpadded tensor (its first in row-major order,
/// also where the place is `column_major`); -1 for a window without elements.
std::vector<TensorView> maximum_and_place(KernelBuilder& builder, const Pool& pool, bool column_major) {
  const DType dtype = compute_dtype(pool.x.dtype);
  const Expr lowest = plain_combiner(CombinerKind::max, dtype).identity[0];
  const TensorView x = padded(builder, pool, cast_view(pool.x, dtype), lowest);
  const Extents& extents = pool.x.shape;
  const std::size_t rank = pool.window.rank();
  auto tensor_place = [&](Indices i, const std::vector<Expr>& r) {
    Expr flat = i[0] * extents[1] + i[1];
    for (std::size_t d = 0; d < rank; ++d) {
      const Expr at = i[2 + d] * pool.window.strides[d] + r[d] * pool.window.dilations[d];
      flat = flat * extents[2 + d] + (at - pool.window.pads_begin[d]);
    }
    return flat;
  };
  auto parts = builder.reduce_tuple(
      "pool.max", pool.shape, pool.window.kernel, {{dtype, lowest}, {index_dtype, Expr(nowhere)}},
      [&](Indices i, Indices reduce) {
        const std::vector<Expr> r(reduce.begin(), reduce.end());
        const auto at = place(pool, i, r);
        // Padding must not win over a real element that is as low.
        Guard inside;
        for (std::size_t d = 0; d < rank; ++d) {
          const Expr real = at[2 + d] - pool.window.pads_begin[d];
          if (pool.window.pads_begin[d] > 0) inside.require(real >= Expr(0));
          if (pool.reach[d] > 0) inside.require(real < Expr(extents[2 + d]));
        }
        return std::vector<Expr>{x(at), inside.choose(tensor_place(i, r), Expr(nowhere))};
      },
      [](Indices state, Indices value) {
        const Expr better = value[0] > state[0];
        const Expr same = binary(BinaryOp::eq, value[0], state[0]);
        const Expr take = logical_or(better, logical_and(same, value[1] < state[1]));
        return std::vector<Expr>{select(take, value[0], state[0]), select(take, value[1], state[1])};
      });
  const bool has_empty = may_be_empty(pool);
  if (column_major || has_empty)
    parts[1] = mapped(parts[1], index_dtype, [=](const Expr& place) {
      const Expr stored = column_major ? column_major_place(place, extents) : place;
      return has_empty ? select(place < Expr(nowhere), stored, Expr(-1)) : stored;
    });
  return parts;
}

}  // namespace

std::vector<TensorView> lower_pool(KernelBuilder& builder, std::span<const TensorView> inputs,
                                   const Attributes& attributes, std::span<const TensorType> outputs) {
  const Pool pool = pool_of(inputs[0], attributes, outputs[0]);
  const std::string& kind = attributes.get_text("op");
  const DType out = outputs[0].dtype;
  if (kind == "average")
    return {cast_view(average(builder, pool, attributes.get_int_or("count_include_pad", 0) != 0), out)};
  if (kind == "lp") return {cast_view(p_norm(builder, pool, attributes.get_int("p")), out)};
  TS_CHECK(kind == "max", "a pooling operator of an unknown kind");
  if (outputs.size() > 1) {
    const auto parts = maximum_and_place(builder, pool, attributes.get_int_or("column_major", 0) != 0);
    return {cast_view(parts[0], out), cast_view(parts[1], outputs[1].dtype)};
  }
  const DType dtype = compute_dtype(pool.x.dtype);
  const Expr lowest = plain_combiner(CombinerKind::max, dtype).identity[0];
  const TensorView x = padded(builder, pool, cast_view(pool.x, dtype), lowest);
  return {cast_view(reduced(builder, pool, "pool.max", x, CombinerKind::max), out)};
}

}  // namespace tunesmith::tracer
