#include "tracer/passes/fuse_rules.h"

#include <algorithm>
#include <set>

#include "tracer/ops/lower_util.h"

namespace tunesmith::tracer {

using Extents = std::vector<std::int64_t>;

namespace {

constexpr std::size_t max_group_ops = 64;
constexpr std::size_t max_group_operands = 24;
/// Work that may be repeated a few times rather than stored.
constexpr int cheap_cost = 2;
/// Work that one operand of a concatenation may carry into its branch.
constexpr int branch_cost = 24;

Extents without_ones(Extents shape) {
  std::erase(shape, 1);
  return shape;
}

/// The rows of a `rows` group: the shape that is reduced and the shape with the reduced axes at 1.
struct Rows {
  Extents full;
  Extents kept;
  std::vector<std::size_t> axes;
};

class Rules {
 public:
  Rules(const FusionContext& context, const Group& producer, const Group& consumer)
      : context_(context), graph_(context.graph), producer_(producer), consumer_(consumer) {}

  bool allow() const {
    if (producer_.ops.size() + consumer_.ops.size() > max_group_ops) return false;
    if (operand_count() > max_group_operands) return false;
    if (producer_.kind == FusionKind::map) {
      if (consumer_.kind == FusionKind::map)
        return every_edge([&](const Edge& edge) { return map_to_map(edge); });
      if (consumer_.kind == FusionKind::rows)
        return producer_fits_rows() && every_edge([&](const Edge& edge) { return into_rows(edge); });
      if (consumer_.kind == FusionKind::contraction) return into_contraction();
    }
    if (producer_.kind == FusionKind::contraction && consumer_.kind == FusionKind::map)
      return every_edge([&](const Edge& edge) { return epilogue(edge); });
    if (producer_.kind == FusionKind::rows &&
        (consumer_.kind == FusionKind::map || consumer_.kind == FusionKind::rows))
      return same_rows();
    return false;
  }

 private:
  /// A value of the producer that an operator of the consumer reads.
  struct Edge {
    ValueId value;
    ValueId read_as;
    const Op& reader;
    bool only_reader;  // nothing else reads the value
  };

  bool contains(const Group& group, OpId id) const { return std::ranges::binary_search(group.ops, id); }

  template <class Test>
  bool every_edge(const Test& test) const {
    for (OpId id : producer_.ops)
      for (std::uint32_t o = 0; o < graph_.op(id).outputs.size(); ++o) {
        const ValueId value{id, o};
        const auto& uses = context_.uses_of(value);
        for (const auto& use : uses) {
          if (!contains(consumer_, use.reader)) continue;
          const bool only = uses.size() == 1 && !context_.escapes(value);
          if (!test(Edge{value, use.read_as, graph_.op(use.reader), only})) return false;
        }
      }
    return true;
  }

  std::size_t operand_count() const {
    std::set<ValueId> operands;
    auto add = [&](const Group& group) {
      for (OpId id : group.ops)
        for (ValueId input : graph_.op(id).inputs) {
          const ValueId source = context_.placement.storage_of(input);
          if (contains(producer_, source.op) || contains(consumer_, source.op)) continue;
          if (!is_scalar_constant(graph_, source)) operands.insert(source);
        }
    };
    add(producer_);
    add(consumer_);
    return operands.size();
  }

  Extents shape(ValueId value) const { return shape_of(graph_, value); }
  Extents output_shape(const Op& op) const { return to_ints(op.outputs[0].shape); }

  /// The same elements in the same order, dimensions of extent 1 aside.
  bool reads_at_own_point(const Edge& edge) const {
    return without_ones(shape(edge.value)) == without_ones(shape(edge.read_as)) &&
           is_pointwise(edge.reader) && shape(edge.read_as) == output_shape(edge.reader);
  }

  /// Work behind a value inside the producer, up to the kernel's operands.
  int cost(ValueId value) const {
    int total = 0;
    std::set<OpId> seen;
    std::vector<OpId> open{value.op};
    while (!open.empty()) {
      const OpId id = open.back();
      open.pop_back();
      if (!contains(producer_, id) || !seen.insert(id).second) continue;
      total += recompute_cost(graph_.op(id));
      for (ValueId input : graph_.op(id).inputs) open.push_back(context_.placement.storage_of(input).op);
    }
    return total;
  }

  bool map_to_map(const Edge& edge) const {
    if (reads_at_own_point(edge)) return true;
    if (!edge.only_reader) return false;
    const bool reshaped = without_ones(shape(edge.value)) != without_ones(shape(edge.read_as));
    if (reshaped) return false;
    if (reads_once(edge.reader)) return cost(edge.value) <= branch_cost;
    return cost(edge.value) <= cheap_cost;
  }

  std::optional<Rows> rows_of(const Group& group) const {
    const Op& anchor = graph_.op(group.anchor);
    const auto axes = reduced_axes(graph_, anchor);
    if (!axes) return std::nullopt;
    Rows rows{shape(anchor.inputs[0]), shape(anchor.inputs[0]), *axes};
    for (std::size_t axis : rows.axes) rows.kept[axis] = 1;
    return rows;
  }

  bool is_full(const Extents& s, const Extents& full) const { return without_ones(s) == without_ones(full); }

  bool producer_fits_rows() const {
    const Extents full = shape(graph_.op(consumer_.anchor).inputs[0]);
    return std::ranges::all_of(producer_.ops, [&](OpId id) {
      const Op& op = graph_.op(id);
      if (!is_pointwise(op)) return cost({id, 0}) <= branch_cost;
      return product(output_shape(op)) <= product(full);
    });
  }

  /// The row operator, or a map beside it, reads the whole value at its own places.
  bool into_rows(const Edge& edge) const {
    if (without_ones(shape(edge.value)) != without_ones(shape(edge.read_as))) return false;
    if (is_pointwise(edge.reader))
      return reads_at_own_point(edge) || (edge.only_reader && cost(edge.value) <= cheap_cost);
    const bool is_reduced = edge.read_as == edge.reader.inputs[0];
    return is_reduced || (edge.only_reader && cost(edge.value) <= cheap_cost);
  }

  bool into_contraction() const {
    const Op& anchor = graph_.op(consumer_.anchor);
    const auto all = [&](auto test) {
      return std::ranges::all_of(producer_.ops, [&](OpId id) { return test(graph_.op(id)); });
    };
    const bool moves_only = (anchor.kind == OpKind::matmul || anchor.kind == OpKind::conv) &&
                            all([](const Op& op) { return is_affine_movement(op); });
    const bool pointwise = all([](const Op& op) { return is_pointwise(op); });
    return every_edge([&](const Edge& edge) {
      if (!edge.only_reader) return false;
      if (&edge.reader == &anchor) return moves_only && splits_only(edge);
      // An operand of the epilogue.
      return pointwise && (reads_at_own_point(edge) || cost(edge.value) <= cheap_cost) &&
             shape(edge.value) == shape(edge.read_as);
    });
  }

  /// The alias between value and reader only splits dimensions, so that the reads stay affine.
  bool splits_only(const Edge& edge) const {
    const Extents from = without_ones(shape(edge.value)), to = without_ones(shape(edge.read_as));
    std::size_t j = 0;
    for (std::int64_t extent : from) {
      std::int64_t run = 1;
      while (run < extent && j < to.size()) run *= to[j++];
      if (run != extent) return false;
    }
    return j == to.size();
  }

  /// A map over the points of the contraction's result. A transpose may only end the chain: what reads the
  /// transposed value stays in its own order of dimensions.
  bool epilogue(const Edge& edge) const {
    if (consumer_.ops.size() == 1 && edge.reader.kind == OpKind::transpose)
      return edge.only_reader && shape(edge.value) == shape(edge.read_as) && !was_transposed(edge.value);
    const bool all_pointwise = std::ranges::all_of(consumer_.ops, [&](OpId id) {
      const Op& op = graph_.op(id);
      return is_pointwise(op) && product(output_shape(op)) <= product(shape(edge.value));
    });
    return all_pointwise && reads_at_own_point(edge) && shape(edge.value) == shape(edge.read_as) &&
           shape(edge.value) == output_shape(graph_.op(producer_.anchor)) && !was_transposed(edge.value);
  }

  bool was_transposed(ValueId value) const {
    return value.op != producer_.anchor && graph_.op(value).kind == OpKind::transpose;
  }

  bool same_rows() const {
    const auto rows = rows_of(producer_);
    const Extents full = shape(graph_.op(producer_.anchor).inputs[0]);
    const Extents kept = rows ? rows->kept : full;
    if (consumer_.kind == FusionKind::rows) {
      const auto other = rows_of(consumer_);
      if (!rows || !other || rows->full != other->full || rows->axes != other->axes) return false;
    }
    const bool fits = std::ranges::all_of(consumer_.ops, [&](OpId id) {
      const Op& op = graph_.op(id);
      if (!is_pointwise(op)) return consumer_.kind == FusionKind::rows && !is_map(op);
      return is_full(output_shape(op), full) || is_full(output_shape(op), kept);
    });
    return fits && every_edge([&](const Edge& edge) {
             return is_full(shape(edge.read_as), without_ones(shape(edge.value)));
           });
  }

  bool is_map(const Op& op) const { return fusion_kind(graph_, op) == FusionKind::map; }

  const FusionContext& context_;
  const Graph& graph_;
  const Group& producer_;
  const Group& consumer_;
};

}  // namespace

FusionContext make_context(const Graph& graph, const Placement& placement) {
  FusionContext context{graph, placement, {}, {}};
  for (const Op& op : graph.ops()) {
    context.uses.emplace_back(op.outputs.size());
    context.is_graph_output.emplace_back(op.outputs.size(), false);
  }
  for (std::uint32_t i = 0; i < graph.size(); ++i) {
    const Op& op = graph.op(OpId{i});
    if (placement.is_alias({OpId{i}, 0})) continue;
    for (std::uint32_t k = 0; k < op.inputs.size(); ++k) {
      const ValueId source = placement.storage_of(op.inputs[k]);
      context.uses[index_of(source.op)][source.output].push_back({OpId{i}, k, op.inputs[k]});
    }
  }
  for (const Graph::Output& output : graph.outputs()) {
    const ValueId source = placement.storage_of(output.value);
    context.is_graph_output[index_of(source.op)][source.output] = true;
  }
  return context;
}

bool may_fuse(const FusionContext& context, const Group& producer, const Group& consumer) {
  return Rules(context, producer, consumer).allow();
}

Group fused(const Group& producer, const Group& consumer) {
  Group group;
  std::ranges::merge(producer.ops, consumer.ops, std::back_inserter(group.ops));
  if (producer.kind != FusionKind::map) {
    group.kind = producer.kind;
    group.anchor = producer.anchor;
  } else {
    group.kind = consumer.kind;
    group.anchor = consumer.anchor;
  }
  return group;
}

}  // namespace tunesmith::tracer
