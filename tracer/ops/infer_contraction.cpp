// Matrix products, convolutions and pooling.
#include <algorithm>

#include "ir/support/error.h"
#include "tracer/ops/infer.h"

namespace tunesmith::tracer {
namespace {

struct WindowAttributes {
  std::vector<std::int64_t> strides, dilations, pads;
};

/// Bounds the numbers that window arithmetic multiplies, so that it cannot overflow.
constexpr std::int64_t largest = std::int64_t{1} << 30;

void require_between(const std::vector<std::int64_t>& values, std::int64_t least, std::string_view name) {
  for (std::int64_t value : values)
    if (value < least || value > largest)
      throw_user_error("'{}' has the entry {}; accepted: {} to {}", name, value, least, largest);
}

WindowAttributes window(const Attributes& attributes, std::size_t rank) {
  WindowAttributes w{attributes.get_ints("strides"), attributes.get_ints("dilations"),
                     attributes.get_ints("pads")};
  if (w.strides.size() != rank || w.dilations.size() != rank || w.pads.size() != 2 * rank)
    throw_user_error("'strides', 'dilations' and 'pads' must have {}, {} and {} entries", rank, rank,
                     2 * rank);
  require_between(w.strides, 1, "strides");
  require_between(w.dilations, 1, "dilations");
  require_between(w.pads, -largest, "pads");
  return w;
}

/// Places of a window of `kernel` elements along an axis of `extent`, which may be symbolic.
Dim output_extent(const Dim& extent, std::int64_t kernel, const WindowAttributes& w, std::size_t d,
                  bool ceil_mode) {
  const std::int64_t begin = w.pads[d], end = w.pads[w.strides.size() + d];
  const std::int64_t span = (kernel - 1) * w.dilations[d] + 1;
  const std::int64_t* known = ir::as_int(extent);
  if (known == nullptr && !ceil_mode) return ir::floor_div(extent + (begin + end - span), w.strides[d]) + 1;
  const std::int64_t own = to_ints({extent})[0], padded = own + begin + end;
  if (kernel < 1) throw_user_error("the window has {} elements along axis {}", kernel, d + 2);
  if (padded < span)
    throw_user_error("a window of {} does not fit into axis {} of extent {}", span, d + 2, padded);
  std::int64_t places = (padded - span) / w.strides[d] + 1;
  if (ceil_mode && (padded - span) % w.strides[d] != 0) {
    ++places;
    // A window that would begin in the padding behind the input is dropped.
    if ((places - 1) * w.strides[d] >= own + begin) --places;
  }
  return places;
}

void require_rank(const TensorType& type, std::string_view what, std::size_t least) {
  if (type.shape.size() < least)
    throw_user_error("{} {} has fewer than {} dimensions", what, to_string(type.shape), least);
}

bool is_byte(DType dtype) { return dtype == DType::i8 || dtype == DType::u8; }

/// Two factors of one product: equal dtypes, or bytes of any sign.
void require_factors(const TensorType& a, const TensorType& b, std::string_view b_name) {
  if (a.dtype == DType::boolean) throw_user_error("the operands are bool; products take numbers");
  if (a.dtype != b.dtype && !(is_byte(a.dtype) && is_byte(b.dtype)))
    throw_user_error("{} is {}, the first operand {}", b_name, ir::to_string(b.dtype),
                     ir::to_string(a.dtype));
}

/// Bytes are multiplied and summed in i32.
DType product_dtype(DType dtype) { return is_byte(dtype) ? DType::i32 : dtype; }

void require_bias(std::span<const TensorType> inputs, std::int64_t channels) {
  if (inputs.size() < 3) return;
  const TensorType& bias = inputs[2];
  if (bias.shape.size() != 1 || !ir::is_int(bias.shape[0], channels))
    throw_user_error("bias {} does not fit to {} output channels", to_string(bias.shape), channels);
  if (bias.dtype != product_dtype(inputs[0].dtype))
    throw_user_error("the bias is {}, the products {}", ir::to_string(bias.dtype),
                     ir::to_string(product_dtype(inputs[0].dtype)));
}

/// What conv and conv_transpose share: factors of one rank, a window, and groups that are no more than the
/// channels.
struct ConvOperands {
  std::size_t rank = 0;  // spatial axes
  WindowAttributes window;
  std::vector<std::int64_t> weight;
  std::int64_t channels = 0, groups = 1;

  [[noreturn]] void refuse(std::span<const TensorType> inputs) const {
    throw_user_error("input {}, weight {} and groups={} do not fit", to_string(inputs[0].shape),
                     to_string(inputs[1].shape), groups);
  }
};

ConvOperands conv_operands(std::span<const TensorType> inputs, const Attributes& attributes) {
  const TensorType &x = inputs[0], &w = inputs[1];
  require_rank(x, "input", 3);
  if (w.shape.size() != x.shape.size())
    throw_user_error("input {} and weight {} have different ranks", to_string(x.shape), to_string(w.shape));
  require_factors(x, w, "the weight");
  const std::size_t rank = x.shape.size() - 2;
  const ConvOperands o{rank, window(attributes, rank), to_ints(w.shape), to_ints({x.shape[1]})[0],
                       attributes.get_int("groups")};
  if (o.groups < 1 || o.groups > std::max<std::int64_t>(1, o.channels)) o.refuse(inputs);
  return o;
}

}  // namespace

Types infer_matmul(std::span<const TensorType> inputs, const Attributes&) {
  const TensorType& a = inputs[0];
  const TensorType& b = inputs[1];
  require_rank(a, "operand A", 1);
  require_rank(b, "operand B", 1);
  require_factors(a, b, "operand B");
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
  const ConvOperands o = conv_operands(inputs, attributes);
  if (o.channels != o.weight[1] * o.groups || o.weight[0] % o.groups != 0) o.refuse(inputs);
  require_bias(inputs, o.weight[0]);
  Shape shape{inputs[0].shape[0], Dim(o.weight[0])};
  for (std::size_t d = 0; d < o.rank; ++d)
    shape.push_back(output_extent(inputs[0].shape[2 + d], o.weight[2 + d], o.window, d, false));
  return {{product_dtype(inputs[0].dtype), shape}};
}

Types infer_conv_transpose(std::span<const TensorType> inputs, const Attributes& attributes) {
  const ConvOperands o = conv_operands(inputs, attributes);
  const std::vector<std::int64_t>& output_padding = attributes.get_ints("output_padding");
  if (output_padding.size() != o.rank)
    throw_user_error("'output_padding' has {} entries for {} spatial axes", output_padding.size(), o.rank);
  require_between(output_padding, 0, "output_padding");
  if (o.channels != o.weight[0] || o.channels % o.groups != 0) o.refuse(inputs);
  require_bias(inputs, o.weight[1] * o.groups);
  Shape shape{inputs[0].shape[0], Dim(o.weight[1] * o.groups)};
  for (std::size_t d = 0; d < o.rank; ++d) {
    const std::int64_t more = (o.weight[2 + d] - 1) * o.window.dilations[d] + 1 + output_padding[d] -
                              o.window.pads[d] - o.window.pads[o.rank + d];
    shape.push_back((inputs[0].shape[2 + d] - 1) * o.window.strides[d] + more);
    if (const auto* extent = ir::as_int(shape.back()); extent != nullptr && *extent < 0)
      throw_user_error("axis {} is cropped to {} by its pads", d + 2, *extent);
  }
  return {{product_dtype(inputs[0].dtype), shape}};
}

namespace {

/// The tile m of a Winograd transform of f32 or f64.
std::int64_t winograd_tile(const TensorType& x, std::size_t rank, const Attributes& attributes) {
  const std::int64_t tile = attributes.get_int("tile");
  if (tile != 2 && tile != 4) throw_user_error("tile={}; accepted: 2, 4", tile);
  if (x.dtype != DType::f32 && x.dtype != DType::f64)
    throw_user_error("Winograd transforms take f32 and f64, not {}", ir::to_string(x.dtype));
  if (x.shape.size() != rank)
    throw_user_error("operand {} must have {} dimensions", to_string(x.shape), rank);
  return tile;
}

}  // namespace

Types infer_winograd_input(std::span<const TensorType> inputs, const Attributes& attributes) {
  const TensorType& x = inputs[0];
  const std::int64_t tile = winograd_tile(x, 4, attributes), window = tile + 2;
  const auto& pads = attributes.get_ints("pads");
  if (pads.size() != 4) throw_user_error("'pads' must have 4 entries, not {}", pads.size());
  require_between(pads, 0, "pads");
  Shape shape{window, window, x.shape[0]};
  for (std::size_t d : {0, 1}) {
    const std::int64_t places = to_ints({x.shape[2 + d]})[0] + pads[d] + pads[2 + d] - 2;
    if (places < 1 || places % tile != 0)
      throw_user_error("axis {} has {} places for a window of 3; tiles of {} do not cover them", d + 2, places,
                       tile);
    shape.push_back(places / tile);
  }
  shape.push_back(x.shape[1]);
  return {{x.dtype, shape}};
}

Types infer_winograd_output(std::span<const TensorType> inputs, const Attributes& attributes) {
  const TensorType& x = inputs[0];
  const std::int64_t tile = winograd_tile(x, 6, attributes);
  for (std::size_t d : {0, 1})
    if (!ir::is_int(x.shape[d], tile + 2))
      throw_user_error("axis {} of {} must have extent {}", d, to_string(x.shape), tile + 2);
  return {{x.dtype, {x.shape[2], x.shape[5], x.shape[3] * tile, x.shape[4] * tile}}};
}

Types infer_pool(std::span<const TensorType> inputs, const Attributes& attributes) {
  const TensorType& x = inputs[0];
  require_rank(x, "input", 3);
  const std::size_t rank = x.shape.size() - 2;
  const auto& kernel = attributes.get_ints("kernel");
  if (kernel.size() != rank)
    throw_user_error("'kernel' has {} entries for {} spatial axes", kernel.size(), rank);
  require_between(kernel, 1, "kernel");
  const std::string& op = attributes.get_text("op");
  const bool with_indices = attributes.get_int_or("with_indices", 0) != 0;
  require_one_of(op, {"max", "average", "lp"}, "pooling");
  if (op != "max" && !ir::is_float(x.dtype))
    throw_user_error("{} pooling takes floats, not {}", op, ir::to_string(x.dtype));
  if (op != "max" && with_indices) throw_user_error("only max pooling gives indices");
  if (op == "lp" && attributes.get_int("p") < 1)
    throw_user_error("p={}; it must be at least 1", attributes.get_int("p"));
  const WindowAttributes window_attributes = window(attributes, rank);
  require_between(window_attributes.pads, 0, "pads");
  const bool ceil_mode = attributes.get_int_or("ceil_mode", 0) != 0;
  Shape shape{x.shape[0], x.shape[1]};
  for (std::size_t d = 0; d < rank; ++d)
    shape.push_back(output_extent(x.shape[2 + d], kernel[d], window_attributes, d, ceil_mode));
  Types types{{x.dtype, shape}};
  if (with_indices) types.push_back({DType::i64, shape});
  return types;
}

}  // namespace tunesmith::tracer
