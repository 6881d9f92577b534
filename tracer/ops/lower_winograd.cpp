// The transforms of Winograd convolutions, each as two stages: rows of a tile, then its columns. Stages walk
// tile by tile, channels innermost, whatever the order of the result in memory.
#include <algorithm>

#include "tracer/ops/lower.h"
#include "tracer/ops/lower_util.h"
#include "tracer/ops/winograd.h"

namespace tunesmith::tracer {

using namespace ir;
using Extents = std::vector<std::int64_t>;

namespace {

/// Row `row` of the matrix times the values of `element`: a choice among sums whose factors are numbers, so
/// that an unrolled row costs its nonzero factors only.
Expr times_row(const SmallMatrix& matrix, const Expr& row, DType dtype,
               const std::function<Expr(std::int64_t column)>& element) {
  auto sum_of = [&](std::int64_t r) {
    Expr sum;
    for (std::int64_t column = 0; column < matrix.columns; ++column) {
      const double factor = matrix(r, column);
      if (factor == 0) continue;
      const Expr value = element(column);
      const bool is_unit = factor == 1 || factor == -1;
      const Expr term = is_unit ? value : value * float_imm(factor, dtype);
      if (!sum)
        sum = factor == -1 ? -value : term;
      else
        sum = factor == -1 ? sum - value : sum + term;
    }
    return sum;
  };
  Expr choice = sum_of(matrix.rows() - 1);
  for (std::int64_t r = matrix.rows() - 1; r-- > 0;)
    choice = select(binary(BinaryOp::eq, row, Expr(r)), sum_of(r), choice);
  return choice;
}

}  // namespace

std::vector<TensorView> lower_winograd_input(KernelBuilder& builder, std::span<const TensorView> inputs,
                                             const Attributes& attributes,
                                             std::span<const TensorType> outputs) {
  const std::int64_t m = attributes.get_int("tile");
  const SmallMatrix& b = winograd_matrices(m).input;
  const DType dtype = inputs[0].dtype;
  const Extents& pads = attributes.get_ints("pads");
  const TensorView x =
      padded_view(inputs[0], {0, 0, pads[0], pads[1]}, {0, 0, pads[2], pads[3]}, float_imm(0, dtype));
  const Extents shape = to_ints(outputs[0].shape);  // t, t, N, rows, columns, C
  const Extents by_tile{shape[2], shape[3], shape[4], shape[0], shape[1], shape[5]};
  const TensorView rows = builder.map("winograd.rows", dtype, by_tile, [&](Indices i) {
    return times_row(b, i[3], dtype, [&](std::int64_t a) {
      return x(std::vector<Expr>{i[0], i[5], i[1] * m + a, i[2] * m + i[4]});
    });
  });
  builder.set_stage_order(shape, Layout::permutation(std::vector<std::int32_t>{2, 3, 4, 0, 1, 5}));
  return {builder.map("winograd.input", dtype, shape, [&](Indices i) {
    return times_row(b, i[1], dtype, [&](std::int64_t column) {
      return rows(std::vector<Expr>{i[2], i[3], i[4], i[0], column, i[5]});
    });
  })};
}

std::vector<TensorView> lower_winograd_output(KernelBuilder& builder, std::span<const TensorView> inputs,
                                              const Attributes& attributes,
                                              std::span<const TensorType> outputs) {
  const std::int64_t m = attributes.get_int("tile");
  const SmallMatrix& a = winograd_matrices(m).output;
  const TensorView products = inputs[0];  // t, t, N, rows, columns, K
  const DType dtype = products.dtype;
  const Extents& from = products.shape;
  const TensorView rows =
      builder.map("winograd.rows", dtype, {from[2], from[3], from[4], m, from[1], from[5]}, [&](Indices i) {
        return times_row(a, i[3], dtype, [&](std::int64_t row) {
          return products(std::vector<Expr>{row, i[4], i[0], i[1], i[2], i[5]});
        });
      });
  const Extents shape = to_ints(outputs[0].shape);
  builder.set_stage_order(shape, Layout{{{0, 0}, {2, 0}, {3, 0}, {2, m}, {3, m}, {1, 0}}});
  return {{dtype, shape, [rows, &a, m, dtype](Indices i) {
             return times_row(a, floor_mod(i[3], m), dtype, [&](std::int64_t column) {
               return rows(std::vector<Expr>{i[0], floor_div(i[2], m), floor_div(i[3], m), floor_mod(i[2], m),
                                             column, i[1]});
             });
           }}};
}

}  // namespace tunesmith::tracer
