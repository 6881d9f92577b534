// Small helpers that the lowerings share: shapes, broadcasting, and index arithmetic over views.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "tracer/graph.h"
#include "tracer/kernel_builder.h"

namespace tunesmith::tracer {

using Indices = std::span<const ir::Expr>;

std::int64_t product(std::span<const std::int64_t> extents);
/// `axis` counted from the end when negative.
std::size_t wrap_axis(std::int64_t axis, std::size_t rank);
/// All of 0, 1, …, rank-1 when `axes` is empty; wrapped, ascending.
std::vector<std::size_t> wrap_axes(std::span<const std::int64_t> axes, std::size_t rank);

/// NumPy broadcasting of `view` to `shape`, aligned at the last dimension.
TensorView broadcast(const TensorView& view, const std::vector<std::int64_t>& shape);
/// `view` with another element expression at each place.
TensorView mapped(const TensorView& view, ir::DType dtype, std::function<ir::Expr(ir::Expr)> f);
TensorView cast_view(const TensorView& view, ir::DType dtype);
/// The same elements in row-major order under another shape. Dimensions of extent 1 and dimensions that
/// keep their extent cost no arithmetic; a dimension that is split stays affine.
TensorView reshape_view(const TensorView& view, const std::vector<std::int64_t>& shape);
/// Output dimension d is input dimension order[d].
TensorView transpose_view(const TensorView& view, std::span<const std::int64_t> order);

/// The dtype in which sums and products of `dtype` are formed: f32 for narrow floats, i32 for narrow
/// integers, else itself.
ir::DType accumulator_dtype(ir::DType dtype);
/// The dtype in which math functions of `dtype` are evaluated: f32 for narrow floats, else itself.
ir::DType compute_dtype(ir::DType dtype);

/// A condition that may be absent (always true).
struct Guard {
  ir::Expr condition;
  void require(ir::Expr another);
  /// `inside` where the condition holds; lazy.
  ir::Expr choose(ir::Expr inside, ir::Expr outside) const;
};

/// `view` read at `index + offset` a dimension; places outside give `outside`. `view` is not read there.
TensorView padded_view(const TensorView& view, const std::vector<std::int64_t>& before,
                       const std::vector<std::int64_t>& after, const ir::Expr& outside);

}  // namespace tunesmith::tracer
