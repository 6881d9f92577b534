// Reductions over axes, and arg-reductions as tuple reductions of (best value, its place).
#include "ir/support/check.h"
#include "tracer/ops/lower.h"
#include "tracer/ops/lower_rows.h"
#include "tracer/ops/lower_util.h"

namespace tunesmith::tracer {

using namespace ir;

namespace {

/// What is summed (or otherwise joined), how, and what is made of the result.
struct Recipe {
  CombinerKind combiner = CombinerKind::sum;
  std::function<Expr(Expr)> before = [](Expr x) { return x; };
  std::function<Expr(Expr)> after = [](Expr x) { return x; };
};

Recipe recipe(const std::string& kind, DType acc, std::int64_t count) {
  auto square = [](const Expr& x) { return x * x; };
  auto magnitude = [](const Expr& x) { return unary(UnaryOp::abs, x); };
  Recipe r;
  if (kind == "sum") return r;
  if (kind == "mean") {
    r.after = [acc, count](const Expr& x) {
      return binary(BinaryOp::div, x, constant(static_cast<double>(count), acc));
    };
  } else if (kind == "max") {
    r.combiner = CombinerKind::max;
  } else if (kind == "min") {
    r.combiner = CombinerKind::min;
  } else if (kind == "prod") {
    r.combiner = CombinerKind::prod;
  } else if (kind == "l1") {
    r.before = magnitude;
  } else if (kind == "l2") {
    r.before = square;
    r.after = [](const Expr& x) { return unary(UnaryOp::sqrt, x); };
  } else if (kind == "sum_square") {
    r.before = square;
  } else if (kind == "log_sum") {
    r.after = [](const Expr& x) { return unary(UnaryOp::log, x); };
  } else {
    TS_UNREACHABLE("a reduction of an unknown kind");
  }
  return r;
}

/// log(sum(exp(x))), kept in range by the largest element of each row.
TensorView log_sum_exp(KernelBuilder& builder, const Rows& rows, const TensorView& x) {
  const DType acc = compute_dtype(x.dtype);
  const TensorView largest = rows.reduce(builder, "max", acc, CombinerKind::max, cast_view(x, acc));
  // A row of -inf only has no finite offset.
  const TensorView offset = mapped(
      largest, acc, [acc](const Expr& m) { return select(unary(UnaryOp::is_inf, m), constant(0, acc), m); });
  const TensorView sum = rows.reduce(builder, "sum", acc, CombinerKind::sum, [&](const RowPoint& point) {
    return unary(UnaryOp::exp, cast(acc, x(point.full)) - offset(point.row));
  });
  return {acc, sum.shape, [sum, offset](Indices i) { return unary(UnaryOp::log, sum(i)) + offset(i); }};
}

}  // namespace

std::vector<TensorView> lower_reduce(KernelBuilder& builder, std::span<const TensorView> inputs,
                                     const Attributes& attributes, std::span<const TensorType> outputs) {
  const TensorView& x = inputs[0];
  const Rows rows(x.shape, attributes.get_ints("axes"));
  const std::string& kind = attributes.get_text("op");
  const std::vector<std::int64_t> shape = to_ints(outputs[0].shape);
  TensorView result;
  if (kind == "log_sum_exp") {
    result = log_sum_exp(builder, rows, x);
  } else {
    const bool exact = kind == "max" || kind == "min";
    const DType acc = exact ? compute_dtype(x.dtype) : accumulator_dtype(x.dtype);
    const Recipe r = recipe(kind, acc, rows.count());
    const TensorView joined = rows.reduce(builder, kind, acc, r.combiner, [&](const RowPoint& point) {
      return r.before(cast(acc, x(point.full)));
    });
    result = mapped(joined, acc, r.after);
  }
  return {reshape_view(cast_view(result, outputs[0].dtype), shape)};
}

std::vector<TensorView> lower_arg_reduce(KernelBuilder& builder, std::span<const TensorView> inputs,
                                         const Attributes& attributes, std::span<const TensorType> outputs) {
  const TensorView& x = inputs[0];
  const Rows rows(x.shape, {attributes.get_int("axis")});
  const bool largest = attributes.get_text("op") == "max";
  const bool last = attributes.get_int_or("select_last", 0) != 0;
  const DType dtype = compute_dtype(x.dtype);
  const Expr identity = plain_combiner(largest ? CombinerKind::max : CombinerKind::min, dtype).identity[0];
  // The identity's place is outside, so that even a value equal to the identity wins over it.
  const std::int64_t outside = last ? -1 : rows.count();
  auto parts = builder.reduce_tuple(
      "arg", rows.kept(), rows.extents(), {{dtype, identity}, {index_dtype, Expr(outside)}},
      [&](Indices indices, Indices reduce) {
        return std::vector<Expr>{cast(dtype, x(rows.point(indices, reduce).full)), reduce[0]};
      },
      [&](Indices state, Indices value) {
        const Expr better = largest ? value[0] > state[0] : value[0] < state[0];
        const Expr same = binary(BinaryOp::eq, value[0], state[0]);
        const Expr earlier = last ? value[1] > state[1] : value[1] < state[1];
        const Expr take = logical_or(better, logical_and(same, earlier));
        return std::vector<Expr>{select(take, value[0], state[0]), select(take, value[1], state[1])};
      });
  if (ir::is_float(dtype))  // comparisons pass over NaNs; a row of nothing else has its first place
    parts[1] = mapped(parts[1], index_dtype, [outside](const Expr& place) {
      return select(binary(BinaryOp::eq, place, Expr(outside)), Expr(0), place);
    });
  return {reshape_view(cast_view(parts[1], outputs[0].dtype), to_ints(outputs[0].shape))};
}

}  // namespace tunesmith::tracer
