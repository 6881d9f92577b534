#include "tracer/passes/op_traits.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "tracer/ops/lower_util.h"

namespace tunesmith::tracer {

namespace {

bool has_no_elements(const TensorType& type) {
  return std::ranges::any_of(type.shape, [](const Dim& dim) { return ir::is_int(dim, 0); });
}

/// Floats of a byte or less and integers of less than a byte: generated code holds none of them.
bool is_narrow(const TensorType& type) {
  const int bits = ir::bit_width(type.dtype);
  return bits < 8 ? type.dtype != DType::boolean : bits == 8 && ir::is_float(type.dtype);
}

/// Without a lowering: resize filters as wide as the scale and places given by a region, and casts that
/// overflow to infinity where the IR's cast stops at the largest 8-bit float.
bool has_index_form(const Op& op) {
  if (op.kind == OpKind::cast)
    return ir::bit_width(op.outputs[0].dtype) > 8 || !ir::is_float(op.outputs[0].dtype) ||
           op.attributes.get_int_or("saturate", 1) != 0;
  if (op.kind != OpKind::resize) return true;
  return op.attributes.get_int_or("antialias", 0) == 0 &&
         op.attributes.get_text("coordinates") != "tf_crop_and_resize";
}

bool is_one_of(std::string_view text, std::span<const std::string_view> list) {
  return std::ranges::find(list, text) != list.end();
}

constexpr std::array<std::string_view, 12> cheap_unary{"neg",        "abs",     "sign",        "floor",
                                                       "ceil",       "trunc",   "is_nan",      "is_inf",
                                                       "round_even", "bit_not", "logical_not", "reciprocal"};
constexpr std::array<std::string_view, 6> slow_binary{"div", "mod", "floor_div", "floor_mod", "pow", "atan2"};

constexpr int division_cost = 8;
constexpr int function_cost = 16;

}  // namespace

FusionKind fusion_kind(const Graph& graph, const Op& op) {
  if (op.kind == OpKind::input || op.kind == OpKind::constant) return FusionKind::leaf;
  auto has_no_code = [](const TensorType& type) { return has_no_elements(type) || is_narrow(type); };
  const bool host =
      std::ranges::any_of(op.outputs, has_no_code) ||
      std::ranges::any_of(op.inputs, [&](ValueId input) { return has_no_code(graph.type(input)); });
  return host || !has_index_form(op) ? FusionKind::host : op_row(op.kind).fusion;
}

bool is_pointwise(const Op& op) {
  return op.kind == OpKind::unary || op.kind == OpKind::binary || op.kind == OpKind::where ||
         op.kind == OpKind::cast || op.kind == OpKind::bit_cast;
}

bool is_affine_movement(const Op& op) {
  return op.kind == OpKind::transpose || op.kind == OpKind::expand || op.kind == OpKind::slice;
}

bool reads_once(const Op& op) {
  switch (op.kind) {
    case OpKind::transpose:
    case OpKind::reshape:
    case OpKind::slice:
    case OpKind::concat: return true;
    case OpKind::pad: return op.attributes.get_text("mode") == "constant";
    default: return false;
  }
}

int recompute_cost(const Op& op) {
  switch (op.kind) {
    case OpKind::unary: return is_one_of(op.attributes.get_text("op"), cheap_unary) ? 1 : function_cost;
    case OpKind::binary: {
      const std::string& kind = op.attributes.get_text("op");
      if (kind == "pow" || kind == "atan2") return function_cost;
      return is_one_of(kind, slow_binary) ? division_cost : 1;
    }
    case OpKind::where:
    case OpKind::cast:
    case OpKind::concat:
    case OpKind::pad:
    case OpKind::iota: return 1;
    case OpKind::gather:
    case OpKind::gather_elements:
    case OpKind::gather_nd: return 2;
    case OpKind::resize: return division_cost;
    // The views that row operators and contractions hand on; their stages are stored anyway.
    case OpKind::softmax:
    case OpKind::lrn: return division_cost;
    case OpKind::layer_norm:
    case OpKind::rms_norm:
    case OpKind::group_norm:
    case OpKind::log_softmax: return 3;
    case OpKind::pool: return division_cost;
    case OpKind::reduce: {
      const std::string& kind = op.attributes.get_text("op");
      if (kind == "l2" || kind == "log_sum" || kind == "log_sum_exp") return function_cost;
      return kind == "mean" ? division_cost : 0;
    }
    default: return 0;
  }
}

int stages_that_read(const Op& op) {
  switch (op.kind) {
    case OpKind::softmax:
    case OpKind::rms_norm:
    case OpKind::lrn: return 2;
    case OpKind::log_softmax:
    case OpKind::layer_norm:
    case OpKind::group_norm: return 3;
    default: return 1;
  }
}

std::optional<std::vector<std::size_t>> reduced_axes(const Graph& graph, const Op& op) {
  if (op.inputs.empty()) return std::nullopt;
  const std::size_t rank = graph.type(op.inputs[0]).shape.size();
  switch (op.kind) {
    case OpKind::reduce: return wrap_axes(op.attributes.get_ints("axes"), rank);
    case OpKind::arg_reduce:
    case OpKind::softmax:
    case OpKind::log_softmax: return std::vector<std::size_t>{wrap_axis(op.attributes.get_int("axis"), rank)};
    case OpKind::layer_norm:
    case OpKind::rms_norm: {
      std::vector<std::size_t> axes;
      for (std::size_t d = wrap_axis(op.attributes.get_int("axis"), rank); d < rank; ++d) axes.push_back(d);
      return axes;
    }
    default: return std::nullopt;
  }
}

std::vector<std::int64_t> transpose_order(const Op& op) { return op.attributes.get_ints("perm"); }

Attributes transpose_attributes(const std::vector<std::int64_t>& order) { return {{"perm", order}}; }

Attributes reshape_attributes(const std::vector<std::int64_t>& shape) { return {{"shape", shape}}; }

std::vector<std::int64_t> slice_steps(const Op& op) { return op.attributes.get_ints("steps"); }

std::vector<std::int64_t> pad_amounts(const Op& op) { return op.attributes.get_ints("pads"); }

bool pads_zero(const Graph&, const Op& op) {
  return op.attributes.get_text("mode") == "constant" && op.attributes.get_float("value") == 0;
}

std::string label(const Op& op) {
  switch (op.kind) {
    case OpKind::unary:
    case OpKind::binary: return op.attributes.get_text("op");
    case OpKind::reduce:
    case OpKind::pool: return std::string(to_string(op.kind)) + "_" + op.attributes.get_text("op");
    case OpKind::arg_reduce: return "arg" + op.attributes.get_text("op");
    case OpKind::reshape:
    case OpKind::transpose:
    case OpKind::expand:
    case OpKind::slice: return {};
    default: return std::string(to_string(op.kind));
  }
}

std::vector<std::int64_t> shape_of(const Graph& graph, ValueId value) {
  return to_ints(graph.type(value).shape);
}

std::int64_t bytes_of(const Graph& graph, ValueId value) {
  return product(shape_of(graph, value)) * static_cast<std::int64_t>(ir::size_bytes(graph.type(value).dtype));
}

bool is_scalar_constant(const Graph& graph, ValueId value) {
  const Op& op = graph.op(value);
  return op.kind == OpKind::constant && op.data.size() == 1;
}

}  // namespace tunesmith::tracer
