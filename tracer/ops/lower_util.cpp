#include "tracer/ops/lower_util.h"

#include <algorithm>
#include <numeric>

#include "ir/support/check.h"

namespace tunesmith::tracer {

using namespace ir;
using Extents = std::vector<std::int64_t>;

namespace {

/// A run of dimensions of two shapes that hold the same number of elements.
struct Run {
  std::size_t from_begin, from_end;  // dimensions of the one shape
  std::size_t to_begin, to_end;      // dimensions of the other
};

/// Cuts two shapes of equal size into the shortest runs.
std::vector<Run> matching_runs(const Extents& from, const Extents& to) {
  std::vector<Run> runs;
  std::size_t i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    Run run{i, i, j, j};
    std::int64_t a = 1, b = 1;
    if (i < from.size()) a = from[i++];
    if (j < to.size()) b = to[j++];
    while (a != b) {
      if (a < b) {
        TS_CHECK(i < from.size(), "shapes of different size in a reshape");
        a *= from[i++];
      } else {
        TS_CHECK(j < to.size(), "shapes of different size in a reshape");
        b *= to[j++];
      }
    }
    run.from_end = i;
    run.to_end = j;
    runs.push_back(run);
  }
  return runs;
}

/// Row-major index of a run of dimensions.
Expr flatten(std::span<const Expr> indices, std::span<const std::int64_t> extents) {
  Expr flat;
  for (std::size_t d = 0; d < indices.size(); ++d) {
    if (extents[d] == 1) continue;
    flat = flat ? flat * extents[d] + indices[d] : indices[d];
  }
  return flat ? flat : Expr(0);
}

/// Indices of a run of dimensions from its row-major index.
void unflatten(const Expr& flat, std::span<const std::int64_t> extents, std::vector<Expr>& indices) {
  std::int64_t inner = product(extents);
  bool is_outermost = true;
  for (std::int64_t extent : extents) {
    inner /= extent;
    if (extent == 1) {
      indices.emplace_back(0);
      continue;
    }
    Expr index = inner == 1 ? flat : floor_div(flat, inner);
    indices.push_back(is_outermost ? index : floor_mod(index, extent));
    is_outermost = false;
  }
}

bool is_narrow_float(DType dtype) { return is_float(dtype) && dtype != DType::f32 && dtype != DType::f64; }

}  // namespace

std::int64_t product(std::span<const std::int64_t> extents) {
  return std::accumulate(extents.begin(), extents.end(), std::int64_t{1}, std::multiplies<>());
}

std::size_t wrap_axis(std::int64_t axis, std::size_t rank) {
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis);
}

std::vector<std::size_t> wrap_axes(std::span<const std::int64_t> axes, std::size_t rank) {
  std::vector<std::size_t> result;
  for (std::int64_t axis : axes) result.push_back(wrap_axis(axis, rank));
  if (axes.empty())
    for (std::size_t d = 0; d < rank; ++d) result.push_back(d);
  std::ranges::sort(result);
  result.erase(std::ranges::unique(result).begin(), result.end());
  return result;
}

TensorView broadcast(const TensorView& view, const Extents& shape) {
  if (view.shape == shape) return view;
  TS_CHECK(view.shape.size() <= shape.size(), "a broadcast to a lower rank");
  const std::size_t skip = shape.size() - view.shape.size();
  return {view.dtype, shape, [view, skip](Indices indices) {
            std::vector<Expr> own;
            for (std::size_t d = 0; d < view.shape.size(); ++d)
              own.push_back(view.shape[d] == 1 ? Expr(0) : indices[skip + d]);
            return view(own);
          }};
}

TensorView mapped(const TensorView& view, DType dtype, std::function<Expr(Expr)> f) {
  return {dtype, view.shape, [view, f = std::move(f)](Indices indices) { return f(view(indices)); }};
}

TensorView cast_view(const TensorView& view, DType dtype) {
  if (view.dtype == dtype) return view;
  return mapped(view, dtype, [dtype](Expr e) { return cast(dtype, std::move(e)); });
}

TensorView reshape_view(const TensorView& view, const Extents& shape) {
  if (view.shape == shape) return view;
  return {view.dtype, shape, [view, shape, runs = matching_runs(view.shape, shape)](Indices indices) {
            std::vector<Expr> own;
            for (const Run& run : runs) {
              const auto to = std::span(shape).subspan(run.to_begin, run.to_end - run.to_begin);
              const auto from = std::span(view.shape).subspan(run.from_begin, run.from_end - run.from_begin);
              unflatten(flatten(indices.subspan(run.to_begin, to.size()), to), from, own);
            }
            return view(own);
          }};
}

TensorView transpose_view(const TensorView& view, std::span<const std::int64_t> order) {
  TensorView result{view.dtype, {}, {}};
  for (std::int64_t d : order) result.shape.push_back(view.shape[static_cast<std::size_t>(d)]);
  result.at = [view, order = Extents(order.begin(), order.end())](Indices indices) {
    std::vector<Expr> own(indices.size());
    for (std::size_t d = 0; d < order.size(); ++d) own[static_cast<std::size_t>(order[d])] = indices[d];
    return view(own);
  };
  return result;
}

DType accumulator_dtype(DType dtype) {
  if (is_narrow_float(dtype)) return DType::f32;
  if (is_integer(dtype) && bit_width(dtype) < 32) return DType::i32;
  return dtype;
}

DType compute_dtype(DType dtype) { return is_narrow_float(dtype) ? DType::f32 : dtype; }

void Guard::require(Expr another) {
  condition = condition ? logical_and(condition, std::move(another)) : std::move(another);
}

Expr Guard::choose(Expr inside, Expr outside) const {
  return condition ? select(condition, std::move(inside), std::move(outside)) : inside;
}

TensorView padded_view(const TensorView& view, const Extents& before, const Extents& after,
                       const Expr& outside) {
  TensorView result{view.dtype, view.shape, {}};
  for (std::size_t d = 0; d < view.shape.size(); ++d) result.shape[d] += before[d] + after[d];
  result.at = [view, before, after, outside](Indices indices) {
    Guard guard;
    std::vector<Expr> own;
    for (std::size_t d = 0; d < indices.size(); ++d) {
      own.push_back(before[d] == 0 ? indices[d] : indices[d] - before[d]);
      if (before[d] > 0) guard.require(own[d] >= Expr(0));
      if (after[d] > 0) guard.require(own[d] < Expr(view.shape[d]));
    }
    return guard.choose(view(own), outside);
  };
  return result;
}

}  // namespace tunesmith::tracer
