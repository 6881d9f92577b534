#include <algorithm>

#include "ir/support/error.h"
#include "tracer/ops/infer.h"

namespace tunesmith::tracer {
namespace {

std::int64_t count(const std::vector<std::int64_t>& dims) {
  std::int64_t product = 1;
  for (std::int64_t dim : dims) product *= dim;
  return product;
}

const std::vector<std::int64_t>& list(const Attributes& attributes, std::string_view name, std::size_t size) {
  const std::vector<std::int64_t>& values = attributes.get_ints(name);
  if (values.size() != size)
    throw_user_error("'{}' has {} entries for {} dimensions", name, values.size(), size);
  return values;
}

void require_index_type(const TensorType& indices) {
  if (indices.dtype != DType::i32 && indices.dtype != DType::i64)
    throw_user_error("indices must be i32 or i64, not {}", ir::to_string(indices.dtype));
}

}  // namespace

Types infer_reshape(std::span<const TensorType> inputs, const Attributes& attributes) {
  const std::vector<std::int64_t>& shape = attributes.get_ints("shape");
  if (std::ranges::any_of(shape, [](std::int64_t dim) { return dim < 0; }) ||
      count(to_ints(inputs[0].shape)) != count(shape))
    throw_user_error("{} cannot be reshaped to {}", to_string(inputs[0].shape), to_string(to_shape(shape)));
  return {{inputs[0].dtype, to_shape(shape)}};
}

Types infer_transpose(std::span<const TensorType> inputs, const Attributes& attributes) {
  const std::size_t rank = inputs[0].shape.size();
  const std::vector<std::int64_t>& perm = list(attributes, "perm", rank);
  Shape shape;
  std::vector<bool> seen(rank, false);
  for (std::int64_t axis : perm) {
    if (axis < 0 || axis >= static_cast<std::int64_t>(rank) || seen[static_cast<std::size_t>(axis)])
      throw_user_error("'perm' is not a permutation of the {} axes", rank);
    seen[static_cast<std::size_t>(axis)] = true;
    shape.push_back(inputs[0].shape[static_cast<std::size_t>(axis)]);
  }
  return {{inputs[0].dtype, shape}};
}

Types infer_expand(std::span<const TensorType> inputs, const Attributes& attributes) {
  const Shape shape = to_shape(attributes.get_ints("shape"));
  const Shape joined = broadcast_shapes(inputs[0].shape, shape);
  const bool fits = joined.size() == shape.size() && std::ranges::equal(joined, shape, ir::equal);
  if (!fits) throw_user_error("{} cannot be expanded to {}", to_string(inputs[0].shape), to_string(shape));
  return {{inputs[0].dtype, shape}};
}

Types infer_concat(std::span<const TensorType> inputs, const Attributes& attributes) {
  const std::size_t rank = inputs[0].shape.size();
  const std::size_t axis = checked_axis(attributes.get_int("axis"), rank);
  Shape shape = inputs[0].shape;
  Dim total(0);
  for (const TensorType& input : inputs) {
    bool fits = input.dtype == inputs[0].dtype && input.shape.size() == rank;
    for (std::size_t d = 0; fits && d < rank; ++d) fits = d == axis || ir::equal(input.shape[d], shape[d]);
    if (!fits)
      throw_user_error("{} {} does not fit to {} {} along axis {}", ir::to_string(input.dtype),
                       to_string(input.shape), ir::to_string(inputs[0].dtype), to_string(inputs[0].shape),
                       axis);
    total = total + input.shape[axis];
  }
  shape[axis] = total;
  return {{inputs[0].dtype, shape}};
}

Types infer_slice(std::span<const TensorType> inputs, const Attributes& attributes) {
  const std::size_t rank = inputs[0].shape.size();
  const auto& starts = list(attributes, "starts", rank);
  const auto& sizes = list(attributes, "sizes", rank);
  const auto& steps = list(attributes, "steps", rank);
  const std::vector<std::int64_t> dims = to_ints(inputs[0].shape);
  for (std::size_t d = 0; d < rank; ++d) {
    const std::int64_t last = starts[d] + (sizes[d] - 1) * steps[d];
    const bool inside =
        sizes[d] == 0 || (starts[d] >= 0 && starts[d] < dims[d] && last >= 0 && last < dims[d]);
    if (sizes[d] < 0 || steps[d] == 0 || !inside)
      throw_user_error("elements {} to {} of axis {} are outside of {}", starts[d], last, d,
                       to_string(inputs[0].shape));
  }
  return {{inputs[0].dtype, to_shape(sizes)}};
}

Types infer_pad(std::span<const TensorType> inputs, const Attributes& attributes) {
  const std::size_t rank = inputs[0].shape.size();
  const auto& pads = list(attributes, "pads", 2 * rank);
  const std::string& mode = attributes.get_text("mode");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap")
    throw_user_error("unknown padding mode '{}'; accepted: constant, reflect, edge, wrap", mode);
  Shape shape;
  for (std::size_t d = 0; d < rank; ++d) {
    shape.push_back(inputs[0].shape[d] + (pads[d] + pads[rank + d]));
    if (const auto* dim = ir::as_int(shape.back()); dim != nullptr && *dim < 0)
      throw_user_error("axis {} of {} is cropped by more than it has", d, to_string(inputs[0].shape));
  }
  return {{inputs[0].dtype, shape}};
}

Types infer_tile(std::span<const TensorType> inputs, const Attributes& attributes) {
  const auto& repeats = list(attributes, "repeats", inputs[0].shape.size());
  Shape shape;
  for (std::size_t d = 0; d < repeats.size(); ++d) {
    if (repeats[d] < 0) throw_user_error("'repeats' has the negative entry {}", repeats[d]);
    shape.push_back(inputs[0].shape[d] * repeats[d]);
  }
  return {{inputs[0].dtype, shape}};
}

Types infer_gather(std::span<const TensorType> inputs, const Attributes& attributes) {
  require_index_type(inputs[1]);
  const Shape& data = inputs[0].shape;
  const std::size_t axis = checked_axis(attributes.get_int("axis"), data.size());
  Shape shape(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(shape.end(), inputs[1].shape.begin(), inputs[1].shape.end());
  shape.insert(shape.end(), data.begin() + static_cast<std::ptrdiff_t>(axis) + 1, data.end());
  return {{inputs[0].dtype, shape}};
}

Types infer_gather_elements(std::span<const TensorType> inputs, const Attributes& attributes) {
  require_index_type(inputs[1]);
  checked_axis(attributes.get_int("axis"), inputs[0].shape.size());
  if (inputs[1].shape.size() != inputs[0].shape.size())
    throw_user_error("indices {} have another rank than the data {}", to_string(inputs[1].shape),
                     to_string(inputs[0].shape));
  return {{inputs[0].dtype, inputs[1].shape}};
}

Types infer_gather_nd(std::span<const TensorType> inputs, const Attributes& attributes) {
  require_index_type(inputs[1]);
  const auto batch = static_cast<std::size_t>(attributes.get_int_or("batch_dims", 0));
  const Shape& data = inputs[0].shape;
  const Shape& indices = inputs[1].shape;
  if (indices.empty() || batch >= indices.size())
    throw_user_error("indices {} have too few dimensions", to_string(indices));
  const auto depth = static_cast<std::size_t>(to_ints({indices.back()})[0]);
  if (batch + depth > data.size())
    throw_user_error("indices of depth {} do not fit to the data {}", depth, to_string(data));
  Shape shape(indices.begin(), indices.end() - 1);
  shape.insert(shape.end(), data.begin() + static_cast<std::ptrdiff_t>(batch + depth), data.end());
  return {{inputs[0].dtype, shape}};
}

Types infer_iota(std::span<const TensorType>, const Attributes& attributes) {
  const auto dtype = ir::dtype_from_string(attributes.get_text("dtype"));
  if (!dtype) throw_user_error("unknown dtype '{}'", attributes.get_text("dtype"));
  checked_axis(attributes.get_int("axis"), attributes.get_ints("shape").size());
  return {{*dtype, to_shape(attributes.get_ints("shape"))}};
}

Types infer_resize(std::span<const TensorType> inputs, const Attributes& attributes) {
  const std::size_t rank = inputs[0].shape.size();
  const auto& sizes = list(attributes, "sizes", rank);
  if (attributes.get_floats("scales").size() != rank)
    throw_user_error("'scales' has {} entries for {} dimensions", attributes.get_floats("scales").size(),
                     rank);
  return {{inputs[0].dtype, to_shape(sizes)}};
}

Types infer_scatter(std::span<const TensorType> inputs, const Attributes& attributes) {
  require_index_type(inputs[1]);
  if (inputs[2].dtype != inputs[0].dtype)
    throw_user_error("updates are {}, the data {}", ir::to_string(inputs[2].dtype),
                     ir::to_string(inputs[0].dtype));
  const std::string& reduction = attributes.get_text("reduction");
  constexpr std::string_view known[] = {"none", "add", "mul", "min", "max"};
  if (std::ranges::find(known, reduction) == std::end(known))
    throw_user_error("unknown reduction '{}'; accepted: none, add, mul, min, max", reduction);
  if (attributes.has("axis")) {
    checked_axis(attributes.get_int("axis"), inputs[0].shape.size());
    if (inputs[1].shape.size() != inputs[0].shape.size() ||
        !std::ranges::equal(inputs[1].shape, inputs[2].shape, ir::equal))
      throw_user_error("indices {} and updates {} do not fit to the data {}", to_string(inputs[1].shape),
                       to_string(inputs[2].shape), to_string(inputs[0].shape));
  }
  return {inputs[0]};
}

Types infer_top_k(std::span<const TensorType> inputs, const Attributes& attributes) {
  const std::size_t axis = checked_axis(attributes.get_int("axis"), inputs[0].shape.size());
  const std::int64_t k = attributes.get_int("k");
  Shape shape = inputs[0].shape;
  if (const auto* extent = ir::as_int(shape[axis]); k < 0 || (extent != nullptr && k > *extent))
    throw_user_error("k={} is out of range for axis {} of {}", k, axis, to_string(shape));
  shape[axis] = Dim(k);
  return {{inputs[0].dtype, shape}, {DType::i64, shape}};
}

}  // namespace tunesmith::tracer
