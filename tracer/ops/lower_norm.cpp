// Softmax and normalisations: row reductions followed by a map over the same rows. What belongs to a row
// (its mean, its inverse deviation) is a stage of its own, so that no element computes it again.
#include <cmath>

#include "tracer/ops/lower.h"
#include "tracer/ops/lower_rows.h"
#include "tracer/ops/lower_util.h"

namespace tunesmith::tracer {

using namespace ir;

namespace {

Expr exp_of(Expr x) { return unary(UnaryOp::exp, std::move(x)); }
Expr divide(Expr a, Expr b) { return binary(BinaryOp::div, std::move(a), std::move(b)); }

TensorView divided(KernelBuilder& builder, const std::string& name, const TensorView& sum, double count) {
  return builder.map(name, sum.dtype, sum.shape,
                     [&](Indices i) { return divide(sum(i), constant(count, sum.dtype)); });
}

/// 1 / sqrt(sum / count + epsilon) for each row.
TensorView inverse_deviation(KernelBuilder& builder, const TensorView& sum, double count, double epsilon) {
  const DType dtype = sum.dtype;
  return builder.map("inverse_deviation", dtype, sum.shape, [&](Indices i) {
    const Expr variance = divide(sum(i), constant(count, dtype));
    return divide(constant(1, dtype), unary(UnaryOp::sqrt, variance + constant(epsilon, dtype)));
  });
}

/// Mean and inverse deviation of rows. `row_value` and `row_index` say how rows lie in the tensor.
struct Moments {
  TensorView mean;
  TensorView inverse;
};

Moments moments(KernelBuilder& builder, const Rows& rows, const TensorView& x, double epsilon) {
  const auto count = static_cast<double>(rows.count());
  const TensorView sum = rows.reduce(builder, "sum", x.dtype, CombinerKind::sum, x);
  const TensorView mean = divided(builder, "mean", sum, count);
  const TensorView squares =
      rows.reduce(builder, "squares", x.dtype, CombinerKind::sum, [&](const RowPoint& point) {
        const Expr centred = x(point.full) - mean(point.row);
        return centred * centred;
      });
  return {mean, inverse_deviation(builder, squares, count, epsilon)};
}

/// The trailing axes from `axis` on.
std::vector<std::int64_t> axes_from(std::int64_t axis, std::size_t rank) {
  std::vector<std::int64_t> axes;
  for (std::size_t d = wrap_axis(axis, rank); d < rank; ++d) axes.push_back(static_cast<std::int64_t>(d));
  return axes;
}

}  // namespace

std::vector<TensorView> lower_softmax(KernelBuilder& builder, std::span<const TensorView> inputs,
                                      const Attributes& attributes, std::span<const TensorType> outputs) {
  const DType dtype = compute_dtype(inputs[0].dtype);
  const TensorView x = cast_view(inputs[0], dtype);
  const Rows rows(x.shape, {attributes.get_int("axis")});
  const TensorView largest = rows.reduce(builder, "max", dtype, CombinerKind::max, x);
  const TensorView e =
      builder.map("exp", dtype, x.shape, [&](Indices i) { return exp_of(x(i) - largest(rows.row_of(i))); });
  const TensorView sum = rows.reduce(builder, "sum", dtype, CombinerKind::sum, e);
  // One division a row: the product is off by at most one more rounding.
  const TensorView inverse = builder.map("inverse", dtype, sum.shape,
                                         [&](Indices i) { return divide(constant(1, dtype), sum(i)); });
  const TensorView result{dtype, x.shape,
                          [e, inverse, rows](Indices i) { return e(i) * inverse(rows.row_of(i)); }};
  return {cast_view(result, outputs[0].dtype)};
}

std::vector<TensorView> lower_log_softmax(KernelBuilder& builder, std::span<const TensorView> inputs,
                                          const Attributes& attributes, std::span<const TensorType> outputs) {
  const DType dtype = compute_dtype(inputs[0].dtype);
  const TensorView x = cast_view(inputs[0], dtype);
  const Rows rows(x.shape, {attributes.get_int("axis")});
  const TensorView largest = rows.reduce(builder, "max", dtype, CombinerKind::max, x);
  const TensorView sum = rows.reduce(builder, "sum", dtype, CombinerKind::sum, [&](const RowPoint& point) {
    return exp_of(x(point.full) - largest(point.row));
  });
  const TensorView log_sum =
      builder.map("log_sum", dtype, sum.shape, [&](Indices i) { return unary(UnaryOp::log, sum(i)); });
  const TensorView result{dtype, x.shape, [=](Indices i) {
                            const auto row = rows.row_of(i);
                            return x(i) - largest(row) - log_sum(row);
                          }};
  return {cast_view(result, outputs[0].dtype)};
}

std::vector<TensorView> lower_layer_norm(KernelBuilder& builder, std::span<const TensorView> inputs,
                                         const Attributes& attributes, std::span<const TensorType> outputs) {
  const DType dtype = compute_dtype(inputs[0].dtype);
  const TensorView x = cast_view(inputs[0], dtype);
  const Rows rows(x.shape, axes_from(attributes.get_int("axis"), x.shape.size()));
  const Moments m = moments(builder, rows, x, attributes.get_float("epsilon"));
  TensorView result{dtype, x.shape, [=](Indices i) {
                      const auto row = rows.row_of(i);
                      return (x(i) - m.mean(row)) * m.inverse(row);
                    }};
  if (inputs.size() > 1)
    result.at = [at = result.at, scale = broadcast(cast_view(inputs[1], dtype), x.shape)](Indices i) {
      return at(i) * scale(i);
    };
  if (inputs.size() > 2)
    result.at = [at = result.at, bias = broadcast(cast_view(inputs[2], dtype), x.shape)](Indices i) {
      return at(i) + bias(i);
    };
  return {cast_view(result, outputs[0].dtype)};
}

std::vector<TensorView> lower_rms_norm(KernelBuilder& builder, std::span<const TensorView> inputs,
                                       const Attributes& attributes, std::span<const TensorType> outputs) {
  const DType dtype = compute_dtype(inputs[0].dtype);
  const TensorView x = cast_view(inputs[0], dtype);
  const Rows rows(x.shape, axes_from(attributes.get_int("axis"), x.shape.size()));
  const TensorView squares =
      rows.reduce(builder, "squares", dtype, CombinerKind::sum, [&](const RowPoint& point) {
        const Expr value = x(point.full);
        return value * value;
      });
  const TensorView inverse =
      inverse_deviation(builder, squares, static_cast<double>(rows.count()), attributes.get_float("epsilon"));
  TensorView result{dtype, x.shape, [=](Indices i) { return x(i) * inverse(rows.row_of(i)); }};
  if (inputs.size() > 1)
    result.at = [at = result.at, scale = broadcast(cast_view(inputs[1], dtype), x.shape)](Indices i) {
      return at(i) * scale(i);
    };
  return {cast_view(result, outputs[0].dtype)};
}

std::vector<TensorView> lower_group_norm(KernelBuilder& builder, std::span<const TensorView> inputs,
                                         const Attributes& attributes, std::span<const TensorType> outputs) {
  const DType dtype = compute_dtype(inputs[0].dtype);
  const TensorView x = cast_view(inputs[0], dtype);
  const std::int64_t groups = attributes.get_int("groups"), members = x.shape[1] / groups;
  // The tensor with the channels as groups and members: [n, g, c / g, spatial…].
  std::vector<std::int64_t> split{x.shape[0], groups, members};
  split.insert(split.end(), x.shape.begin() + 2, x.shape.end());
  const Rows rows(split, axes_from(2, split.size()));
  const Moments m = moments(builder, rows, reshape_view(x, split), attributes.get_float("epsilon"));
  auto row_of = [groups, members, rank = split.size()](Indices i) {
    std::vector<Expr> row(rank, Expr(0));
    row[0] = i[0];
    if (groups > 1) row[1] = members == 1 ? i[1] : floor_div(i[1], members);
    return row;
  };
  const TensorView scale = inputs.size() > 1 ? cast_view(inputs[1], dtype) : TensorView{};
  const TensorView bias = inputs.size() > 2 ? cast_view(inputs[2], dtype) : TensorView{};
  const TensorView result{dtype, x.shape, [=](Indices i) {
                            const auto row = row_of(i);
                            Expr value = (x(i) - m.mean(row)) * m.inverse(row);
                            if (scale.at) value = value * scale(i.subspan(1, 1));
                            if (bias.at) value = value + bias(i.subspan(1, 1));
                            return value;
                          }};
  return {cast_view(result, outputs[0].dtype)};
}

namespace {

/// x ^ -beta; the usual exponents by square roots.
Expr inverse_power(const Expr& x, double beta, DType dtype) {
  const Expr one = constant(1, dtype);
  auto root = [](const Expr& e) { return unary(UnaryOp::sqrt, e); };
  if (beta == 1.0) return divide(one, x);
  if (beta == 0.5) return divide(one, root(x));
  if (beta == 0.75) return divide(one, root(x) * root(root(x)));
  return binary(BinaryOp::pow, x, constant(-beta, dtype));
}

}  // namespace

std::vector<TensorView> lower_lrn(KernelBuilder& builder, std::span<const TensorView> inputs,
                                  const Attributes& attributes, std::span<const TensorType> outputs) {
  const DType dtype = compute_dtype(inputs[0].dtype);
  const TensorView x = cast_view(inputs[0], dtype);
  const std::int64_t size = attributes.get_int("size");
  const double alpha = attributes.get_float("alpha"), beta = attributes.get_float("beta");
  const double bias = attributes.get_float("bias");
  std::vector<std::int64_t> before(x.shape.size(), 0), after(x.shape.size(), 0);
  before[1] = (size - 1) / 2;
  after[1] = size - 1 - before[1];
  const TensorView squares = mapped(x, dtype, [](const Expr& e) { return e * e; });
  const TensorView padded =
      builder.materialise("lrn.pad", padded_view(squares, before, after, constant(0, dtype)));
  const TensorView sum =
      builder.reduce("lrn.sum", dtype, x.shape, {size}, CombinerKind::sum, [&](Indices i, Indices r) {
        std::vector<Expr> at(i.begin(), i.end());
        at[1] = i[1] + r[0];
        return padded(at);
      });
  const TensorView result{dtype, x.shape, [=](Indices i) {
                            const Expr scaled = sum(i) * constant(alpha / static_cast<double>(size), dtype);
                            return x(i) * inverse_power(scaled + constant(bias, dtype), beta, dtype);
                          }};
  return {cast_view(result, outputs[0].dtype)};
}

}  // namespace tunesmith::tracer
