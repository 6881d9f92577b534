// Reductions and arg-reductions.
#include "tracer/onnx/node.h"

namespace tunesmith::tracer {
namespace {

using Values = std::vector<ValueId>;
using Ints = std::vector<std::int64_t>;

template <std::size_t size>
struct Name {
  char text[size];
  constexpr Name(const char (&t)[size]) {  // NOLINT: implicit, for template arguments
    for (std::size_t i = 0; i < size; ++i) text[i] = t[i];
  }
};

/// `axes` is an attribute in older operator sets and an operand in newer ones.
template <Name op>
Values reduce(const Node& n) {
  Ints axes = n.has("axes") ? n.integers("axes") : n.has_input(1) ? n.constant_ints(1, "axes") : Ints{};
  if (axes.empty() && n.integer("noop_with_empty_axes", 0) != 0) {
    // Reducing over no axis: every element is a row of its own.
    if (std::string_view(op.text) == "sum" || std::string_view(op.text) == "mean" ||
        std::string_view(op.text) == "prod" || std::string_view(op.text) == "min" ||
        std::string_view(op.text) == "max")
      return {n.input(0)};
    Ints shape = n.dims(0);
    shape.push_back(1);
    return {ops::reduce(n.graph(), op.text, ops::reshape(n.graph(), n.input(0), shape), {-1}, false)};
  }
  Graph& g = n.graph();
  const bool keepdims = n.integer("keepdims", 1) != 0;
  if (n.type(0).dtype != DType::boolean) return {ops::reduce(g, op.text, n.input(0), axes, keepdims)};
  const ValueId numbers = ops::cast(g, n.input(0), DType::u8);
  return {ops::cast(g, ops::reduce(g, op.text, numbers, axes, keepdims), DType::boolean)};
}

Values arg_max(const Node& n) {
  return {ops::arg_max(n.graph(), n.input(0), n.integer("axis", 0), n.integer("keepdims", 1) != 0,
                       n.integer("select_last_index", 0) != 0)};
}

Values arg_min(const Node& n) {
  return {ops::arg_min(n.graph(), n.input(0), n.integer("axis", 0), n.integer("keepdims", 1) != 0,
                       n.integer("select_last_index", 0) != 0)};
}

constexpr std::string_view reduce_attributes = "axes<18 keepdims noop_with_empty_axes@18 #1@18";
constexpr Conversion table[] = {
    {"ArgMax", 1, "axis keepdims select_last_index@12", arg_max},
    {"ArgMin", 1, "axis keepdims select_last_index@12", arg_min},
    {"ReduceL1", 1, reduce_attributes, reduce<"l1">},
    {"ReduceL2", 1, reduce_attributes, reduce<"l2">},
    {"ReduceLogSum", 1, reduce_attributes, reduce<"log_sum">},
    {"ReduceLogSumExp", 1, reduce_attributes, reduce<"log_sum_exp">},
    {"ReduceMax", 1, reduce_attributes, reduce<"max">},
    {"ReduceMean", 1, reduce_attributes, reduce<"mean">},
    {"ReduceMin", 1, reduce_attributes, reduce<"min">},
    {"ReduceProd", 1, reduce_attributes, reduce<"prod">},
    {"ReduceSum", 1, "axes<13 keepdims noop_with_empty_axes@13 #1@13", reduce<"sum">},
    {"ReduceSumSquare", 1, reduce_attributes, reduce<"sum_square">},
};

}  // namespace

std::span<const Conversion> reduction_conversions() { return table; }

}  // namespace tunesmith::tracer
