#include "tracer/passes/fold_scale.h"

#include <algorithm>
#include <optional>

#include "tracer/ops/lower_util.h"
#include "tracer/passes/rebuild.h"

namespace tunesmith::tracer {

using Extents = std::vector<std::int64_t>;

namespace {

class ScaleFolder {
 public:
  explicit ScaleFolder(const Graph& source) : source_(source), rebuild_(source), uses_(count_uses(source)) {}

  Graph run() {
    rebuild_.replace_each(
        [this](const Op& op) { return op.kind == OpKind::binary ? fold(op) : std::nullopt; });
    return std::move(rebuild_).finish();
  }

 private:
  Graph& graph() { return rebuild_.graph(); }
  const HostTensor* constant(ValueId value) {
    const Op& op = graph().op(value);
    return op.kind == OpKind::constant ? &op.data : nullptr;
  }

  std::optional<ValueId> fold(const Op& op) {
    const std::string& kind = op.attributes.get_text("op");
    const bool commutes = kind == "mul" || kind == "add";
    if (!commutes && kind != "div" && kind != "sub") return std::nullopt;
    if (!ir::is_float(op.outputs[0].dtype) || !is_static(op.outputs[0].shape)) return std::nullopt;
    for (std::size_t side = 0; side < (commutes ? 2 : 1); ++side) {
      const ValueId old = op.inputs[side];
      if (uses_[index_of(old.op)][old.output] != 1) continue;
      const HostTensor* c = constant(rebuild_(op.inputs[1 - side]));
      if (!c) continue;
      const HostTensor copy = *c;
      if (const auto folded = fold_into(kind, rebuild_(old), copy, op)) return folded;
    }
    return std::nullopt;
  }

  std::optional<ValueId> fold_into(const std::string& kind, ValueId value, const HostTensor& c,
                                   const Op& op) {
    const Op target = graph().op(value);
    const Extents shape = to_ints(op.outputs[0].shape);
    if (to_ints(target.outputs[0].shape) != shape) return std::nullopt;
    const bool is_factor = kind == "mul" || kind == "div";
    if (target.kind == OpKind::conv || target.kind == OpKind::conv_transpose) {
      const auto channel = per_dimension(c, shape, 1);
      if (!channel) return std::nullopt;
      return is_factor ? scale_conv(target, kind.c_str(), *channel)
                       : shift_conv(target, kind.c_str(), *channel);
    }
    if (is_factor && (target.kind == OpKind::matmul || target.kind == OpKind::binary)) {
      const auto column = per_dimension(c, shape, shape.size() - 1);
      if (column) return scale_matmul(target, kind.c_str(), *column);
    }
    return std::nullopt;
  }

  /// `c` as a vector over dimension `dim` of `shape`, or nullopt where it varies along another one.
  static std::optional<HostTensor> per_dimension(const HostTensor& c, const Extents& shape, std::size_t dim) {
    if (c.rank() > static_cast<std::int64_t>(shape.size()) || dim >= shape.size()) return std::nullopt;
    Extents aligned(shape.size() - static_cast<std::size_t>(c.rank()), 1);
    aligned.insert(aligned.end(), c.shape().begin(), c.shape().end());
    for (std::size_t d = 0; d < shape.size(); ++d)
      if (aligned[d] != 1 && d != dim) return std::nullopt;
    if (aligned[dim] == shape[dim]) return c.reshaped({shape[dim]});
    HostTensor spread(c.dtype(), {shape[dim]});
    for (std::int64_t i = 0; i < shape[dim]; ++i) spread.set(i, c.at(0));
    return spread;
  }

  /// The factors in the shape of convolution weights: [K, 1…], or [C/g · …, K/g, 1…] spread over the groups.
  static HostTensor weight_factors(const Op& conv, const HostTensor& channel, const Extents& weight) {
    if (conv.kind == OpKind::conv) {
      Extents shape(weight.size(), 1);
      shape[0] = channel.size();
      return channel.reshaped(shape);
    }
    const std::int64_t groups = conv.attributes.get_int("groups"), members = weight[1];
    Extents shape(weight.size(), 1);
    shape[0] = weight[0];
    shape[1] = members;
    HostTensor factors(channel.dtype(), shape);
    for (std::int64_t in = 0; in < weight[0]; ++in)
      for (std::int64_t k = 0; k < members; ++k)
        factors.set(in * members + k, channel.at(in / (weight[0] / groups) * members + k));
    return factors;
  }

  std::optional<ValueId> scale_conv(const Op& conv, const char* kind, const HostTensor& channel) {
    const HostTensor* weight = constant(conv.inputs[1]);
    const HostTensor* bias = conv.inputs.size() > 2 ? constant(conv.inputs[2]) : nullptr;
    if (!weight || (conv.inputs.size() > 2 && !bias) || weight->dtype() != channel.dtype())
      return std::nullopt;
    const HostTensor scaled = evaluate_binary(kind, *weight, weight_factors(conv, channel, weight->shape()));
    std::optional<HostTensor> scaled_bias;
    if (bias) scaled_bias = evaluate_binary(kind, *bias, channel);
    std::vector<ValueId> inputs{conv.inputs[0],
                                graph().add_constant(scaled, graph().op(conv.inputs[1]).name)};
    if (scaled_bias) inputs.push_back(graph().add_constant(*scaled_bias, graph().op(conv.inputs[2]).name));
    return graph().add(conv.kind, std::move(inputs), conv.attributes, conv.name);
  }

  std::optional<ValueId> shift_conv(const Op& conv, const char* kind, const HostTensor& channel) {
    HostTensor bias(channel.dtype(), channel.shape());
    std::string name = conv.name;
    if (conv.inputs.size() > 2) {
      const HostTensor* old = constant(conv.inputs[2]);
      if (!old || old->dtype() != channel.dtype()) return std::nullopt;
      bias = *old;
      name = graph().op(conv.inputs[2]).name;
    }
    const ValueId shifted = graph().add_constant(evaluate_binary(kind, bias, channel), name);
    return graph().add(conv.kind, {conv.inputs[0], conv.inputs[1], shifted}, conv.attributes, conv.name);
  }

  /// matmul(x, W) * c, and (matmul(x, W) + b) * c.
  std::optional<ValueId> scale_matmul(const Op& op, const char* kind, const HostTensor& column) {
    if (op.kind == OpKind::matmul) {
      const HostTensor* weight = constant(op.inputs[1]);
      if (!weight || weight->rank() < 2 || weight->dtype() != column.dtype()) return std::nullopt;
      const HostTensor scaled = evaluate_binary(kind, *weight, column);
      const ValueId w = graph().add_constant(scaled, graph().op(op.inputs[1]).name);
      return graph().add(op.kind, {op.inputs[0], w}, op.attributes, op.name);
    }
    if (op.attributes.get_text("op") != "add") return std::nullopt;
    for (std::size_t side = 0; side < 2; ++side) {
      const Op product = graph().op(op.inputs[side]);
      const HostTensor* offset = constant(op.inputs[1 - side]);
      if (product.kind != OpKind::matmul || !offset || !only_reader_is_sum(op.inputs[side])) continue;
      const auto offsets =
          per_dimension(*offset, to_ints(op.outputs[0].shape), op.outputs[0].shape.size() - 1);
      if (!offsets) continue;
      const HostTensor scaled = evaluate_binary(kind, *offsets, column);
      const auto scaled_product = scale_matmul(product, kind, column);
      if (!scaled_product) continue;
      return graph().add(OpKind::binary, {*scaled_product, graph().add_constant(scaled)}, op.attributes,
                         op.name);
    }
    return std::nullopt;
  }

  /// No other operator of the source reads what became `value`.
  bool only_reader_is_sum(ValueId value) const {
    for (std::uint32_t i = 0; i < source_.size(); ++i)
      for (std::uint32_t o = 0; o < uses_[i].size(); ++o)
        if (uses_[i][o] > 1 && done_before(i) && rebuild_({OpId{i}, o}) == value) return false;
    return true;
  }
  bool done_before(std::uint32_t i) const { return rebuild_.has({OpId{i}, 0}); }

  const Graph& source_;
  GraphRebuilder rebuild_;
  std::vector<std::vector<int>> uses_;
};

}  // namespace

Graph fold_scale(const Graph& graph) { return ScaleFolder(graph).run(); }

}  // namespace tunesmith::tracer
