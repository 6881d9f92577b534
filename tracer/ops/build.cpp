#include "tracer/ops/build.h"

#include <algorithm>
#include <ranges>

#include "ir/support/error.h"
#include "tracer/ops/infer.h"

namespace tunesmith::tracer::ops {
namespace {

std::size_t rank_of(const Graph& graph, ValueId x) { return graph.type(x).shape.size(); }

std::size_t spatial_rank(const Graph& graph, ValueId x, std::string_view op) {
  const std::size_t rank = rank_of(graph, x);
  if (rank < 3)
    throw_user_error("{}: input {} has no spatial axis", op, tracer::to_string(graph.type(x).shape));
  return rank - 2;
}

Ints filled(Ints values, std::size_t size, std::int64_t otherwise) {
  return values.empty() ? Ints(size, otherwise) : std::move(values);
}

bool has_shape(const Graph& graph, ValueId x, const Ints& shape) {
  return std::ranges::equal(graph.type(x).shape, shape, ir::is_int);
}

Attributes window_attributes(const ConvOptions& options, std::size_t rank) {
  return {{"strides", filled(options.strides, rank, 1)},
          {"dilations", filled(options.dilations, rank, 1)},
          {"pads", filled(options.pads, 2 * rank, 0)},
          {"groups", options.groups}};
}

std::vector<ValueId> with_optional(std::vector<ValueId> inputs, std::optional<ValueId> last) {
  if (last) inputs.push_back(*last);
  return inputs;
}

ValueId add_pool(Graph& graph, std::string op, ValueId x, const PoolOptions& options, bool with_indices) {
  const std::size_t rank = spatial_rank(graph, x, "pool");
  return graph.add(OpKind::pool, {x},
                   {{"op", std::move(op)},
                    {"kernel", options.kernel},
                    {"strides", filled(options.strides, rank, 1)},
                    {"dilations", filled(options.dilations, rank, 1)},
                    {"pads", filled(options.pads, 2 * rank, 0)},
                    {"ceil_mode", std::int64_t{options.ceil_mode}},
                    {"count_include_pad", std::int64_t{options.count_include_pad}},
                    {"p", options.p},
                    {"with_indices", std::int64_t{with_indices}},
                    {"column_major", std::int64_t{options.column_major}}});
}

ValueId add_arg_reduce(Graph& graph, std::string op, ValueId x, std::int64_t axis, bool keepdims,
                       bool select_last) {
  return graph.add(OpKind::arg_reduce, {x},
                   {{"op", std::move(op)},
                    {"axis", axis},
                    {"keepdims", std::int64_t{keepdims}},
                    {"select_last", std::int64_t{select_last}}});
}

ValueId add_cumulate(Graph& graph, std::string op, ValueId x, std::int64_t axis, CumulateOptions options) {
  return graph.add(OpKind::cumulate, {x},
                   {{"op", std::move(op)},
                    {"axis", axis},
                    {"exclusive", std::int64_t{options.exclusive}},
                    {"reverse", std::int64_t{options.reverse}}});
}

}  // namespace

ValueId scalar(Graph& graph, DType dtype, double value) {
  return graph.add_constant(HostTensor::scalar(dtype, value));
}

ValueId scalar_like(Graph& graph, ValueId like, double value) {
  return scalar(graph, graph.type(like).dtype, value);
}

ValueId index_vector(Graph& graph, const Ints& values) {
  return graph.add_constant(HostTensor::from_bytes(DType::i64, {static_cast<std::int64_t>(values.size())},
                                                   std::as_bytes(std::span(values))));
}

ValueId unary(Graph& graph, ir::UnaryOp op, ValueId x) {
  return graph.add(OpKind::unary, {x}, {{"op", std::string(ir::to_string(op))}});
}

ValueId binary(Graph& graph, ir::BinaryOp op, ValueId a, ValueId b) {
  return graph.add(OpKind::binary, {a, b}, {{"op", std::string(ir::to_string(op))}});
}

ValueId where(Graph& graph, ValueId condition, ValueId yes, ValueId no) {
  return graph.add(OpKind::where, {condition, yes, no});
}

ValueId cast(Graph& graph, ValueId x, DType to, bool saturate) {
  if (graph.type(x).dtype == to) return x;
  return graph.add(OpKind::cast, {x},
                   {{"to", std::string(ir::to_string(to))}, {"saturate", std::int64_t{saturate}}});
}

ValueId bit_cast(Graph& graph, ValueId x, DType to) {
  if (graph.type(x).dtype == to) return x;
  return graph.add(OpKind::bit_cast, {x}, {{"to", std::string(ir::to_string(to))}});
}

ValueId reshape(Graph& graph, ValueId x, Ints shape) {
  if (has_shape(graph, x, shape)) return x;
  const Shape& own = graph.type(x).shape;
  // What is left is filled in where it is a number, so that equal reshapes are one operator.
  const auto open = std::ranges::find(shape, -1);
  if (open != shape.end() && is_static(own)) {
    const Attributes attributes{{"shape", shape}};
    *open = to_ints(infer_reshape(std::span(&graph.type(x), 1), attributes)[0].shape)[open - shape.begin()];
    if (has_shape(graph, x, shape)) return x;
  }
  return graph.add(OpKind::reshape, {x}, {{"shape", std::move(shape)}});
}

ValueId transpose(Graph& graph, ValueId x, Ints perm) {
  if (perm.size() == rank_of(graph, x) && std::ranges::equal(perm, std::views::iota(0ll, std::ssize(perm))))
    return x;
  return graph.add(OpKind::transpose, {x}, {{"perm", std::move(perm)}});
}

ValueId expand(Graph& graph, ValueId x, Ints shape) {
  if (has_shape(graph, x, shape)) return x;
  return graph.add(OpKind::expand, {x}, {{"shape", std::move(shape)}});
}

ValueId concat(Graph& graph, std::vector<ValueId> parts, std::int64_t axis) {
  constexpr std::size_t most = 32;  // operands of one kernel; more are joined in rounds
  while (parts.size() > most) {
    std::vector<ValueId> joined;
    for (auto rest = std::span(parts); !rest.empty(); rest = rest.subspan(std::min(most, rest.size()))) {
      const auto some = rest.first(std::min(most, rest.size()));
      joined.push_back(concat(graph, {some.begin(), some.end()}, axis));
    }
    parts = std::move(joined);
  }
  if (parts.size() == 1) return parts[0];
  return graph.add(OpKind::concat, std::move(parts), {{"axis", axis}});
}

ValueId slice(Graph& graph, ValueId x, Ints starts, Ints sizes, Ints steps) {
  const Shape& shape = graph.type(x).shape;
  bool whole = starts.size() == shape.size() && sizes.size() == shape.size() && steps.size() == shape.size();
  for (std::size_t d = 0; d < shape.size() && whole; ++d) {
    // One spelling of a whole axis, so that equal slices are one operator.
    if (sizes[d] == -1 && ir::as_int(shape[d]) != nullptr) sizes[d] = *ir::as_int(shape[d]);
    whole = starts[d] == 0 && steps[d] == 1 && (sizes[d] == -1 || ir::is_int(shape[d], sizes[d]));
  }
  if (whole) return x;
  return graph.add(OpKind::slice, {x},
                   {{"starts", std::move(starts)}, {"sizes", std::move(sizes)}, {"steps", std::move(steps)}});
}

ValueId slice_axis(Graph& graph, ValueId x, std::int64_t axis, std::int64_t begin, std::int64_t end) {
  const Shape& shape = graph.type(x).shape;
  const std::size_t d = checked_axis(axis, shape.size());
  const std::int64_t extent = to_ints({shape[d]})[0];
  auto place = [&](std::int64_t at) {
    return std::clamp<std::int64_t>(at < 0 ? at + extent : at, 0, extent);
  };
  Ints starts(shape.size(), 0), sizes(shape.size(), -1);
  starts[d] = place(begin);
  sizes[d] = std::max<std::int64_t>(0, place(end) - starts[d]);
  return slice(graph, x, std::move(starts), std::move(sizes), Ints(shape.size(), 1));
}

ValueId pad(Graph& graph, ValueId x, Ints pads, std::string mode, double value) {
  return graph.add(OpKind::pad, {x},
                   {{"pads", std::move(pads)}, {"mode", std::move(mode)}, {"value", value}});
}

ValueId tile(Graph& graph, ValueId x, Ints repeats) {
  return graph.add(OpKind::tile, {x}, {{"repeats", std::move(repeats)}});
}

ValueId gather(Graph& graph, ValueId data, ValueId indices, std::int64_t axis) {
  return graph.add(OpKind::gather, {data, indices}, {{"axis", axis}});
}

ValueId gather_elements(Graph& graph, ValueId data, ValueId indices, std::int64_t axis) {
  return graph.add(OpKind::gather_elements, {data, indices}, {{"axis", axis}});
}

ValueId gather_nd(Graph& graph, ValueId data, ValueId indices, std::int64_t batch_dims) {
  return graph.add(OpKind::gather_nd, {data, indices}, {{"batch_dims", batch_dims}});
}

ValueId iota(Graph& graph, DType dtype, Ints shape, std::int64_t axis) {
  return graph.add(
      OpKind::iota, {},
      {{"dtype", std::string(ir::to_string(dtype))}, {"shape", std::move(shape)}, {"axis", axis}});
}

ValueId resize(Graph& graph, ValueId x, const ResizeOptions& options) {
  std::vector<double> scales = options.scales;
  if (scales.empty()) {
    const Ints shape = to_ints(graph.type(x).shape);
    if (shape.size() != options.sizes.size())
      throw_user_error("resize: {} sizes for the {} axes of the input", options.sizes.size(), shape.size());
    for (std::size_t d = 0; d < shape.size(); ++d)
      scales.push_back(static_cast<double>(options.sizes[d]) / static_cast<double>(shape[d]));
  }
  return graph.add(OpKind::resize, {x},
                   {{"sizes", options.sizes},
                    {"scales", std::move(scales)},
                    {"mode", options.mode},
                    {"coordinates", options.coordinates},
                    {"nearest", options.nearest},
                    {"cubic_a", options.cubic_a},
                    {"exclude_outside", std::int64_t{options.exclude_outside}},
                    {"antialias", std::int64_t{options.antialias}},
                    {"extrapolation", options.extrapolation},
                    {"roi", options.roi}});
}

ValueId matmul(Graph& graph, ValueId a, ValueId b) { return graph.add(OpKind::matmul, {a, b}); }

ValueId conv(Graph& graph, ValueId x, ValueId w, std::optional<ValueId> bias, const ConvOptions& options) {
  return graph.add(OpKind::conv, with_optional({x, w}, bias),
                   window_attributes(options, spatial_rank(graph, x, "conv")));
}

ValueId conv_transpose(Graph& graph, ValueId x, ValueId w, std::optional<ValueId> bias,
                       const ConvOptions& options) {
  const std::size_t rank = spatial_rank(graph, x, "conv_transpose");
  Attributes attributes = window_attributes(options, rank);
  attributes.set("output_padding", filled(options.output_padding, rank, 0));
  return graph.add(OpKind::conv_transpose, with_optional({x, w}, bias), std::move(attributes));
}

Ints same_pads(std::span<const std::int64_t> extents, std::span<const std::int64_t> kernel,
               std::span<const std::int64_t> strides, std::span<const std::int64_t> dilations, bool upper) {
  Ints pads(2 * extents.size());
  for (std::size_t d = 0; d < extents.size(); ++d) {
    const std::int64_t places = (extents[d] + strides[d] - 1) / strides[d];
    const std::int64_t needed = (places - 1) * strides[d] + (kernel[d] - 1) * dilations[d] + 1;
    const std::int64_t total = std::max<std::int64_t>(0, needed - extents[d]);
    pads[d] = upper ? total / 2 : total - total / 2;
    pads[extents.size() + d] = total - pads[d];
  }
  return pads;
}

ValueId max_pool(Graph& graph, ValueId x, const PoolOptions& options) {
  return add_pool(graph, "max", x, options, false);
}

ValueId average_pool(Graph& graph, ValueId x, const PoolOptions& options) {
  return add_pool(graph, "average", x, options, false);
}

ValueId lp_pool(Graph& graph, ValueId x, const PoolOptions& options) {
  return add_pool(graph, "lp", x, options, false);
}

std::pair<ValueId, ValueId> max_pool_with_indices(Graph& graph, ValueId x, const PoolOptions& options) {
  const ValueId values = add_pool(graph, "max", x, options, true);
  return {values, {values.op, 1}};
}

ValueId reduce(Graph& graph, std::string op, ValueId x, Ints axes, bool keepdims) {
  const DType dtype = graph.type(x).dtype;
  if (ir::is_integer(dtype) && (op == "l2" || op == "log_sum" || op == "log_sum_exp"))
    return cast(graph, reduce(graph, std::move(op), cast(graph, x, DType::f64), std::move(axes), keepdims),
                dtype);
  return graph.add(OpKind::reduce, {x},
                   {{"op", std::move(op)}, {"axes", std::move(axes)}, {"keepdims", std::int64_t{keepdims}}});
}

ValueId arg_max(Graph& graph, ValueId x, std::int64_t axis, bool keepdims, bool select_last) {
  return add_arg_reduce(graph, "max", x, axis, keepdims, select_last);
}

ValueId arg_min(Graph& graph, ValueId x, std::int64_t axis, bool keepdims, bool select_last) {
  return add_arg_reduce(graph, "min", x, axis, keepdims, select_last);
}

ValueId softmax(Graph& graph, ValueId x, std::int64_t axis) {
  return graph.add(OpKind::softmax, {x}, {{"axis", axis}});
}

ValueId log_softmax(Graph& graph, ValueId x, std::int64_t axis) {
  return graph.add(OpKind::log_softmax, {x}, {{"axis", axis}});
}

ValueId layer_norm(Graph& graph, ValueId x, std::optional<ValueId> scale, std::optional<ValueId> bias,
                   std::int64_t axis, double epsilon) {
  if (bias && !scale) throw_user_error("layer_norm: a bias needs a scale");
  return graph.add(OpKind::layer_norm, with_optional(with_optional({x}, scale), bias),
                   {{"axis", axis}, {"epsilon", epsilon}});
}

ValueId rms_norm(Graph& graph, ValueId x, std::optional<ValueId> scale, std::int64_t axis, double epsilon) {
  return graph.add(OpKind::rms_norm, with_optional({x}, scale), {{"axis", axis}, {"epsilon", epsilon}});
}

ValueId group_norm(Graph& graph, ValueId x, ValueId scale, ValueId bias, std::int64_t groups,
                   double epsilon) {
  return graph.add(OpKind::group_norm, {x, scale, bias}, {{"groups", groups}, {"epsilon", epsilon}});
}

ValueId lrn(Graph& graph, ValueId x, std::int64_t size, double alpha, double beta, double bias) {
  return graph.add(OpKind::lrn, {x}, {{"size", size}, {"alpha", alpha}, {"beta", beta}, {"bias", bias}});
}

ValueId cumulative_sum(Graph& graph, ValueId x, std::int64_t axis, CumulateOptions options) {
  return add_cumulate(graph, "sum", x, axis, options);
}

ValueId cumulative_product(Graph& graph, ValueId x, std::int64_t axis, CumulateOptions options) {
  return add_cumulate(graph, "prod", x, axis, options);
}

ValueId scatter_elements(Graph& graph, ValueId data, ValueId indices, ValueId updates, std::int64_t axis,
                         std::string reduction) {
  return graph.add(OpKind::scatter_elements, {data, indices, updates},
                   {{"axis", axis}, {"reduction", std::move(reduction)}});
}

ValueId scatter_nd(Graph& graph, ValueId data, ValueId indices, ValueId updates, std::string reduction) {
  return graph.add(OpKind::scatter_nd, {data, indices, updates}, {{"reduction", std::move(reduction)}});
}

std::pair<ValueId, ValueId> top_k(Graph& graph, ValueId x, std::int64_t k, std::int64_t axis, bool largest) {
  const ValueId values =
      graph.add(OpKind::top_k, {x}, {{"axis", axis}, {"k", k}, {"largest", std::int64_t{largest}}});
  return {values, {values.op, 1}};
}

}  // namespace tunesmith::tracer::ops
