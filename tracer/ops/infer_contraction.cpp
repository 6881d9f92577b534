// Matrix products, convolutions, pooling, reductions and normalisations.
#include <algorithm>

#include "ir/support/error.h"
#include "tracer/ops/infer.h"

namespace tunesmith::tracer {
namespace {

struct WindowAttributes {
  std::vector<std::int64_t> strides, dilations, pads;
};

WindowAttributes window(const Attributes& attributes, std::size_t rank) {
  WindowAttributes w{attributes.get_ints("strides"), attributes.get_ints("dilations"),
                     attributes.get_ints("pads")};
  if (w.strides.size() != rank || w.dilations.size() != rank || w.pads.size() != 2 * rank)
    throw_user_error("'strides', 'dilations' and 'pads' must have {}, {} and {} entries", rank, rank,
                     2 * rank);
  auto positive = [](std::int64_t v) { return v >= 1; };
  if (!std::ranges::all_of(w.strides, positive) || !std::ranges::all_of(w.dilations, positive))
    throw_user_error("'strides' and 'dilations' must be at least 1");
  return w;
}

/// Places of a window of `kernel` elements along an axis of `extent`.
std::int64_t output_extent(std::int64_t extent, std::int64_t kernel, const WindowAttributes& w, std::size_t d,
                           std::size_t rank, bool ceil_mode) {
  const std::int64_t padded = extent + w.pads[d] + w.pads[rank + d];
  const std::int64_t span = (kernel - 1) * w.dilations[d] + 1;
  if (padded < span)
    throw_user_error("a window of {} does not fit into axis {} of extent {}", span, d + 2, padded);
  std::int64_t places = (padded - span) / w.strides[d] + 1;
  if (ceil_mode && (padded - span) % w.strides[d] != 0) {
    ++places;
    // A window that would begin in the padding behind the input is dropped.
    if ((places - 1) * w.strides[d] >= extent + w.pads[d]) --places;
  }
  return places;
}

void require_rank(const TensorType& type, std::string_view what, std::size_t least) {
  if (type.shape.size() < least)
    throw_user_error("{} {} has fewer than {} dimensions", what, to_string(type.shape), least);
}

void require_dtype(const TensorType& type, std::string_view what, DType dtype) {
  if (type.dtype != dtype)
    throw_user_error("{} is {}, the input {}", what, ir::to_string(type.dtype), ir::to_string(dtype));
}

DType product_dtype(DType dtype) { return dtype == DType::i8 || dtype == DType::u8 ? DType::i32 : dtype; }

}  // namespace

Types infer_matmul(std::span<const TensorType> inputs, const Attributes&) {
  const TensorType& a = inputs[0];
  const TensorType& b = inputs[1];
  require_rank(a, "operand A", 1);
  require_rank(b, "operand B", 1);
  const bool bytes =
      (a.dtype == DType::i8 || a.dtype == DType::u8) && (b.dtype == DType::i8 || b.dtype == DType::u8);
  if (a.dtype != b.dtype && !bytes)
    throw_user_error("operands have different dtypes: {} and {}", ir::to_string(a.dtype),
                     ir::to_string(b.dtype));
  const bool a_vector = a.shape.size() == 1, b_vector = b.shape.size() == 1;
  const Dim k = a.shape.back();
  const Dim other = b_vector ? b.shape[0] : b.shape[b.shape.size() - 2];
  if (!ir::equal(k, other))
    throw_user_error("inner dimensions of {} and {} differ", to_string(a.shape), to_string(b.shape));
  Shape shape = broadcast_shapes(Shape(a.shape.begin(), a.shape.end() - (a_vector ? 1 : 2)),
                                 Shape(b.shape.begin(), b.shape.end() - (b_vector ? 1 : 2)));
  if (!a_vector) shape.push_back(a.shape[a.shape.size() - 2]);
  if (!b_vector) shape.push_back(b.shape.back());
  return {{product_dtype(a.dtype), shape}};
}

Types infer_conv(std::span<const TensorType> inputs, const Attributes& attributes) {
  const TensorType& x = inputs[0];
  const TensorType& w = inputs[1];
  require_rank(x, "input", 3);
  if (w.shape.size() != x.shape.size())
    throw_user_error("input {} and weight {} have different ranks", to_string(x.shape), to_string(w.shape));
  require_dtype(w, "the weight", x.dtype);
  const std::size_t rank = x.shape.size() - 2;
  const WindowAttributes window_attributes = window(attributes, rank);
  const std::int64_t groups = attributes.get_int("groups");
  const std::vector<std::int64_t> xs = to_ints(Shape(x.shape.begin() + 1, x.shape.end())),
                                  ws = to_ints(w.shape);
  if (groups < 1 || xs[0] != ws[1] * groups || ws[0] % groups != 0)
    throw_user_error("input {}, weight {} and groups={} do not fit", to_string(x.shape), to_string(w.shape),
                     groups);
  if (inputs.size() > 2 && (inputs[2].shape.size() != 1 || !ir::is_int(inputs[2].shape[0], ws[0])))
    throw_user_error("bias {} does not fit to {} output channels", to_string(inputs[2].shape), ws[0]);
  Shape shape{x.shape[0], Dim(ws[0])};
  for (std::size_t d = 0; d < rank; ++d)
    shape.emplace_back(output_extent(xs[1 + d], ws[2 + d], window_attributes, d, rank, false));
  return {{product_dtype(x.dtype), shape}};
}

Types infer_conv_transpose(std::span<const TensorType> inputs, const Attributes& attributes) {
  const TensorType& x = inputs[0];
  const TensorType& w = inputs[1];
  require_rank(x, "input", 3);
  if (w.shape.size() != x.shape.size())
    throw_user_error("input {} and weight {} have different ranks", to_string(x.shape), to_string(w.shape));
  require_dtype(w, "the weight", x.dtype);
  const std::size_t rank = x.shape.size() - 2;
  const WindowAttributes window_attributes = window(attributes, rank);
  const std::int64_t groups = attributes.get_int("groups");
  const auto& output_padding = attributes.get_ints("output_padding");
  const std::vector<std::int64_t> xs = to_ints(x.shape), ws = to_ints(w.shape);
  if (groups < 1 || xs[1] != ws[0] || xs[1] % groups != 0)
    throw_user_error("input {}, weight {} and groups={} do not fit", to_string(x.shape), to_string(w.shape),
                     groups);
  Shape shape{Dim(xs[0]), Dim(ws[1] * groups)};
  for (std::size_t d = 0; d < rank; ++d) {
    const std::int64_t extent = (xs[2 + d] - 1) * window_attributes.strides[d] +
                                (ws[2 + d] - 1) * window_attributes.dilations[d] + 1 + output_padding.at(d) -
                                window_attributes.pads[d] - window_attributes.pads[rank + d];
    if (extent < 0) throw_user_error("axis {} is cropped to {} by its pads", d + 2, extent);
    shape.emplace_back(extent);
  }
  return {{x.dtype, shape}};
}

Types infer_pool(std::span<const TensorType> inputs, const Attributes& attributes) {
  const TensorType& x = inputs[0];
  require_rank(x, "input", 3);
  const std::size_t rank = x.shape.size() - 2;
  const auto& kernel = attributes.get_ints("kernel");
  if (kernel.size() != rank)
    throw_user_error("'kernel' has {} entries for {} spatial axes", kernel.size(), rank);
  const WindowAttributes window_attributes = window(attributes, rank);
  const std::vector<std::int64_t> xs = to_ints(Shape(x.shape.begin() + 2, x.shape.end()));
  Shape shape{x.shape[0], x.shape[1]};
  for (std::size_t d = 0; d < rank; ++d)
    shape.emplace_back(output_extent(xs[d], kernel[d], window_attributes, d, rank,
                                     attributes.get_int_or("ceil_mode", 0) != 0));
  Types types{{x.dtype, shape}};
  if (attributes.get_int_or("with_indices", 0) != 0) types.push_back({DType::i64, shape});
  return types;
}

Types infer_reduce(std::span<const TensorType> inputs, const Attributes& attributes) {
  const std::size_t rank = inputs[0].shape.size();
  std::vector<bool> reduced(rank, attributes.get_ints("axes").empty());
  for (std::int64_t axis : attributes.get_ints("axes")) reduced[checked_axis(axis, rank)] = true;
  const bool keep = attributes.get_int("keepdims") != 0;
  Shape shape;
  for (std::size_t d = 0; d < rank; ++d) {
    if (!reduced[d])
      shape.push_back(inputs[0].shape[d]);
    else if (keep)
      shape.emplace_back(1);
  }
  return {{inputs[0].dtype, shape}};
}

Types infer_arg_reduce(std::span<const TensorType> inputs, const Attributes& attributes) {
  Shape shape = inputs[0].shape;
  const std::size_t axis = checked_axis(attributes.get_int("axis"), shape.size());
  if (attributes.get_int("keepdims") != 0)
    shape[axis] = Dim(1);
  else
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return {{DType::i64, shape}};
}

Types infer_rows(std::span<const TensorType> inputs, const Attributes& attributes) {
  if (attributes.has("axis")) checked_axis(attributes.get_int("axis"), inputs[0].shape.size());
  return {inputs[0]};
}

Types infer_norm(std::span<const TensorType> inputs, const Attributes& attributes) {
  const Shape& shape = inputs[0].shape;
  const std::size_t axis = checked_axis(attributes.get_int("axis"), shape.size());
  const Shape rows(shape.begin() + static_cast<std::ptrdiff_t>(axis), shape.end());
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    const Shape joined = broadcast_shapes(rows, inputs[i].shape);
    if (!std::ranges::equal(joined, rows, ir::equal))
      throw_user_error("scale or bias {} does not fit to the normalised {}", to_string(inputs[i].shape),
                       to_string(rows));
  }
  return {inputs[0]};
}

Types infer_group_norm(std::span<const TensorType> inputs, const Attributes& attributes) {
  require_rank(inputs[0], "input", 2);
  const Dim channels = inputs[0].shape[1];
  const std::int64_t groups = attributes.get_int("groups");
  if (groups < 1 || to_ints({channels})[0] % groups != 0)
    throw_user_error("groups={} does not divide {} channels", groups, to_string(inputs[0].shape));
  for (std::size_t i = 1; i < inputs.size(); ++i)
    if (inputs[i].shape.size() != 1 || !ir::equal(inputs[i].shape[0], channels))
      throw_user_error("scale or bias {} does not fit to input {}", to_string(inputs[i].shape),
                       to_string(inputs[0].shape));
  return {inputs[0]};
}

}  // namespace tunesmith::tracer
