#include "tracer/passes/simplify_graph.h"

#include <algorithm>
#include <optional>

#include "tracer/passes/op_traits.h"
#include "tracer/passes/rebuild.h"

namespace tunesmith::tracer {

using Extents = std::vector<std::int64_t>;

namespace {

bool same_type(const TensorType& a, const TensorType& b) {
  return a.dtype == b.dtype &&
         std::ranges::equal(a.shape, b.shape, [](const Dim& x, const Dim& y) { return ir::equal(x, y); });
}

bool all_equal(const HostTensor& data, double value) {
  for (std::int64_t i = 0; i < data.size(); ++i)
    if (data.at(i) != value) return false;
  return true;
}

class GraphSimplifier {
 public:
  explicit GraphSimplifier(const Graph& source) : rebuild_(source) {}

  Graph run() {
    rebuild_.replace_each([this](const Op& op) { return simpler(op); });
    return std::move(rebuild_).finish();
  }

 private:
  Graph& graph() { return rebuild_.graph(); }
  const TensorType& type(ValueId value) { return graph().type(value); }

  /// The value that stands for output 0 of `op`, or nullopt to keep the operator.
  std::optional<ValueId> simpler(const Op& op) {
    switch (op.kind) {
      case OpKind::reshape: return simpler_reshape(op);
      case OpKind::transpose: return simpler_transpose(op);
      case OpKind::binary: return without_neutral_operand(op);
      case OpKind::conv: return with_padding(op);
      case OpKind::concat:
        if (op.inputs.size() == 1) return rebuild_(op.inputs[0]);
        return std::nullopt;
      case OpKind::cast:
      case OpKind::expand:
      case OpKind::tile:
        if (is_unchanged(op)) return rebuild_(op.inputs[0]);
        return std::nullopt;
      case OpKind::slice:
        if (is_unchanged(op) && steps_forward(op)) return rebuild_(op.inputs[0]);
        return slice_before_transpose(op);
      case OpKind::pad:
        if (is_unchanged(op) && std::ranges::all_of(pad_amounts(op), [](std::int64_t p) { return p == 0; }))
          return rebuild_(op.inputs[0]);
        return std::nullopt;
      default: return std::nullopt;
    }
  }

  bool is_unchanged(const Op& op) { return same_type(type(rebuild_(op.inputs[0])), op.outputs[0]); }

  static bool steps_forward(const Op& op) {
    return std::ranges::all_of(slice_steps(op), [](std::int64_t step) { return step > 0; });
  }

  /// slice(transpose(x)) -> transpose(slice(x)): every reader of the slice moves its own part only.
  std::optional<ValueId> slice_before_transpose(const Op& op) {
    const Op inner = graph().op(rebuild_(op.inputs[0]));
    if (inner.kind != OpKind::transpose) return std::nullopt;
    const Extents order = transpose_order(inner);
    Attributes attributes = op.attributes;
    for (const char* name : {"starts", "sizes", "steps"}) {
      Extents turned(order.size());
      for (std::size_t d = 0; d < order.size(); ++d)
        turned[static_cast<std::size_t>(order[d])] = op.attributes.get_ints(name)[d];
      attributes.set(name, std::move(turned));
    }
    const ValueId part = graph().add(OpKind::slice, {inner.inputs[0]}, std::move(attributes), op.name);
    return graph().add(OpKind::transpose, {part}, inner.attributes, inner.name);
  }

  std::optional<ValueId> simpler_reshape(const Op& op) {
    ValueId value = rebuild_(op.inputs[0]);
    if (same_type(type(value), op.outputs[0])) return value;
    const Op& inner = graph().op(value);
    if (inner.kind != OpKind::reshape || !is_static(op.outputs[0].shape)) return std::nullopt;
    value = inner.inputs[0];
    if (same_type(type(value), op.outputs[0])) return value;
    return add_reshape(value, to_ints(op.outputs[0].shape), op.name);
  }

  ValueId add_reshape(ValueId value, const Extents& shape, const std::string& name) {
    return graph().add(OpKind::reshape, {value}, reshape_attributes(shape), name);
  }

  std::optional<ValueId> simpler_transpose(const Op& op) {
    ValueId value = rebuild_(op.inputs[0]);
    Extents order = transpose_order(op);
    const Op inner = graph().op(value);
    const bool is_chain = inner.kind == OpKind::transpose;
    if (is_chain) {
      const Extents first = transpose_order(inner);
      for (std::int64_t& d : order) d = first[static_cast<std::size_t>(d)];
      value = inner.inputs[0];
    }
    if (std::ranges::is_sorted(order)) return value;
    if (is_static(op.outputs[0].shape) && moves_only_ones(order, to_ints(type(value).shape)))
      return add_reshape(value, to_ints(op.outputs[0].shape), op.name);
    if (!is_chain) return std::nullopt;
    return graph().add(OpKind::transpose, {value}, transpose_attributes(order), op.name);
  }

  static bool moves_only_ones(const Extents& order, const Extents& shape) {
    Extents rest = order;
    std::erase_if(rest, [&](std::int64_t d) { return shape[static_cast<std::size_t>(d)] == 1; });
    return std::ranges::is_sorted(rest);
  }

  std::optional<ValueId> without_neutral_operand(const Op& op) {
    const std::string& kind = op.attributes.get_text("op");
    const bool additive = kind == "add" || kind == "sub";
    if (!additive && kind != "mul" && kind != "div" && kind != "pow") return std::nullopt;
    const bool commutes = kind == "add" || kind == "mul";
    for (std::size_t side = 0; side < (commutes ? 2 : 1); ++side) {
      const Op& other = graph().op(rebuild_(op.inputs[1 - side]));
      const ValueId value = rebuild_(op.inputs[side]);
      if (other.kind != OpKind::constant || !same_type(type(value), op.outputs[0])) continue;
      if (all_equal(other.data, additive ? 0 : 1)) return value;
    }
    return std::nullopt;
  }

  /// conv(pad(x)) with zeros around the spatial dimensions.
  std::optional<ValueId> with_padding(const Op& op) {
    const Op pad = graph().op(rebuild_(op.inputs[0]));
    if (pad.kind != OpKind::pad || !pads_zero(graph(), pad)) return std::nullopt;
    const Extents amounts = pad_amounts(pad);
    const std::size_t rank = amounts.size() / 2;
    for (std::size_t i = 0; i < amounts.size(); ++i)
      if (amounts[i] < 0 || (i % rank < 2 && amounts[i] != 0)) return std::nullopt;
    Extents pads = op.attributes.get_ints("pads");
    for (std::size_t d = 2; d < rank; ++d) {
      pads[d - 2] += amounts[d];
      pads[rank - 2 + d - 2] += amounts[rank + d];
    }
    std::vector<ValueId> inputs = rebuild_(op.inputs);
    inputs[0] = pad.inputs[0];
    Attributes attributes = op.attributes;
    attributes.set("pads", std::move(pads));
    return graph().add(op.kind, std::move(inputs), std::move(attributes), op.name);
  }

  GraphRebuilder rebuild_;
};

}  // namespace

Graph simplify_graph(const Graph& graph) { return GraphSimplifier(graph).run(); }

}  // namespace tunesmith::tracer
