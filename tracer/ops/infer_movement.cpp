#include <algorithm>
#include <cmath>

#include "ir/support/error.h"
#include "tracer/ops/infer.h"

namespace tunesmith::tracer {
namespace {

const std::vector<std::int64_t>& list(const Attributes& attributes, std::string_view name, std::size_t size) {
  const std::vector<std::int64_t>& values = attributes.get_ints(name);
  if (values.size() != size)
    throw_user_error("'{}' has {} entries for {} dimensions", name, values.size(), size);
  return values;
}

std::int64_t product(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) throw_user_error("extents {} and {} multiply to too much", a, b);
  return result;
}

void require_index_type(const TensorType& indices) {
  if (indices.dtype != DType::i32 && indices.dtype != DType::i64)
    throw_user_error("indices must be i32 or i64, not {}", ir::to_string(indices.dtype));
}

/// Indices of gather_elements and scatter_elements: along the other axes they are no longer than the data.
void require_inside(const Shape& indices, const Shape& data, std::size_t axis) {
  bool fits = indices.size() == data.size();
  for (std::size_t d = 0; fits && d < data.size(); ++d) {
    const auto *own = ir::as_int(indices[d]), *extent = ir::as_int(data[d]);
    fits = d == axis || (own && extent ? *own <= *extent : ir::equal(indices[d], data[d]));
  }
  if (!fits)
    throw_user_error("indices {} do not fit to the data {} along axes other than {}", to_string(indices),
                     to_string(data), axis);
}

void require_batch_fits(const Shape& indices, const Shape& data, std::size_t batch) {
  for (std::size_t d = 0; d < batch; ++d)
    if (!ir::equal(indices[d], data[d]))
      throw_user_error("batch axis {} of the indices {} and the data {} differs", d, to_string(indices),
                       to_string(data));
}

}  // namespace

Types infer_reshape(std::span<const TensorType> inputs, const Attributes& attributes) {
  const std::vector<std::int64_t>& wanted = attributes.get_ints("shape");
  // The element count as a number times the symbolic extents.
  std::int64_t count = 1, known = 1;
  Dim symbols;
  for (const Dim& dim : inputs[0].shape) {
    if (const auto* extent = ir::as_int(dim))
      count = product(count, *extent);
    else
      symbols = symbols ? symbols * dim : dim;
  }
  for (std::int64_t dim : wanted) known = dim == -1 ? known : product(known, dim);
  const auto open = std::ranges::count(wanted, -1);
  const bool divides = known > 0 && count % known == 0;
  const bool fits = open == 0 ? !symbols && count == known : open == 1 && divides;
  if (!fits || std::ranges::any_of(wanted, [](std::int64_t dim) { return dim < -1; }))
    throw_user_error("{} cannot be reshaped to {}", to_string(inputs[0].shape), to_string(to_shape(wanted)));
  Shape shape = to_shape(wanted);
  if (open == 1) {
    const std::int64_t rest = count / known;
    shape[static_cast<std::size_t>(std::ranges::find(wanted, -1) - wanted.begin())] = !symbols ? Dim(rest)
                                                                                      : rest == 1
                                                                                          ? symbols
                                                                                          : symbols * rest;
  }
  return {{inputs[0].dtype, shape}};
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
  Shape shape = to_shape(attributes.get_ints("shape"));
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (!ir::is_int(shape[d], -1)) continue;
    if (d + inputs[0].shape.size() < shape.size())
      throw_user_error("the -1 in {} stands for no axis of {}", to_string(shape), to_string(inputs[0].shape));
    shape[d] = inputs[0].shape[d + inputs[0].shape.size() - shape.size()];
  }
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
  Shape shape;
  for (std::size_t d = 0; d < rank; ++d) {
    if (sizes[d] == -1 && starts[d] == 0 && steps[d] == 1) {
      shape.push_back(inputs[0].shape[d]);
      continue;
    }
    const std::int64_t extent = to_ints({inputs[0].shape[d]})[0];
    const bool steps_out = sizes[d] > extent || (sizes[d] > 1 && (steps[d] >= extent || steps[d] <= -extent));
    if (steps_out || starts[d] < 0 || starts[d] > extent)
      throw_user_error("{} elements from {} in steps of {} leave axis {} of {}", sizes[d], starts[d],
                       steps[d], d, to_string(inputs[0].shape));
    const std::int64_t last = starts[d] + (sizes[d] - 1) * steps[d];
    const bool inside = sizes[d] == 0 || (starts[d] >= 0 && starts[d] < extent && last >= 0 && last < extent);
    if (sizes[d] < 0 || steps[d] == 0 || !inside)
      throw_user_error("elements {} to {} of axis {} are outside of {}", starts[d], last, d,
                       to_string(inputs[0].shape));
    shape.emplace_back(sizes[d]);
  }
  return {{inputs[0].dtype, shape}};
}

Types infer_pad(std::span<const TensorType> inputs, const Attributes& attributes) {
  const std::size_t rank = inputs[0].shape.size();
  const auto& pads = list(attributes, "pads", 2 * rank);
  const std::string& mode = attributes.get_text("mode");
  require_one_of(mode, {"constant", "reflect", "edge", "wrap"}, "padding mode");
  constexpr std::int64_t largest = std::int64_t{1} << 48;
  for (std::int64_t amount : pads)
    if (amount < -largest || amount > largest) throw_user_error("'pads' has the entry {}", amount);
  Shape shape;
  for (std::size_t d = 0; d < rank; ++d) {
    shape.push_back(inputs[0].shape[d] + (pads[d] + pads[rank + d]));
    if (const auto* dim = ir::as_int(shape.back()); dim != nullptr && *dim < 0)
      throw_user_error("axis {} of {} is cropped by more than it has", d, to_string(inputs[0].shape));
    if (mode != "constant" && ir::is_int(inputs[0].shape[d], 0) && !ir::is_int(shape.back(), 0))
      throw_user_error("mode {} has no element to repeat along axis {} of {}", mode, d,
                       to_string(inputs[0].shape));
  }
  return {{inputs[0].dtype, shape}};
}

Types infer_tile(std::span<const TensorType> inputs, const Attributes& attributes) {
  const auto& repeats = list(attributes, "repeats", inputs[0].shape.size());
  Shape shape;
  for (std::size_t d = 0; d < repeats.size(); ++d) {
    if (repeats[d] < 0) throw_user_error("'repeats' has the negative entry {}", repeats[d]);
    const auto* extent = ir::as_int(inputs[0].shape[d]);
    shape.push_back(extent ? Dim(product(*extent, repeats[d])) : inputs[0].shape[d] * repeats[d]);
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
  require_inside(inputs[1].shape, inputs[0].shape,
                 checked_axis(attributes.get_int("axis"), inputs[0].shape.size()));
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
  require_batch_fits(indices, data, batch);
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
  const std::string& coordinates = attributes.get_text("coordinates");
  require_one_of(attributes.get_text("mode"), {"nearest", "linear", "cubic"}, "mode");
  if (inputs[0].dtype == DType::boolean && attributes.get_text("mode") != "nearest")
    throw_user_error("bool cannot be interpolated; accepted: mode nearest");
  require_one_of(coordinates,
                 {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners",
                  "tf_crop_and_resize"},
                 "coordinate rule");
  require_one_of(attributes.get_text("nearest"), {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"},
                 "rounding");
  // Geometry in floating point stays exact enough, and taps stay countable, within these bounds.
  constexpr double largest = 1 << 20;
  for (double scale : attributes.get_floats("scales"))
    if (!(scale >= 1 / largest && scale <= largest)) throw_user_error("'scales' has the entry {}", scale);
  for (double place : attributes.get_floats("roi"))
    if (!(std::abs(place) <= largest)) throw_user_error("'roi' has the entry {}", place);
  const std::size_t regions = attributes.get_floats("roi").size();
  if (regions != 2 * rank && (regions != 0 || coordinates == "tf_crop_and_resize"))
    throw_user_error("'roi' has {} entries for {} dimensions; {} are taken", regions, rank, 2 * rank);
  for (std::size_t d = 0; d < rank; ++d)
    if (sizes[d] < 0 || (sizes[d] > 0 && ir::is_int(inputs[0].shape[d], 0)))
      throw_user_error("axis {} of {} cannot be resized to {}", d, to_string(inputs[0].shape), sizes[d]);
  for (std::size_t d = 0; d < rank; ++d) {
    const std::int64_t* extent = ir::as_int(inputs[0].shape[d]);
    if (extent == nullptr) continue;
    // Rounded to the nearest, up or down; places further out would lie beside the input.
    const double exact = static_cast<double>(*extent) * attributes.get_floats("scales")[d];
    if (const double excess = static_cast<double>(sizes[d]) - exact; excess > 0.51 || excess < -1.01)
      throw_user_error("axis {} of {} scaled by {} has no extent {}", d, to_string(inputs[0].shape),
                       attributes.get_floats("scales")[d], sizes[d]);
  }
  return {{inputs[0].dtype, to_shape(sizes)}};
}

Types infer_scatter(std::span<const TensorType> inputs, const Attributes& attributes) {
  require_index_type(inputs[1]);
  if (inputs[2].dtype != inputs[0].dtype)
    throw_user_error("updates are {}, the data {}", ir::to_string(inputs[2].dtype),
                     ir::to_string(inputs[0].dtype));
  const std::string& reduction = attributes.get_text("reduction");
  require_one_of(reduction, {"none", "add", "mul", "min", "max"}, "reduction");
  const Shape &data = inputs[0].shape, &indices = inputs[1].shape, &updates = inputs[2].shape;
  Shape expected = indices;
  if (attributes.has("axis")) {
    require_inside(indices, data, checked_axis(attributes.get_int("axis"), data.size()));
  } else {
    if (indices.empty()) throw_user_error("indices {} have too few dimensions", to_string(indices));
    const auto depth = static_cast<std::size_t>(to_ints({indices.back()})[0]);
    if (depth > data.size())
      throw_user_error("indices of depth {} do not fit to the data {}", depth, to_string(data));
    expected.assign(indices.begin(), indices.end() - 1);
    expected.insert(expected.end(), data.begin() + static_cast<std::ptrdiff_t>(depth), data.end());
  }
  if (!std::ranges::equal(updates, expected, ir::equal))
    throw_user_error("updates {} do not fit to the indices {} and the data {}", to_string(updates),
                     to_string(indices), to_string(data));
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
