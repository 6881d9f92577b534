#include "schedules/tree.h"

#include <algorithm>

#include "ir/support/check.h"
#include "ir/traverse.h"
#include "schedules/loads.h"

namespace tunesmith::schedules {

LoopTree::LoopTree(const ir::Kernel& source) : kernel(source) {
  kernel.stages.clear();
  stages.reserve(source.stages.size() + 8);
  for (const ir::Stage& stage : source.stages)
    add_stage(stage, static_cast<StageIndex>(sequence.empty() ? 0 : sequence.back()), false);
}

TreeStage* LoopTree::find(StageIndex stage) {
  return stage < stages.size() && stages[stage].live ? &stages[stage] : nullptr;
}

std::optional<NodeIndex> LoopTree::find(const LoopId& loop) const {
  if (loop.stage >= stages.size() || !stages[loop.stage].live) return std::nullopt;
  const auto& nodes = stages[loop.stage].nodes;
  for (NodeIndex n = 0; n < nodes.size(); ++n)
    if (nodes[n].id == loop && nodes[n].use == Node::Use::loop) return n;
  return std::nullopt;
}

std::size_t LoopTree::position(StageIndex stage, NodeIndex loop) const {
  const auto& order = stages[stage].order;
  const auto found = std::ranges::find(order, loop);
  TS_CHECK(found != order.end(), "the node is not a loop");
  return static_cast<std::size_t>(found - order.begin());
}

StageIndex LoopTree::add_stage(ir::Stage def, StageIndex neighbour, bool before) {
  const auto index = static_cast<StageIndex>(stages.size());
  stages.emplace_back();
  std::uint32_t axis = 0;
  for (const auto* axes : {&def.spatial, &def.reduce})
    for (const ir::Axis& a : *axes) {
      Node node;
      node.id = axis_loop(index, axis++);
      node.var = a.var;
      node.is_reduction = axes == &def.reduce;
      stages.back().order.push_back(static_cast<NodeIndex>(stages.back().nodes.size()));
      stages.back().nodes.push_back(node);
    }
  stages.back().def = std::move(def);
  auto place = std::ranges::find(sequence, neighbour);
  if (place != sequence.end() && !before) ++place;
  sequence.insert(place, index);
  return index;
}

NodeIndex LoopTree::add_node(StageIndex stage, LoopId id, bool is_reduction, std::string name) {
  Node node;
  node.id = id;
  node.is_reduction = is_reduction;
  node.var = kernel.vars.add(std::move(name));
  stages[stage].nodes.push_back(node);
  return static_cast<NodeIndex>(stages[stage].nodes.size() - 1);
}

std::optional<StageIndex> LoopTree::producer(ir::BufferId buffer) const {
  for (StageIndex s : sequence)
    if (std::ranges::find(stages[s].def.outputs, buffer) != stages[s].def.outputs.end()) return s;
  return std::nullopt;
}

bool LoopTree::reads(StageIndex reader, ir::BufferId buffer) const {
  bool found = false;
  for (const ir::Expr& value : stages[reader].def.values)
    for_each_load(value, [&](const ir::Load& l) { found |= l.buffer == buffer; });
  return found;
}

std::vector<StageIndex> LoopTree::readers(ir::BufferId buffer) const {
  std::vector<StageIndex> result;
  for (StageIndex s : sequence)
    if (reads(s, buffer)) result.push_back(s);
  return result;
}

bool LoopTree::is_inside(StageIndex stage, StageIndex host, NodeIndex loop) const {
  if (stage == host) return true;
  const auto& place = stages[stage].place;
  if (!place) return false;
  if (loop == no_node && place->host == host) return true;
  if (place->host == host) return position(host, place->loop) >= position(host, loop);
  return is_inside(place->host, host, loop);
}

StageIndex LoopTree::root_of(StageIndex stage) const {
  while (stages[stage].place) stage = stages[stage].place->host;
  return stage;
}

bool LoopTree::is_finished_before(StageIndex producer, StageIndex reader) const {
  const auto before = [&](StageIndex a, StageIndex b) {
    return std::ranges::find(sequence, a) < std::ranges::find(sequence, b);
  };
  // Inside the producer: complete for its epilogues and what is in them, at the points that the epilogues read. What else
  // is inside may not read it: checked when stages are attached.
  for (StageIndex s = reader; stages[s].place; s = stages[s].place->host)
    if (stages[s].place->host == producer) return stages[s].place->after;
  const auto& place = stages[producer].place;
  if (!place) return before(producer, root_of(reader));
  if (!place->after) return is_inside(reader, place->host, place->loop);
  const auto& other = stages[reader].place;
  if (other && other->after && other->host == place->host)
    return position(place->host, other->loop) <= position(place->host, place->loop) &&
           before(producer, reader);
  return root_of(producer) != root_of(reader) && before(root_of(producer), root_of(reader));
}

bool LoopTree::inputs_finished(StageIndex stage) const {
  bool finished = true;
  for (const ir::Expr& value : stages[stage].def.values)
    for_each_load(value, [&](const ir::Load& l) {
      if (const auto from = producer(l.buffer)) finished &= is_finished_before(*from, stage);
    });
  return finished;
}

bool LoopTree::runs_in_prepare(StageIndex stage) const {
  return kernel.buffer(stages[root_of(stage)].def.outputs[0]).role == ir::Role::prepared;
}

bool LoopTree::has_parallel_inside(StageIndex stage, std::size_t from) const {
  const TreeStage& s = stages[stage];
  for (std::size_t p = from; p < s.order.size(); ++p)
    if (s.nodes[s.order[p]].kind == ir::LoopKind::parallel) return true;
  for (StageIndex other : sequence) {
    const auto& place = stages[other].place;
    if (place && place->host == stage && position(stage, place->loop) + 1 >= from &&
        has_parallel_inside(other, 0))
      return true;
  }
  return false;
}

bool LoopTree::has_nested_parallel(StageIndex stage) const {
  const StageIndex root = root_of(stage);
  for (StageIndex other : sequence) {
    if (root_of(other) != root) continue;
    const TreeStage& s = stages[other];
    for (std::size_t p = 0; p < s.order.size(); ++p)
      if (s.nodes[s.order[p]].kind == ir::LoopKind::parallel && has_parallel_inside(other, p + 1))
        return true;
  }
  return false;
}

void LoopTree::move_attached(StageIndex stage, NodeIndex from, NodeIndex to) {
  for (TreeStage& other : stages)
    if (other.place && other.place->host == stage && other.place->loop == from) other.place->loop = to;
  auto& tile = stages[stage].tile;
  if (tile && tile->at == from) tile->at = to;
}

bool LoopTree::is_attach_point(StageIndex stage, NodeIndex loop) const {
  const auto& tile = stages[stage].tile;
  if (tile && tile->at == loop) return true;
  return std::ranges::any_of(stages, [&](const TreeStage& other) {
    return other.live && other.place && other.place->host == stage && other.place->loop == loop;
  });
}

void redirect_loads(ir::Stage& stage, ir::BufferId buffer, ir::BufferId replacement) {
  for (ir::Expr& value : stage.values)
    value = ir::rewrite(value, [&](const ir::Expr& e) -> std::optional<ir::Expr> {
      const auto* l = e.as<ir::Load>();
      if (!l || l->buffer != buffer) return std::nullopt;
      return ir::load(replacement, l->dtype, l->indices);
    });
}

}  // namespace tunesmith::schedules
