#include "tracer/ops/lower_rows.h"

namespace tunesmith::tracer {

using namespace ir;

Rows::Rows(std::vector<std::int64_t> shape, const std::vector<std::int64_t>& axes)
    : shape_(std::move(shape)), kept_(shape_), axes_(wrap_axes(axes, shape_.size())) {
  for (std::size_t axis : axes_) {
    extents_.push_back(shape_[axis]);
    kept_[axis] = 1;
  }
}

RowPoint Rows::point(Indices row, Indices reduce) const {
  RowPoint point{{row.begin(), row.end()}, {row.begin(), row.end()}};
  for (std::size_t a = 0; a < axes_.size(); ++a) point.full[axes_[a]] = reduce[a];
  return point;
}

std::vector<Expr> Rows::row_of(Indices full) const {
  std::vector<Expr> row(full.begin(), full.end());
  for (std::size_t axis : axes_) row[axis] = Expr(0);
  return row;
}

TensorView Rows::reduce(KernelBuilder& builder, std::string name, DType dtype, CombinerKind combiner,
                        const std::function<Expr(const RowPoint&)>& value) const {
  return builder.reduce(std::move(name), dtype, kept_, extents_, combiner,
                        [&](Indices row, Indices reduce) { return value(point(row, reduce)); });
}

TensorView Rows::reduce(KernelBuilder& builder, std::string name, DType dtype, CombinerKind combiner,
                        const TensorView& value) const {
  return reduce(builder, std::move(name), dtype, combiner,
                [&](const RowPoint& point) { return value(point.full); });
}

}  // namespace tunesmith::tracer
