#include "tools/cli/op_spec.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "ir/support/error.h"
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

class OpArguments {
 public:
  std::int64_t operator[](std::string_view key) const { return numbers_.find(key)->second; }
  std::map<std::string, std::int64_t, std::less<>> numbers_;
  DType dtype = DType::f32;
  std::vector<std::string> epilogue;
};

ValueId input(Graph& graph, std::string name, const OpArguments& a, std::vector<std::int64_t> shape) {
  return graph.add_input(std::move(name), {a.dtype, tracer::to_shape(shape)});
}

ValueId build_matmul(Graph& graph, const OpArguments& a) {
  const std::vector<std::int64_t> batch = a["b"] != 1 ? std::vector{a["b"]} : std::vector<std::int64_t>{};
  auto matrix = [&](const char* name, std::int64_t rows, std::int64_t columns, bool transposed) {
    std::vector<std::int64_t> shape = batch;
    shape.insert(shape.end(), {transposed ? columns : rows, transposed ? rows : columns});
    const ValueId value = input(graph, name, a, shape);
    return transposed ? ops::swap_axes(graph, value, -1, -2) : value;
  };
  const ValueId x = matrix("a", a["m"], a["k"], a["transpose_a"] != 0);
  return ops::matmul(graph, x, matrix("b", a["k"], a["n"], a["transpose_b"] != 0));
}

ValueId build_conv2d(Graph& graph, const OpArguments& a) {
  const ValueId x = input(graph, "x", a, {a["n"], a["c"], a["h"], a["w"]});
  const ValueId w = input(graph, "weight", a, {a["k"], a["c"] / std::max<std::int64_t>(1, a["groups"]), a["r"], a["s"]});
  const ops::ConvOptions options{.strides = {a["stride"], a["stride"]},
                                 .dilations = {a["dilation"], a["dilation"]},
                                 .pads = {a["pad"], a["pad"], a["pad"], a["pad"]},
                                 .groups = a["groups"],
                                 .output_padding = {}};
  return ops::conv(graph, x, w, std::nullopt, options);
}

ValueId build_softmax(Graph& graph, const OpArguments& a) {
  return ops::softmax(graph, input(graph, "x", a, {a["rows"], a["cols"]}));
}

ValueId build_layernorm(Graph& graph, const OpArguments& a) {
  const ValueId x = input(graph, "x", a, {a["rows"], a["cols"]});
  const ValueId scale = input(graph, "scale", a, {a["cols"]});
  return ops::layer_norm(graph, x, scale, input(graph, "bias", a, {a["cols"]}));
}

ValueId build_sum(Graph& graph, const OpArguments& a) {
  return ops::reduce(graph, "sum", input(graph, "x", a, {a["rows"], a["cols"]}), {a["axis"]});
}

ValueId build_transpose(Graph& graph, const OpArguments& a) {
  return ops::transpose(graph, input(graph, "x", a, {a["rows"], a["cols"]}), {1, 0});
}

ValueId build_gelu(Graph& graph, const OpArguments& a) { return ops::gelu(graph, input(graph, "x", a, {a["size"]})); }

ValueId build_add(Graph& graph, const OpArguments& a) {
  const ValueId x = input(graph, "x", a, {a["size"]});
  return ops::binary(graph, ir::BinaryOp::add, x, input(graph, "y", a, {a["size"]}));
}

ValueId build_attention(Graph& graph, const OpArguments& a) {
  const std::int64_t s_kv = a["s_kv"] == 0 ? a["s"] : a["s_kv"];
  const ValueId q = input(graph, "q", a, {a["b"], a["h"], a["s"], a["d"]});
  const ValueId k = input(graph, "k", a, {a["b"], a["h"], s_kv, a["d"]});
  const ValueId v = input(graph, "v", a, {a["b"], a["h"], s_kv, a["d"]});
  ops::AttentionOptions options;
  options.causal = a["causal"] != 0;
  return ops::attention(graph, q, k, v, options);
}

struct OpSpec {
  std::string_view name;
  std::vector<Key> keys;
  ValueId (*build)(Graph&, const OpArguments&);
  int channel_axis;  // that a bias epilogue runs along; -1: the last
};

const std::vector<OpSpec>& op_specs() {
  static const std::vector<OpSpec> specs = {
      {"matmul", {{"m", required}, {"n", required}, {"k", required}, {"b", 1}, {"transpose_a", 0}, {"transpose_b", 0}},
       build_matmul, -1},
      {"conv2d",
       {{"n", 1}, {"c", required}, {"h", required}, {"w", required}, {"k", required}, {"r", 1}, {"s", 1},
        {"stride", 1}, {"pad", 0}, {"dilation", 1}, {"groups", 1}},
       build_conv2d, 1},
      {"softmax", {{"rows", required}, {"cols", required}}, build_softmax, -1},
      {"layernorm", {{"rows", required}, {"cols", required}}, build_layernorm, -1},
      {"sum", {{"rows", required}, {"cols", required}, {"axis", 1}}, build_sum, -1},
      {"transpose", {{"rows", required}, {"cols", required}}, build_transpose, -1},
      {"gelu", {{"size", required}}, build_gelu, -1},
      {"add", {{"size", required}}, build_add, -1},
      {"attention",
       {{"b", 1}, {"h", required}, {"s", required}, {"d", required}, {"s_kv", 0}, {"causal", 0}}, build_attention, -1},
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
    keys.push_back(key.value == required ? fmt::format("{}=N", key.name) : fmt::format("[{}={}]", key.name, key.value));
  return fmt::format("{}:{},[dtype=f32],[epilogue=bias+relu]", spec.name, fmt::join(keys, ","));
}

std::int64_t parse_number(std::string_view op, std::string_view key, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0)
    throw_user_error("operator '{}': {}='{}' is not a whole number of at least 0", op, key, text);
  return value;
}

OpArguments parse_arguments(const OpSpec& spec, std::string_view text) {
  OpArguments arguments;
  for (const Key& key : spec.keys)
    if (key.value != required) arguments.numbers_.emplace(key.name, key.value);
  for (const std::string& part : split(text, ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos)
      throw_user_error("operator '{}': '{}' is not of the form key=value; accepted: {}", spec.name, part, describe(spec));
    const std::string key = part.substr(0, equals);
    const std::string value = part.substr(equals + 1);
    if (key == "dtype") {
      const auto dtype = ir::dtype_from_string(value);
      if (!dtype) throw_user_error("operator '{}': unknown dtype '{}'", spec.name, value);
      arguments.dtype = *dtype;
    } else if (key == "epilogue") {
      arguments.epilogue = split(value, '+');
    } else if (std::ranges::any_of(spec.keys, [&](const Key& k) { return k.name == key; })) {
      arguments.numbers_[key] = parse_number(spec.name, key, value);
    } else {
      throw_user_error("operator '{}' has no key '{}'; accepted: {}", spec.name, key, describe(spec));
    }
  }
  for (const Key& key : spec.keys)
    if (!arguments.numbers_.contains(key.name))
      throw_user_error("operator '{}' needs {}=N; accepted: {}", spec.name, key.name, describe(spec));
  return arguments;
}

ValueId add_epilogue(Graph& graph, const OpSpec& spec, const OpArguments& arguments, ValueId value) {
  for (const std::string& name : arguments.epilogue) {
    const tracer::Shape shape = graph.type(value).shape;
    if (name == "bias") {
      const std::size_t axis = spec.channel_axis < 0 ? shape.size() - 1 : static_cast<std::size_t>(spec.channel_axis);
      tracer::Shape bias_shape(shape.size() - axis, tracer::Dim(1));
      bias_shape[0] = shape[axis];
      const ValueId bias = graph.add_input("bias", {arguments.dtype, bias_shape});
      value = ops::binary(graph, ir::BinaryOp::add, value, bias);
    } else if (name == "add") {
      const ValueId other = graph.add_input("residual", {arguments.dtype, shape});
      value = ops::binary(graph, ir::BinaryOp::add, value, other);
    } else if (name == "relu") {
      value = ops::relu(graph, value);
    } else if (name == "gelu") {
      value = ops::gelu(graph, value);
    } else if (name == "silu") {
      value = ops::silu(graph, value);
    } else if (name == "sigmoid" || name == "tanh") {
      value = ops::unary(graph, name == "tanh" ? ir::UnaryOp::tanh : ir::UnaryOp::sigmoid, value);
    } else {
      throw_user_error("operator '{}': unknown epilogue '{}'; accepted: bias, add, relu, gelu, silu, sigmoid, tanh",
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

Graph parse_op_spec(std::string_view text) {
  const std::string_view name = text.substr(0, text.find(':'));
  const auto spec = std::ranges::find_if(op_specs(), [&](const OpSpec& s) { return s.name == name; });
  if (spec == op_specs().end()) {
    std::vector<std::string_view> names;
    for (const OpSpec& s : op_specs()) names.push_back(s.name);
    throw_user_error("unknown operator '{}'; accepted: {}", name, fmt::join(names, ", "));
  }
  const std::size_t colon = text.find(':');
  const OpArguments arguments = parse_arguments(*spec, colon == std::string_view::npos ? "" : text.substr(colon + 1));
  Graph graph;
  const ValueId value = spec->build(graph, arguments);
  graph.add_output("y", add_epilogue(graph, *spec, arguments, value));
  return graph;
}

std::string op_spec_help() {
  std::string text;
  for (const OpSpec& spec : op_specs()) text += "  " + describe(spec) + "\n";
  return text;
}

}  // namespace tunesmith::tools
