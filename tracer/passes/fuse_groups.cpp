#include "tracer/passes/fuse_groups.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <set>

#include "tracer/passes/fuse_rules.h"

namespace tunesmith::tracer {

namespace {

constexpr std::size_t no_group = static_cast<std::size_t>(-1);

class Grouper {
 public:
  Grouper(const Graph& graph, const Placement& placement)
      : graph_(graph),
        placement_(placement),
        context_(make_context(graph, placement)),
        group_of_(graph.size(), no_group) {}

  std::vector<Group> run(bool fuse) {
    for (std::uint32_t i = 0; i < graph_.size(); ++i) {
      const OpId id{i};
      const FusionKind kind = fusion_kind(graph_, graph_.op(id));
      if (kind == FusionKind::leaf || placement_.is_alias({id, 0})) continue;
      groups_.push_back({{id}, kind, id});
      group_of_[i] = groups_.size() - 1;
      if (fuse && kind != FusionKind::host) join_producers(groups_.size() - 1);
    }
    return in_running_order();
  }

 private:
  /// Groups that a group reads from, the latest first.
  std::vector<std::size_t> producers(std::size_t group) const {
    std::vector<std::size_t> result;
    for (OpId id : groups_[group].ops)
      for (ValueId input : graph_.op(id).inputs) {
        const std::size_t source = group_of_[index_of(placement_.storage_of(input).op)];
        if (source != no_group && source != group) result.push_back(source);
      }
    std::ranges::sort(
        result, [&](std::size_t a, std::size_t b) { return groups_[a].ops.back() > groups_[b].ops.back(); });
    result.erase(std::ranges::unique(result).begin(), result.end());
    return result;
  }

  void join_producers(std::size_t group) {
    std::set<OpId> refused;  // by the producer's last operator: names a group between merges
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t producer : producers(group)) {
        const OpId name = groups_[producer].ops.back();
        if (groups_[producer].kind == FusionKind::host || refused.contains(name)) continue;
        if (!may_fuse(context_, groups_[producer], groups_[group]) || has_detour(producer, group)) {
          refused.insert(name);
          continue;
        }
        merge(producer, group);
        refused.clear();
        changed = true;
        break;
      }
    }
  }

  void merge(std::size_t producer, std::size_t group) {
    groups_[group] = fused(groups_[producer], groups_[group]);
    groups_[producer].ops.clear();
    for (OpId id : groups_[group].ops) group_of_[index_of(id)] = group;
  }

  /// Groups that read from `group`.
  std::set<std::size_t> consumers(std::size_t group) const {
    std::set<std::size_t> result;
    for (OpId id : groups_[group].ops)
      for (const auto& uses : context_.uses[index_of(id)])
        for (const auto& use : uses) {
          const std::size_t reader = group_of_[index_of(use.reader)];
          if (reader != no_group && reader != group) result.insert(reader);
        }
    return result;
  }

  /// A path from `from` to `to` through another group: fusing them would make a cycle.
  bool has_detour(std::size_t from, std::size_t to) const {
    std::set<std::size_t> seen;
    std::vector<std::size_t> open;
    for (std::size_t next : consumers(from))
      if (next != to) open.push_back(next);
    while (!open.empty()) {
      const std::size_t at = open.back();
      open.pop_back();
      if (at == to) return true;
      if (!seen.insert(at).second) continue;
      for (std::size_t next : consumers(at)) open.push_back(next);
    }
    return false;
  }

  /// Topological; of the groups that can run, the one whose last operator is the earliest.
  std::vector<Group> in_running_order() const {
    std::vector<std::size_t> missing(groups_.size(), 0);
    using Entry = std::pair<OpId, std::size_t>;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      if (groups_[g].ops.empty()) continue;
      missing[g] = producers(g).size();
      if (missing[g] == 0) ready.push({groups_[g].ops.back(), g});
    }
    std::vector<Group> order;
    while (!ready.empty()) {
      const std::size_t g = ready.top().second;
      ready.pop();
      order.push_back(groups_[g]);
      for (std::size_t next : consumers(g))
        if (--missing[next] == 0) ready.push({groups_[next].ops.back(), next});
    }
    return order;
  }

  const Graph& graph_;
  const Placement& placement_;
  FusionContext context_;
  std::vector<Group> groups_;  // merged ones are empty
  std::vector<std::size_t> group_of_;
};

}  // namespace

std::vector<Group> make_groups(const Graph& graph, const Placement& placement, bool fuse) {
  return Grouper(graph, placement).run(fuse);
}

}  // namespace tunesmith::tracer
