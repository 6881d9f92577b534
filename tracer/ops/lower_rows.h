// Rows: the geometry of a reduction over some axes of one tensor, shared by the lowerings of reductions and
// normalisations. Immutable.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tracer/ops/lower_util.h"

namespace tunesmith::tracer {

/// A place of the reduced tensor, as an index of it and as an index of the tensor of rows.
struct RowPoint {
  std::vector<ir::Expr> full;
  std::vector<ir::Expr> row;
};

class Rows {
 public:
  /// `axes` may be negative; empty: all axes.
  Rows(std::vector<std::int64_t> shape, const std::vector<std::int64_t>& axes);

  const std::vector<std::int64_t>& shape() const { return shape_; }
  /// The shape with the reduced axes at extent 1: what `reduce` gives.
  const std::vector<std::int64_t>& kept() const { return kept_; }
  /// Extents of the reduced axes, and their product.
  const std::vector<std::int64_t>& extents() const { return extents_; }
  std::int64_t count() const { return product(extents_); }

  RowPoint point(Indices row, Indices reduce) const;
  /// The index of the row that holds the element at `full`.
  std::vector<ir::Expr> row_of(Indices full) const;

  TensorView reduce(KernelBuilder& builder, std::string name, ir::DType dtype, ir::CombinerKind combiner,
                    const std::function<ir::Expr(const RowPoint&)>& value) const;
  TensorView reduce(KernelBuilder& builder, std::string name, ir::DType dtype, ir::CombinerKind combiner,
                    const TensorView& value) const;

 private:
  std::vector<std::int64_t> shape_, kept_, extents_;
  std::vector<std::size_t> axes_;
};

}  // namespace tunesmith::tracer
