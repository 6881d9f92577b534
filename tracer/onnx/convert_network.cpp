// Convolutions, pooling, products, normalisations, attention.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "tracer/composites.h"
#include "tracer/onnx/node.h"
#include "tracer/onnx/tensor_proto.h"
#include "tracer/onnx/window.h"

namespace tunesmith::tracer {
namespace {

using ir::BinaryOp;
using Values = std::vector<ValueId>;
using Ints = std::vector<std::int64_t>;

Values conv(const Node& n) {
  return {ops::conv(n.graph(), n.input(0), n.input(1), n.optional_input(2), conv_options(n, 1))};
}

Values conv_transpose(const Node& n) {
  const Ints kernel = window_of(n, 1), dims = n.dims(0);
  const std::size_t rank = kernel.size();
  ops::ConvOptions o = unpadded_options(n, kernel);
  o.output_padding = n.integers("output_padding", Ints(rank, 0));
  require_entries(n, "output_padding", o.output_padding, rank, 0);
  o.pads = n.integers("pads", Ints(2 * rank, 0));
  const std::string mode = n.text("auto_pad", "NOTSET");
  const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  if (n.has("output_shape") || same) {
    Ints want = n.integers("output_shape");
    if (want.size() == rank + 2) want.erase(want.begin(), want.begin() + 2);
    if (!want.empty()) require_entries(n, "output_shape", want, rank, 0);
    o.pads.assign(2 * rank, 0);
    for (std::size_t d = 0; d < rank; ++d) {
      const std::int64_t target = want.empty() ? dims[2 + d] * o.strides[d] : want[d];
      const std::int64_t excess = o.strides[d] * (dims[2 + d] - 1) + o.output_padding[d] +
                                  (kernel[d] - 1) * o.dilations[d] + 1 - target;
      o.output_padding[d] += std::max<std::int64_t>(0, -excess);
      const std::int64_t total = std::max<std::int64_t>(0, excess);
      // The smaller half goes in front, save for SAME_LOWER and explicit shapes.
      const std::int64_t small = total / 2, large = total - total / 2;
      o.pads[d] = mode == "SAME_UPPER" ? small : large;
      o.pads[rank + d] = mode == "SAME_UPPER" ? large : small;
    }
  } else if (mode == "VALID") {
    o.pads.assign(2 * rank, 0);
  }
  return {ops::conv_transpose(n.graph(), n.input(0), n.input(1), n.optional_input(2), o)};
}

ops::PoolOptions pool_options(const Node& n) {
  ops::PoolOptions o;
  o.kernel = n.integers("kernel_shape");
  if (o.kernel.empty()) n.refuse("attribute 'kernel_shape' is missing");
  o.strides = n.integers("strides", Ints(o.kernel.size(), 1));
  o.dilations = n.integers("dilations", Ints(o.kernel.size(), 1));
  require_window(n, o.kernel, o.strides, o.dilations);
  o.pads = pads_of(n, o.kernel, o.strides, o.dilations);
  o.ceil_mode = n.integer("ceil_mode", 0) != 0;
  o.count_include_pad = n.integer("count_include_pad", 0) != 0;
  o.p = n.integer("p", 2);
  o.column_major = n.integer("storage_order", 0) != 0;
  return o;
}

Values max_pool(const Node& n) {
  if (n.output_count() < 2) return {ops::max_pool(n.graph(), n.input(0), pool_options(n))};
  const auto [values, places] = ops::max_pool_with_indices(n.graph(), n.input(0), pool_options(n));
  return {values, places};
}
Values average_pool(const Node& n) { return {ops::average_pool(n.graph(), n.input(0), pool_options(n))}; }
Values lp_pool(const Node& n) { return {ops::lp_pool(n.graph(), n.input(0), pool_options(n))}; }
Values global_average_pool(const Node& n) { return {ops::global_average_pool(n.graph(), n.input(0))}; }
Values global_max_pool(const Node& n) { return {ops::global_max_pool(n.graph(), n.input(0))}; }

Values matmul(const Node& n) { return {ops::matmul(n.graph(), n.input(0), n.input(1))}; }

Values gemm(const Node& n) {
  ops::GemmOptions o;
  o.alpha = n.real("alpha", 1);
  o.beta = n.real("beta", 1);
  o.transpose_a = n.integer("transA", 0) != 0;
  o.transpose_b = n.integer("transB", 0) != 0;
  return {ops::gemm(n.graph(), n.input(0), n.input(1), n.optional_input(2), o)};
}

Values einsum(const Node& n) { return {ops::einsum(n.graph(), n.text("equation", ""), n.all_inputs())}; }

Values batch_norm(const Node& n) {
  if (n.integer("training_mode", 0) != 0) n.refuse("training mode is not supported");
  if (n.opset() < 7 && n.integer("is_test", 0) == 0) n.refuse("attribute 'is_test' is 0; accepted: 1");
  if (n.integer("spatial", 1) == 0) n.refuse("attribute 'spatial' is 0; accepted: 1");
  return {ops::batch_norm(n.graph(), n.input(0), n.input(1), n.input(2), n.input(3), n.input(4),
                          n.real("epsilon", 1e-5))};
}

Values instance_norm(const Node& n) {
  return {ops::instance_norm(n.graph(), n.input(0), n.input(1), n.input(2), n.real("epsilon", 1e-5))};
}

/// An operand of a normalisation, widened where stash_type asks for more than its own type.
ValueId stashed(const Node& n, ValueId x) {
  return n.computing_dtype("stash_type") == DType::f64 ? ops::cast(n.graph(), x, DType::f64) : x;
}
std::optional<ValueId> stashed(const Node& n, std::optional<ValueId> x) {
  return x ? std::optional(stashed(n, *x)) : std::nullopt;
}

/// scale and bias are per group up to opset 20, per channel after.
Values group_norm(const Node& n) {
  Graph& g = n.graph();
  const std::int64_t groups = n.required_integer("num_groups"), channels = n.dims(0).at(1);
  if (groups < 1 || channels % groups != 0)
    n.refuse("attribute 'num_groups' is {}, which does not divide {} channels", groups, channels);
  auto per_channel = [&](std::size_t i) {
    const ValueId v = n.input(i);
    if (n.opset() >= 21 || n.dims(i).at(0) == channels) return v;
    const ValueId spread = ops::expand(g, ops::reshape(g, v, {groups, 1}), {groups, channels / groups});
    return ops::reshape(g, spread, {channels});
  };
  const ValueId y = ops::group_norm(g, stashed(n, n.input(0)), stashed(n, per_channel(1)),
                                    stashed(n, per_channel(2)), groups, n.real("epsilon", 1e-5));
  return {ops::cast(g, y, n.type(0).dtype)};
}

Values layer_norm(const Node& n) {
  Graph& g = n.graph();
  const std::int64_t axis = n.integer("axis", -1);
  const double epsilon = n.real("epsilon", 1e-5);
  const ValueId y = ops::layer_norm(g, stashed(n, n.input(0)), stashed(n, n.optional_input(1)),
                                    stashed(n, n.optional_input(2)), axis, epsilon);
  Values out{ops::cast(g, y, n.type(0).dtype)};
  if (n.output_count() > 1) {  // mean and inverse deviation, in the type that stash_type says
    const DType stash = dtype_of(static_cast<std::int32_t>(n.integer("stash_type", 1)));
    const auto rank = static_cast<std::int64_t>(n.rank(0));
    Ints axes;
    for (std::int64_t d = axis < 0 ? axis + rank : axis; d < rank; ++d) axes.push_back(d);
    const DType wide = n.computing_dtype("stash_type");
    const ValueId x = ops::cast(g, n.input(0), wide);
    const ValueId mean = ops::reduce(g, "mean", x, axes, true);
    const ValueId centred = ops::binary(g, BinaryOp::sub, x, mean);
    const ValueId variance =
        ops::reduce(g, "mean", ops::binary(g, BinaryOp::mul, centred, centred), axes, true);
    const ValueId inverse = ops::unary(
        g, ir::UnaryOp::rsqrt, ops::binary(g, BinaryOp::add, variance, ops::scalar(g, wide, epsilon)));
    out.push_back(ops::cast(g, mean, stash));
    out.push_back(ops::cast(g, inverse, stash));
  }
  return out;
}

Values rms_norm(const Node& n) {
  const ValueId y = ops::rms_norm(n.graph(), stashed(n, n.input(0)), stashed(n, n.optional_input(1)),
                                  n.integer("axis", -1), n.real("epsilon", 1e-5));
  return {ops::cast(n.graph(), y, n.type(0).dtype)};
}

Values lrn(const Node& n) {
  return {ops::lrn(n.graph(), n.input(0), n.required_integer("size"), n.real("alpha", 1e-4),
                   n.real("beta", 0.75), n.real("bias", 1))};
}

Values lp_normalization(const Node& n) {
  return {ops::lp_normalization(n.graph(), n.input(0), n.integer("axis", -1), n.integer("p", 2))};
}

/// Up to opset 12 the operand is flattened to rows from `axis` on; after, one axis.
template <ValueId (*f)(Graph&, ValueId, std::int64_t)>
Values softmax(const Node& n) {
  Graph& g = n.graph();
  if (n.opset() >= 13) return {f(g, n.input(0), n.integer("axis", -1))};
  const Ints dims = n.dims(0);
  const std::int64_t axis = n.integer("axis", 1);
  const auto rank = static_cast<std::int64_t>(dims.size());
  if (axis == rank - 1 || axis == -1) return {f(g, n.input(0), -1)};
  return {ops::reshape(g, f(g, ops::flatten(g, n.input(0), axis < 0 ? axis + rank : axis), 1), dims)};
}

/// Ones at the first largest element of each row.
ValueId hardmax_rows(Graph& g, ValueId x, std::int64_t axis) {
  const DType dtype = g.type(x).dtype;
  const ValueId places = ops::arg_max(g, x, axis);  // refuses an axis that is out of range
  const std::int64_t depth = to_ints(g.type(x).shape)[static_cast<std::size_t>(
      axis < 0 ? axis + static_cast<std::int64_t>(g.type(x).shape.size()) : axis)];
  return ops::one_hot(g, places, depth, ops::scalar(g, dtype, 1), ops::scalar(g, dtype, 0), axis);
}

ValueId softmax_of(Graph& g, ValueId x, std::int64_t axis) { return ops::softmax(g, x, axis); }
ValueId log_softmax_of(Graph& g, ValueId x, std::int64_t axis) { return ops::log_softmax(g, x, axis); }

Values mean_variance_norm(const Node& n) {
  Graph& g = n.graph();
  const Ints axes = n.integers("axes", {0, 2, 3});
  const ValueId x = n.input(0);
  const ValueId centred = ops::binary(g, BinaryOp::sub, x, ops::reduce(g, "mean", x, axes, true));
  const ValueId variance =
      ops::reduce(g, "mean", ops::binary(g, BinaryOp::mul, centred, centred), axes, true);
  const ValueId deviation = ops::unary(g, ir::UnaryOp::sqrt, variance);
  return {ops::binary(g, BinaryOp::div, centred,
                      ops::binary(g, BinaryOp::add, deviation, ops::scalar_like(g, x, 1e-9)))};
}

constexpr Conversion table[] = {
    {"AveragePool", 1, "auto_pad ceil_mode@10 count_include_pad@7 dilations@19 kernel_shape pads strides",
     average_pool},
    {"BatchNormalization", 1, "consumed_inputs<6 epsilon is_test<7 momentum spatial<9 training_mode@14",
     batch_norm},
    {"Conv", 1, "auto_pad dilations group kernel_shape pads strides", conv},
    {"ConvTranspose", 1, "auto_pad dilations group kernel_shape output_padding output_shape pads strides",
     conv_transpose},
    {"Einsum", 12, "equation", einsum},
    {"Gemm", 1, "alpha beta broadcast<7 transA transB", gemm},
    {"GlobalAveragePool", 1, "", global_average_pool},
    {"GlobalMaxPool", 1, "", global_max_pool},
    {"GroupNormalization", 18, "epsilon num_groups stash_type@21", group_norm},
    {"Hardmax", 1, "axis", softmax<hardmax_rows>},
    {"InstanceNormalization", 1, "epsilon", instance_norm},
    {"LRN", 1, "alpha beta bias size", lrn},
    {"LayerNormalization", 17, "axis epsilon stash_type", layer_norm},
    {"LogSoftmax", 1, "axis", softmax<log_softmax_of>},
    {"LpNormalization", 1, "axis p", lp_normalization},
    {"LpPool", 1, "auto_pad ceil_mode@18 dilations@18 kernel_shape p pads strides", lp_pool},
    {"MatMul", 1, "", matmul},
    {"MaxPool", 1, "auto_pad ceil_mode@10 dilations@10 kernel_shape pads storage_order@8 strides", max_pool},
    {"MeanVarianceNormalization", 9, "axes", mean_variance_norm},
    {"RMSNormalization", 23, "axis epsilon stash_type", rms_norm},
    {"Softmax", 1, "axis", softmax<softmax_of>},
};

}  // namespace

std::span<const Conversion> network_conversions() { return table; }

}  // namespace tunesmith::tracer
