#include "tools/cli/op_spec.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>

#include "ir/support/error.h"
#include "ir/support/rng.h"
#include "tools/cli/random_data.h"
#include "tracer/composites.h"

namespace tunesmith::tools {
namespace {

using tracer::DType;
using tracer::Graph;
using tracer::ValueId;
namespace ops = tracer::ops;

constexpr std::int64_t required = -1;

struct Key {
  std::string_view name;
  std::int64_t value;  // default, or `required`
};

/// Builds the graph of an operator text; each operand is made under its name.
class OpBuilder {
 public:
  explicit OpBuilder(OpText text) { result.text = std::move(text); }

  std::int64_t operator[](std::string_view key) const { return result.text[key]; }
  ValueId input(const std::string& name, const std::vector<std::int64_t>& shape) {
    return keep(name, graph().add_input(name, {result.text.dtype, tracer::to_shape(shape)}));
  }
  /// A constant where the text has constant=1.
  ValueId weight(const std::string& name, const std::vector<std::int64_t>& shape) {
    const auto constant = result.text.numbers.find("constant");
    if (constant == result.text.numbers.end() || constant->second == 0) return input(name, shape);
    Rng rng(2 + result.operands.size());
    return keep(name,
                graph().add_constant(random_tensor({result.text.dtype, tracer::to_shape(shape)}, rng), name));
  }
  Graph& graph() { return result.graph; }

  OpGraph result;

 private:
  ValueId keep(const std::string& name, ValueId value) {
    result.operands.emplace_back(name, value);
    return value;
  }
};

ValueId build_matmul(OpBuilder& b) {
  const std::vector<std::int64_t> batch = b["b"] != 1 ? std::vector{b["b"]} : std::vector<std::int64_t>{};
  auto shape = [&](std::int64_t rows, std::int64_t columns, bool transposed) {
    std::vector<std::int64_t> shape = batch;
    shape.insert(shape.end(), {transposed ? columns : rows, transposed ? rows : columns});
    return shape;
  };
  const bool transpose_a = b["transpose_a"] != 0, transpose_b = b["transpose_b"] != 0;
  ValueId x = b.input("a", shape(b["m"], b["k"], transpose_a));
  ValueId y = b.weight("b", shape(b["k"], b["n"], transpose_b));
  if (transpose_a) x = ops::swap_axes(b.graph(), x, -1, -2);
  if (transpose_b) y = ops::swap_axes(b.graph(), y, -1, -2);
  return ops::matmul(b.graph(), x, y);
}

/// NHWC activations stand between two transposes, which fusion turns into layouts of the operator's own
/// kernel.
ValueId to_nchw(OpBuilder& b, ValueId x) {
  return b["nhwc"] != 0 ? ops::transpose(b.graph(), x, {0, 3, 1, 2}) : x;
}
ValueId from_nchw(OpBuilder& b, ValueId x) {
  return b["nhwc"] != 0 ? ops::transpose(b.graph(), x, {0, 2, 3, 1}) : x;
}
ValueId image(OpBuilder& b, const std::string& name, std::int64_t n, std::int64_t c, std::int64_t h,
              std::int64_t w) {
  return to_nchw(b, b.input(name, b["nhwc"] != 0 ? std::vector{n, h, w, c} : std::vector{n, c, h, w}));
}

ValueId build_conv2d(OpBuilder& b) {
  const ValueId x = image(b, "x", b["n"], b["c"], b["h"], b["w"]);
  const ValueId w =
      b.weight("weight", {b["k"], b["c"] / std::max<std::int64_t>(1, b["groups"]), b["r"], b["s"]});
  const ops::ConvOptions options{.strides = {b["stride"], b["stride"]},
                                 .dilations = {b["dilation"], b["dilation"]},
                                 .pads = {b["pad"], b["pad"], b["pad"], b["pad"]},
                                 .groups = b["groups"],
                                 .output_padding = {}};
  return ops::conv(b.graph(), x, w, std::nullopt, options);
}

/// MobileNetV2's block (Sandler et al. 2018): expand, depthwise 3x3, project; the input is added where it
/// fits.
ValueId build_inverted_residual(OpBuilder& b) {
  Graph& g = b.graph();
  const std::int64_t c = b["c"], k = b["k"] == 0 ? c : b["k"], wide = c * b["expand"];
  const ValueId x = image(b, "x", b["n"], c, b["h"], b["w"]);
  const ops::ConvOptions depthwise{.strides = {b["stride"], b["stride"]},
                                   .dilations = {},
                                   .pads = {1, 1, 1, 1},
                                   .groups = wide,
                                   .output_padding = {}};
  ValueId y = ops::conv(g, x, b.weight("expand_weight", {wide, c, 1, 1}), b.weight("expand_bias", {wide}));
  y = ops::clip(g, y, 0, 6);
  y = ops::conv(g, y, b.weight("depthwise_weight", {wide, 1, 3, 3}), b.weight("depthwise_bias", {wide}),
                depthwise);
  y = ops::clip(g, y, 0, 6);
  y = ops::conv(g, y, b.weight("project_weight", {k, wide, 1, 1}), b.weight("project_bias", {k}));
  if (k == c && b["stride"] == 1) y = ops::binary(g, ir::BinaryOp::add, y, x);
  return y;
}

ValueId rows_input(OpBuilder& b, const std::string& name) { return b.input(name, {b["rows"], b["cols"]}); }

ValueId build_softmax(OpBuilder& b) { return ops::softmax(b.graph(), rows_input(b, "x")); }

ValueId build_layernorm(OpBuilder& b) {
  const ValueId x = rows_input(b, "x");
  const ValueId scale = b.weight("scale", {b["cols"]});
  return ops::layer_norm(b.graph(), x, scale, b.weight("bias", {b["cols"]}));
}

ValueId build_addnorm(OpBuilder& b) {
  const ValueId x = rows_input(b, "x");
  const ValueId sum = ops::binary(b.graph(), ir::BinaryOp::add, x, rows_input(b, "y"));
  const ValueId scale = b.weight("scale", {b["cols"]});
  return ops::layer_norm(b.graph(), sum, scale, b.weight("bias", {b["cols"]}));
}

ValueId build_rmsnorm(OpBuilder& b) {
  const ValueId x = rows_input(b, "x");
  return ops::rms_norm(b.graph(), x, b.weight("scale", {b["cols"]}));
}

ValueId build_swiglu(OpBuilder& b) {
  const ValueId gate = ops::silu(b.graph(), rows_input(b, "gate"));
  return ops::binary(b.graph(), ir::BinaryOp::mul, gate, rows_input(b, "x"));
}

ValueId build_sum(OpBuilder& b) { return ops::reduce(b.graph(), "sum", rows_input(b, "x"), {b["axis"]}); }

ValueId build_transpose(OpBuilder& b) { return ops::transpose(b.graph(), rows_input(b, "x"), {1, 0}); }

ValueId build_gelu(OpBuilder& b) { return ops::gelu(b.graph(), b.input("x", {b["size"]})); }

ValueId build_add(OpBuilder& b) {
  const ValueId x = b.input("x", {b["size"]});
  return ops::binary(b.graph(), ir::BinaryOp::add, x, b.input("y", {b["size"]}));
}

/// relu((x + y) * z - x) * y: five operators over three tensors.
ValueId build_chain(OpBuilder& b) {
  Graph& g = b.graph();
  const ValueId x = b.input("x", {b["size"]}), y = b.input("y", {b["size"]}), z = b.input("z", {b["size"]});
  const ValueId product = ops::binary(g, ir::BinaryOp::mul, ops::binary(g, ir::BinaryOp::add, x, y), z);
  const ValueId positive = ops::relu(g, ops::binary(g, ir::BinaryOp::sub, product, x));
  return ops::binary(g, ir::BinaryOp::mul, positive, y);
}

ValueId build_attention(OpBuilder& b) {
  const std::int64_t s_kv = b["s_kv"] == 0 ? b["s"] : b["s_kv"];
  const ValueId q = b.input("q", {b["b"], b["h"], b["s"], b["d"]});
  const ValueId k = b.input("k", {b["b"], b["h"], s_kv, b["d"]});
  const ValueId v = b.input("v", {b["b"], b["h"], s_kv, b["d"]});
  ops::AttentionOptions options;
  options.causal = b["causal"] != 0;
  return ops::attention(b.graph(), q, k, v, options);
}

struct OpSpec {
  std::string_view name;
  std::vector<Key> keys;
  ValueId (*build)(OpBuilder&);
  int channel_axis;  // that a bias epilogue runs along; -1: the last
};

const std::vector<OpSpec>& op_specs() {
  static const std::vector<Key> rows = {{"rows", required}, {"cols", required}};
  static const std::vector<OpSpec> specs = {
      {"matmul",
       {{"m", required},
        {"n", required},
        {"k", required},
        {"b", 1},
        {"transpose_a", 0},
        {"transpose_b", 0},
        {"constant", 0}},
       build_matmul,
       -1},
      {"conv2d",
       {{"n", 1},
        {"c", required},
        {"h", required},
        {"w", required},
        {"k", required},
        {"r", 1},
        {"s", 1},
        {"stride", 1},
        {"pad", 0},
        {"dilation", 1},
        {"groups", 1},
        {"nhwc", 0},
        {"constant", 0}},
       build_conv2d,
       1},
      {"inverted_residual",
       {{"n", 1},
        {"c", required},
        {"h", required},
        {"w", required},
        {"k", 0},
        {"expand", 6},
        {"stride", 1},
        {"nhwc", 0},
        {"constant", 0}},
       build_inverted_residual,
       1},
      {"softmax", rows, build_softmax, -1},
      {"layernorm", rows, build_layernorm, -1},
      {"addnorm", rows, build_addnorm, -1},
      {"rmsnorm", rows, build_rmsnorm, -1},
      {"swiglu", rows, build_swiglu, -1},
      {"sum", {{"rows", required}, {"cols", required}, {"axis", 1}}, build_sum, -1},
      {"transpose", rows, build_transpose, -1},
      {"gelu", {{"size", required}}, build_gelu, -1},
      {"add", {{"size", required}}, build_add, -1},
      {"chain", {{"size", required}}, build_chain, -1},
      {"attention",
       {{"b", 1}, {"h", required}, {"s", required}, {"d", required}, {"s_kv", 0}, {"causal", 0}},
       build_attention,
       -1},
  };
  return specs;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string describe(const OpSpec& spec) {
  std::vector<std::string> keys;
  for (const Key& key : spec.keys)
    keys.push_back(key.value == required ? fmt::format("{}=N", key.name)
                                         : fmt::format("[{}={}]", key.name, key.value));
  return fmt::format("{}:{},[dtype=f32],[epilogue=bias+relu]", spec.name, fmt::join(keys, ","));
}

std::int64_t parse_number(std::string_view op, std::string_view key, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0)
    throw_user_error("operator '{}': {}='{}' is not a whole number of at least 0", op, key, text);
  return value;
}

OpText parse_arguments(const OpSpec& spec, std::string_view text) {
  OpText arguments;
  arguments.name = spec.name;
  for (const Key& key : spec.keys)
    if (key.value != required) arguments.numbers.emplace(key.name, key.value);
  std::set<std::string> seen;
  for (const std::string& part : split(text, ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos)
      throw_user_error("operator '{}': '{}' is not of the form key=value; accepted: {}", spec.name, part,
                       describe(spec));
    const std::string key = part.substr(0, equals);
    const std::string value = part.substr(equals + 1);
    if (!seen.insert(key).second) throw_user_error("operator '{}': {} is given twice", spec.name, key);
    if (key == "dtype") {
      const auto dtype = ir::dtype_from_string(value);
      if (!dtype) throw_user_error("operator '{}': unknown dtype '{}'", spec.name, value);
      arguments.dtype = *dtype;
    } else if (key == "epilogue") {
      arguments.epilogue = split(value, '+');
    } else if (std::ranges::any_of(spec.keys, [&](const Key& k) { return k.name == key; })) {
      arguments.numbers[key] = parse_number(spec.name, key, value);
    } else {
      throw_user_error("operator '{}' has no key '{}'; accepted: {}", spec.name, key, describe(spec));
    }
  }
  for (const Key& key : spec.keys)
    if (!arguments.numbers.contains(key.name))
      throw_user_error("operator '{}' needs {}=N; accepted: {}", spec.name, key.name, describe(spec));
  return arguments;
}

ValueId add_epilogue(OpBuilder& b, const OpSpec& spec, ValueId value) {
  Graph& graph = b.graph();
  for (const std::string& name : b.result.text.epilogue) {
    const std::vector<std::int64_t> shape = tracer::to_ints(graph.type(value).shape);
    if (name == "bias") {
      const std::size_t axis =
          spec.channel_axis < 0 ? shape.size() - 1 : static_cast<std::size_t>(spec.channel_axis);
      std::vector<std::int64_t> bias_shape(shape.size() - axis, 1);
      bias_shape[0] = shape[axis];
      value = ops::binary(graph, ir::BinaryOp::add, value, b.weight("bias", bias_shape));
    } else if (name == "add") {
      const ValueId residual = spec.channel_axis == 1
                                   ? image(b, "residual", shape[0], shape[1], shape[2], shape[3])
                                   : b.input("residual", shape);
      value = ops::binary(graph, ir::BinaryOp::add, value, residual);
    } else if (name == "relu") {
      value = ops::relu(graph, value);
    } else if (name == "gelu") {
      value = ops::gelu(graph, value);
    } else if (name == "silu") {
      value = ops::silu(graph, value);
    } else if (name == "sigmoid" || name == "tanh") {
      value = ops::unary(graph, name == "tanh" ? ir::UnaryOp::tanh : ir::UnaryOp::sigmoid, value);
    } else {
      throw_user_error(
          "operator '{}': unknown epilogue '{}'; accepted: bias, add, relu, gelu, silu, sigmoid, tanh",
          spec.name, name);
    }
  }
  return value;
}

}  // namespace

bool is_op_spec(std::string_view text) {
  const std::string_view name = text.substr(0, text.find(':'));
  return text.find(':') != std::string_view::npos &&
         std::ranges::any_of(op_specs(), [&](const OpSpec& spec) { return spec.name == name; });
}

OpGraph parse_op_spec(std::string_view text) {
  const std::string_view name = text.substr(0, text.find(':'));
  const auto spec = std::ranges::find_if(op_specs(), [&](const OpSpec& s) { return s.name == name; });
  if (spec == op_specs().end()) {
    std::vector<std::string_view> names;
    for (const OpSpec& s : op_specs()) names.push_back(s.name);
    throw_user_error("unknown operator '{}'; accepted: {}", name, fmt::join(names, ", "));
  }
  const std::size_t colon = text.find(':');
  OpBuilder builder(parse_arguments(*spec, colon == std::string_view::npos ? "" : text.substr(colon + 1)));
  ValueId value = add_epilogue(builder, *spec, spec->build(builder));
  if (spec->channel_axis == 1) value = from_nchw(builder, value);
  builder.graph().add_output("y", value);
  return std::move(builder.result);
}

std::string op_spec_help() {
  std::string text;
  for (const OpSpec& spec : op_specs()) text += "  " + describe(spec) + "\n";
  return text;
}

}  // namespace tunesmith::tools
