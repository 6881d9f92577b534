// Attention with caches and masks, rotary embeddings, and the operators that keep a cache or a state.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tracer/composites.h"
#include "tracer/onnx/node.h"

namespace tunesmith::tracer {
namespace {

using ir::BinaryOp;
using Values = std::vector<ValueId>;
using Ints = std::vector<std::int64_t>;

constexpr double never = -std::numeric_limits<double>::infinity();

/// [B, T, heads * D] as [B, heads, T, D]; four dimensions stay as they are.
ValueId with_heads(const Node& n, ValueId x, std::string_view attribute) {
  const Ints dims = to_ints(n.graph().type(x).shape);
  if (dims.size() == 4) return x;
  if (dims.size() != 3) n.refuse("an operand has {} dimensions; accepted: 3, 4", dims.size());
  const std::int64_t heads = n.required_integer(attribute);
  if (heads <= 0 || dims[2] % heads != 0)
    n.refuse("attribute '{}' is {}, which does not divide {}", attribute, heads, dims[2]);
  return ops::transpose(n.graph(), ops::reshape(n.graph(), x, {dims[0], dims[1], heads, dims[2] / heads}),
                        {0, 2, 1, 3});
}

/// The way back.
ValueId without_heads(Graph& g, ValueId x) {
  const Ints dims = to_ints(g.type(x).shape);
  return ops::reshape(g, ops::transpose(g, x, {0, 2, 1, 3}), {dims[0], dims[2], dims[1] * dims[3]});
}

/// What is added to the scores: 0 where a query may look at a key. Absent when every query sees every key.
class Bias {
 public:
  Bias(Graph& graph, DType dtype, std::int64_t queries, std::int64_t keys)
      : g_(graph), dtype_(dtype), queries_(queries), keys_(keys) {}

  /// The mask operand; keys past its end are masked.
  void add_mask(ValueId mask) {
    ValueId bias =
        g_.type(mask).dtype == DType::boolean ? allowed_to_bias(mask) : ops::cast(g_, mask, dtype_);
    const Ints dims = to_ints(g_.type(bias).shape);
    if (!dims.empty() && dims.back() != 1 && dims.back() < keys_) {
      Ints pads(2 * dims.size(), 0);
      pads.back() = keys_ - dims.back();
      bias = ops::pad(g_, bias, pads, "constant", never);
    }
    add(bias);
  }

  /// Query i sits at place i + offset; it sees the keys from `left` before that to `right` after it, where a
  /// bound below 0 is none.
  void add_window(ValueId offset, std::int64_t left, std::int64_t right) {
    const ValueId place = ops::binary(g_, BinaryOp::add, ops::iota(g_, DType::i64, {queries_, 1}, 0), offset);
    const ValueId key = ops::iota(g_, DType::i64, {1, keys_}, 1);
    auto shifted = [&](std::int64_t by) {
      return ops::binary(g_, BinaryOp::add, place, ops::scalar(g_, DType::i64, static_cast<double>(by)));
    };
    if (right >= 0) add(allowed_to_bias(ops::binary(g_, BinaryOp::le, key, shifted(right))));
    if (left >= 0) add(allowed_to_bias(ops::binary(g_, BinaryOp::ge, key, shifted(-left))));
  }

  /// Keys from `counts` (one a batch, [B, 1, 1, 1]) on are padding.
  void add_padding(ValueId counts) {
    add(allowed_to_bias(ops::binary(g_, BinaryOp::lt, ops::iota(g_, DType::i64, {1, keys_}, 1), counts)));
  }

  std::optional<ValueId> value() const { return value_; }

 private:
  ValueId allowed_to_bias(ValueId allowed) {
    return ops::where(g_, allowed, ops::scalar(g_, dtype_, 0), ops::scalar(g_, dtype_, never));
  }
  void add(ValueId bias) { value_ = value_ ? ops::binary(g_, BinaryOp::add, *value_, bias) : bias; }

  Graph& g_;
  DType dtype_;
  std::int64_t queries_, keys_;
  std::optional<ValueId> value_;
};

struct AttentionParts {
  ValueId q, k, v;  // [B, heads, places, elements]
  DType dtype, wide;
  double scale, softcap;
  std::optional<ValueId> bias;
};

/// The mask, causal and padding operands and attributes as one bias.
std::optional<ValueId> bias_of(const Node& n, const AttentionParts& parts, std::int64_t past) {
  Graph& g = n.graph();
  const Ints q = to_ints(g.type(parts.q).shape), k = to_ints(g.type(parts.k).shape);
  Bias bias(g, parts.wide, q[2], k[2]);
  if (n.has_input(3)) bias.add_mask(n.input(3));
  ValueId offset = ops::scalar(g, DType::i64, static_cast<double>(past));
  std::optional<ValueId> counts;
  if (n.has_input(6)) {
    counts = ops::reshape(g, ops::cast(g, n.input(6), DType::i64), {q[0], 1, 1, 1});
    offset = ops::binary(g, BinaryOp::sub, *counts, ops::scalar(g, DType::i64, static_cast<double>(q[2])));
  }
  if (n.integer("is_causal", 0) != 0) bias.add_window(offset, -1, 0);
  bias.add_window(offset, n.integer("left_window_size", -1), n.integer("right_window_size", -1));
  if (counts) bias.add_padding(*counts);
  return bias.value();
}

/// Zeros in place of the rows of `x` for which every key is masked (their softmax is 0 / 0).
ValueId without_masked_rows(Graph& g, ValueId x, const AttentionParts& parts) {
  if (!parts.bias) return x;
  const ValueId best = ops::reduce(g, "max", *parts.bias, {-1}, true);
  const ValueId seen = ops::binary(g, BinaryOp::gt, best, ops::scalar(g, parts.wide, never));
  return ops::where(g, seen, x, ops::scalar_like(g, x, 0));
}

/// The scores as the model asks for them: 0 raw, 1 after softcap, 2 after the bias, 3 after softmax.
ValueId scores_of(const Node& n, const AttentionParts& parts) {
  Graph& g = n.graph();
  const std::int64_t mode = n.integer("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3) n.refuse("attribute 'qk_matmul_output_mode' is {}; accepted: 0 to 3", mode);
  const Ints q = to_ints(g.type(parts.q).shape), k = to_ints(g.type(parts.k).shape);
  auto wide = [&](ValueId x, const Ints& dims) {
    return ops::cast(g, ops::reshape(g, x, {dims[0], k[1], dims[1] / k[1], dims[2], dims[3]}), parts.wide);
  };
  ValueId scores = ops::matmul(g, wide(parts.q, q), ops::swap_axes(g, wide(parts.k, k), -2, -1));
  scores = ops::reshape(g, scores, {q[0], q[1], q[2], k[2]});
  scores = ops::binary(g, BinaryOp::mul, scores, ops::scalar(g, parts.wide, parts.scale));
  if (mode >= 1 && parts.softcap > 0) {
    const ValueId cap = ops::scalar(g, parts.wide, parts.softcap);
    scores = ops::binary(g, BinaryOp::mul,
                         ops::unary(g, ir::UnaryOp::tanh, ops::binary(g, BinaryOp::div, scores, cap)), cap);
  }
  if (mode >= 2 && parts.bias) scores = ops::binary(g, BinaryOp::add, scores, *parts.bias);
  if (mode == 3) scores = without_masked_rows(g, ops::softmax(g, scores, -1), parts);
  return ops::cast(g, scores, parts.dtype);
}

Values attention(const Node& n) {
  Graph& g = n.graph();
  AttentionParts parts{};
  parts.q = with_heads(n, n.input(0), "q_num_heads");
  parts.k = with_heads(n, n.input(1), "kv_num_heads");
  parts.v = with_heads(n, n.input(2), "kv_num_heads");
  if (n.has_input(4) != n.has_input(5)) n.refuse("past_key and past_value must be given together");
  std::int64_t past = 0;
  if (n.has_input(4)) {
    past = n.dims(4).at(2);
    parts.k = ops::concat(g, {n.input(4), parts.k}, 2);
    parts.v = ops::concat(g, {n.input(5), parts.v}, 2);
  }
  const Ints q = to_ints(g.type(parts.q).shape), k = to_ints(g.type(parts.k).shape);
  if (k[1] <= 0 || q[1] % k[1] != 0) n.refuse("{} heads of K do not divide {} heads of Q", k[1], q[1]);
  parts.dtype = g.type(parts.q).dtype;
  parts.wide = parts.dtype == DType::f64 ? DType::f64 : n.computing_dtype("softmax_precision");
  parts.scale = n.real("scale", 1 / std::sqrt(static_cast<double>(q[3])));
  parts.softcap = n.real("softcap", 0);

  ops::AttentionOptions options;
  options.scale = parts.scale;
  options.softcap = parts.softcap;
  // A causal limit alone masks no whole row and is told as such.
  const bool only_causal = n.integer("is_causal", 0) != 0 && !n.has_input(3) && !n.has_input(6) &&
                           n.integer("left_window_size", -1) < 0 && n.integer("right_window_size", -1) < 0;
  options.causal = only_causal;
  options.causal_offset = past;
  parts.bias = bias_of(n, parts, past);
  if (!only_causal) options.mask = parts.bias;
  auto wide = [&](ValueId x) { return parts.wide == DType::f64 ? ops::cast(g, x, parts.wide) : x; };
  ValueId y = ops::attention(g, wide(parts.q), wide(parts.k), wide(parts.v), options);
  y = ops::cast(g, y, parts.dtype);
  if (!only_causal) y = without_masked_rows(g, y, parts);
  if (n.rank(0) == 3) y = without_heads(g, y);
  Values out{y, parts.k, parts.v};
  if (n.output_count() > 3) out.push_back(scores_of(n, parts));
  return out;
}

/// Rotates pairs of elements by angles given as cosines and sines: halves of a head, or neighbours where
/// `interleaved`; elements past rotary_embedding_dim stay.
Values rotary_embedding(const Node& n) {
  Graph& g = n.graph();
  const ValueId x = with_heads(n, n.input(0), "num_heads");
  const Ints dims = to_ints(g.type(x).shape);  // [B, heads, T, D]
  const std::int64_t given = n.integer("rotary_embedding_dim", 0), rotated = given == 0 ? dims[3] : given;
  if (rotated < 0 || rotated % 2 != 0 || rotated > dims[3])
    n.refuse("attribute 'rotary_embedding_dim' is {}; accepted: even, up to {}", rotated, dims[3]);
  auto angles = [&](std::size_t i) {  // [B, 1, T, rotated / 2]
    const ValueId cache = n.has_input(3) ? ops::gather(g, n.input(i), n.input(3), 0) : n.input(i);
    return ops::reshape(g, cache, {-1, 1, dims[2], rotated / 2});
  };
  const ValueId cosine = angles(1), sine = angles(2);
  const bool interleaved = n.integer("interleaved", 0) != 0;
  auto part = [&](std::int64_t i) {
    const std::int64_t start = interleaved ? i : i * (rotated / 2);
    return ops::slice(g, x, {0, 0, 0, start}, {dims[0], dims[1], dims[2], rotated / 2},
                      {1, 1, 1, interleaved ? 2 : 1});
  };
  const ValueId a = part(0), b = part(1);
  auto product = [&](ValueId p, ValueId q) { return ops::binary(g, BinaryOp::mul, p, q); };
  Values turned{ops::binary(g, BinaryOp::sub, product(cosine, a), product(sine, b)),
                ops::binary(g, BinaryOp::add, product(sine, a), product(cosine, b))};
  if (interleaved)
    for (ValueId& value : turned) value = ops::unsqueeze(g, value, {-1});
  ValueId y = ops::reshape(g, ops::concat(g, turned, -1), {dims[0], dims[1], dims[2], rotated});
  if (rotated < dims[3]) y = ops::concat(g, {y, ops::slice_axis(g, x, 3, rotated, dims[3])}, 3);
  return {n.rank(0) == 3 ? without_heads(g, y) : y};
}

/// A depthwise convolution over the past k - 1 elements and the new ones; the last k - 1 are the next past.
Values causal_conv_with_state(const Node& n) {
  Graph& g = n.graph();
  const Ints x = n.dims(0), w = n.dims(1);
  if (x.size() != 3 || w.size() != 3) n.refuse("operands 0 and 1 must have 3 dimensions");
  const std::int64_t past = w[2] - 1;
  const ValueId zeros = ops::expand(g, ops::scalar_like(g, n.input(0), 0), {x[0], x[1], past});
  const ValueId whole = ops::concat(g, {n.optional_input(3).value_or(zeros), n.input(0)}, 2);
  ops::ConvOptions options;
  options.groups = x[1];
  ValueId y = ops::conv(g, whole, n.input(1), n.optional_input(2), options);
  const std::string activation = n.text("activation", "none");
  if (activation == "silu" || activation == "swish")
    y = ops::silu(g, y);
  else if (activation != "none")
    n.refuse("attribute 'activation' is '{}'; accepted: none, silu, swish", activation);
  return {y, ops::slice_axis(g, whole, 2, x[2], x[2] + past)};
}

/// Writes `update` into the cache along `axis`, from each batch's place on; `circular` wraps at the end.
Values tensor_scatter(const Node& n) {
  Graph& g = n.graph();
  const Ints cache = n.dims(0), update = n.dims(1);
  const auto rank = static_cast<std::int64_t>(cache.size());
  const std::int64_t given = n.integer("axis", -2), axis = given < 0 ? given + rank : given;
  if (axis < 1 || axis >= rank || update.size() != cache.size())
    n.refuse("attribute 'axis' is {}, or the operands' dimensions differ; accepted: 1 to {}", given,
             rank - 1);
  const std::string mode = n.text("mode", "linear");
  if (mode != "linear" && mode != "circular")
    n.refuse("attribute 'mode' is '{}'; accepted: linear, circular", mode);
  ValueId places = ops::iota(g, DType::i64, update, axis);
  if (n.has_input(2)) {
    Ints shape(cache.size(), 1);
    shape[0] = cache[0];
    const ValueId first = ops::reshape(g, ops::cast(g, n.input(2), DType::i64), shape);
    places = ops::binary(g, BinaryOp::add, places, first);
  }
  if (mode == "circular")
    places =
        ops::binary(g, BinaryOp::floor_mod, places,
                    ops::scalar(g, DType::i64, static_cast<double>(cache[static_cast<std::size_t>(axis)])));
  return {ops::scatter_elements(g, n.input(0), places, n.input(1), axis)};
}

constexpr Conversion table[] = {
    {"Attention", 23,
     "is_causal kv_num_heads left_window_size@25 q_num_heads qk_matmul_output_mode right_window_size@25 "
     "scale softcap softmax_precision",
     attention},
    {"CausalConvWithState", 27, "activation", causal_conv_with_state},
    {"RotaryEmbedding", 23, "interleaved num_heads rotary_embedding_dim", rotary_embedding},
    {"TensorScatter", 24, "axis mode", tensor_scatter},
};

}  // namespace

std::span<const Conversion> attention_conversions() { return table; }

}  // namespace tunesmith::tracer
