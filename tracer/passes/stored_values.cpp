#include "tracer/passes/stored_values.h"

#include <algorithm>
#include <map>

#include "tracer/ops/lower_util.h"

namespace tunesmith::tracer {

namespace {

/// Work repeated that is still cheaper than a store and its loads.
constexpr int allowed_repetition = 4;
/// Work that may be repeated for every element of a larger result.
constexpr int allowed_in_broadcast = 2;
/// What another full-sized load adds to the cost of computing a value again.
constexpr int load_cost = 2;

class StorePlanner {
 public:
  StorePlanner(const FusionContext& context, const Group& group)
      : context_(context), graph_(context.graph), group_(group) {}

  StoredValues run() {
    for (OpId id : group_.ops) compute_cost(id);
    for (auto id = group_.ops.rbegin(); id != group_.ops.rend(); ++id)
      for (std::uint32_t o = 0; o < graph_.op(*id).outputs.size(); ++o) decide({*id, o});
    return std::move(result_);
  }

 private:
  bool contains(OpId id) const { return std::ranges::binary_search(group_.ops, id); }
  bool makes_stages(OpId id) const {
    const FusionKind kind = fusion_kind(graph_, graph_.op(id));
    return kind == FusionKind::rows || kind == FusionKind::contraction;
  }
  std::int64_t size(ValueId value) const { return product(shape_of(graph_, value)); }

  /// A smaller value that decide() will store because a larger one reads it.
  bool is_row_value(ValueId source, ValueId reader) const {
    return size(source) < size(reader) && cost_.at(source.op) > allowed_in_broadcast;
  }

  /// Work to compute a value again from the kernel's operands and stages.
  void compute_cost(OpId id) {
    const Op& op = graph_.op(id);
    int total = recompute_cost(op);
    if (!makes_stages(id)) {
      int loads = 0;
      for (ValueId input : op.inputs) {
        const ValueId source = context_.placement.storage_of(input);
        if (contains(source.op))
          total += is_row_value(source, {id, 0}) ? 0 : cost_.at(source.op);
        else if (size(source) == size({id, 0}))
          ++loads;
      }
      total += load_cost * std::max(0, loads - 1);
    }
    cost_[id] = total;
  }

  /// A place in the kernel's list of stages: stage `part` of an operator.
  using Site = std::pair<OpId, int>;

  void decide(ValueId value) {
    std::set<Site> sites;
    bool outside = context_.escapes(value), spread = false;
    for (const auto& use : context_.uses_of(value)) {
      if (!contains(use.reader)) {
        outside = true;
        continue;
      }
      const Op& reader = graph_.op(use.reader);
      if (makes_stages(use.reader)) {
        const int parts = use.operand == 0 ? stages_that_read(reader) : 1;
        for (int part = 0; part < parts; ++part) sites.insert({use.reader, part});
        spread |= use.operand != 0 && size(value) < size({use.reader, 0});
      } else {
        for (std::uint32_t o = 0; o < reader.outputs.size(); ++o)
          sites.insert(sites_[{use.reader, o}].begin(), sites_[{use.reader, o}].end());
        spread |= size(value) < size({use.reader, 0}) && !reads_once(reader);
      }
    }
    const int cost = cost_.at(value.op);
    const int repeated = static_cast<int>(sites.size()) - 1;
    if (outside)
      result_.outputs.insert(value);
    else if (repeated * cost > allowed_repetition || (spread && cost > allowed_in_broadcast))
      result_.stages.insert(value);
    const bool is_stored = result_.outputs.contains(value) || result_.stages.contains(value);
    sites_[value] = is_stored ? std::set<Site>{{value.op, -1 - static_cast<int>(value.output)}} : sites;
  }

  const FusionContext& context_;
  const Graph& graph_;
  const Group& group_;
  std::map<OpId, int> cost_;
  std::map<ValueId, std::set<Site>> sites_;  // stages that compute the value
  StoredValues result_;
};

}  // namespace

StoredValues find_stored_values(const FusionContext& context, const Group& group) {
  return StorePlanner(context, group).run();
}

}  // namespace tunesmith::tracer
