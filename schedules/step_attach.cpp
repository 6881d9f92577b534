// compute_at and reverse_compute_at: where in another stage's loops a stage runs.
#include <algorithm>

#include "schedules/loads.h"
#include "schedules/steps.h"

namespace tunesmith::schedules {

using Code = ScheduleError::Code;

namespace {

/// True when something inside an epilogue reads what the epilogue's host is about to finish. The epilogue itself reads its own
/// points, and so does a copy of what it reads; other stages inside may read any.
bool reads_unfinished(const LoopTree& tree) {
  for (StageIndex epilogue : tree.sequence) {
    const auto& place = tree.stages[epilogue].place;
    if (!place || !place->after) continue;
    for (StageIndex inner : tree.sequence) {
      const bool is_inside = inner != epilogue && tree.is_inside(inner, epilogue, no_node);
      if (!is_inside || tree.stages[inner].is_copy) continue;
      bool reads = false;
      for (const ir::Expr& value : tree.stages[inner].def.values)
        for_each_load(value, [&](const ir::Load& load) {
          const auto from = tree.producer(load.buffer);
          if (!from) return;
          const auto& other = tree.stages[*from].place;
          reads |= *from == place->host || (other && other->after && other->host == place->host);
        });
      if (reads) return true;
    }
  }
  return false;
}

/// Attaches the stage; takes it back and refuses where its surroundings do not allow it.
Status attach(LoopTree& tree, StageIndex stage, Place place) {
  const StageIndex host = place.host;
  tree.stages[stage].place = std::move(place);
  Code code{};
  if (!tree.inputs_finished(stage) || tree.runs_in_prepare(host) || reads_unfinished(tree))
    code = Code::producer_outside;
  else if (tree.has_nested_parallel(stage))
    code = Code::nested_parallel;
  else {
    tree.stages[stage].scheduled = true;
    tree.stages[host].scheduled = true;
    return {};
  }
  tree.stages[stage].place.reset();
  return refuse(code);
}

/// For each spatial axis of `reader` the axis of `host` that its loads walk along with it; nullopt where an
/// element of the reader needs other points of the host.
std::optional<std::vector<NodeIndex>> axes_along(const LoopTree& tree, StageIndex reader, StageIndex host,
                                                 NodeIndex loop) {
  const ir::Stage& def = tree.stages[reader].def;
  std::vector<NodeIndex> along(def.spatial.size(), no_node);
  bool pointwise = true, any = false;
  auto see_load = [&](const ir::Load& load) {
    const auto from = tree.producer(load.buffer);
    if (!from) return;
    const auto& place = tree.stages[*from].place;
    const bool through_other = place && place->after && place->host == host;
    if (*from != host && !through_other) return;
    any = true;
    if (through_other && tree.position(host, place->loop) < tree.position(host, loop)) pointwise = false;
    for (std::size_t d = 0; d < load.indices.size(); ++d) {
      const auto host_axis = through_other ? place->host_axis[d] : static_cast<NodeIndex>(d);
      const ir::Expr& extent = tree.stages[*from].def.spatial[d].extent;
      if (host_axis == no_node) {
        pointwise &= ir::is_int(extent, 1) && ir::is_int(load.indices[d], 0);
        continue;
      }
      if (ir::is_int(extent, 1) && ir::is_int(load.indices[d], 0)) continue;
      const auto* v = load.indices[d].as<ir::Var>();
      const auto axis =
          std::ranges::find_if(def.spatial, [&](const ir::Axis& a) { return v && a.var == v->id; });
      // A reader that takes the front of an axis (as of a padded one) leaves the rest unread.
      if (axis == def.spatial.end() || ir::int_value(axis->extent) > ir::int_value(extent)) {
        pointwise = false;
        return;
      }
      NodeIndex& known = along[static_cast<std::size_t>(axis - def.spatial.begin())];
      if (known != no_node && known != host_axis) pointwise = false;
      known = host_axis;
    }
  };
  for (const ir::Expr& value : def.values) for_each_load(value, see_load);
  if (!pointwise || !any) return std::nullopt;
  // Each axis of the host is walked by one axis: else points would be computed twice, or never.
  for (NodeIndex a = 0; a < tree.stages[host].def.spatial.size(); ++a)
    if (std::ranges::count(along, a) != 1 && !ir::is_int(tree.stages[host].def.spatial[a].extent, 1))
      return std::nullopt;
  return along;
}

/// How much of a node the loops around a place fix.
enum class Fixed : std::uint8_t {
  all,
  front,  // what is left is one run of points
  none,
  holes,  // what is left are points apart from each other
};

Fixed fixed_part(const TreeStage& stage, NodeIndex node, std::size_t around) {
  const Node& n = stage.nodes[node];
  if (n.use == Node::Use::loop) {
    const auto place = std::ranges::find(stage.order, node) - stage.order.begin();
    return static_cast<std::size_t>(place) < around ? Fixed::all : Fixed::none;
  }
  const Fixed outer = fixed_part(stage, n.first, around);
  if (n.use == Node::Use::fused) return outer == Fixed::all || outer == Fixed::none ? outer : Fixed::holes;
  const Fixed inner = fixed_part(stage, n.second, around);
  if (outer == Fixed::all) return inner == Fixed::none ? Fixed::front : inner;
  if (inner == Fixed::none) return outer;
  return Fixed::holes;
}

bool writes_output(const LoopTree& tree, StageIndex stage) {
  return std::ranges::any_of(tree.stages[stage].def.outputs, [&](ir::BufferId id) {
    return tree.kernel.buffer(id).role == ir::Role::output;
  });
}

}  // namespace

/// compute_at(P, x):  P; for x: R(P)  ->  for x: { P on the region that R reads; R(P) }
/// Legal where all readers of P are inside x: each iteration computes what it reads, elements that several
/// iterations read are computed again. The region is the hull of all reads inside one iteration.
Status take(LoopTree& tree, const ComputeAt& step, std::uint32_t number) {
  TreeStage* stage = tree.find(step.stage);
  if (!stage) return refuse(Code::unknown_stage);
  const auto loop = tree.find(step.loop);
  if (!loop) return refuse(tree.find(step.loop.stage) ? Code::unknown_loop : Code::unknown_stage);
  if (stage->place) return refuse(Code::already_attached);
  if (writes_output(tree, step.stage)) return refuse(Code::stage_is_output);
  if (tree.is_inside(step.loop.stage, step.stage, no_node)) return refuse(Code::reader_outside);
  bool is_read = false;
  for (ir::BufferId output : stage->def.outputs)
    for (StageIndex reader : tree.readers(output)) {
      if (!tree.is_inside(reader, step.loop.stage, *loop)) return refuse(Code::reader_outside);
      is_read = true;
    }
  if (!is_read) return refuse(Code::reader_outside);
  return attach(tree, step.stage, {step.loop.stage, *loop, false, step.scope, number, {}});
}

/// reverse_compute_at(D, x):  for x: C; D(C)  ->  for x: { C; D on the points that C finished }
/// Legal where D reads C point by point, so that the iterations of x cover D without overlap, and where a run
/// of points of C is finished in x: inside a reduction of C only with a tile, and then in the last iteration.
Status take(LoopTree& tree, const ReverseComputeAt& step, std::uint32_t number) {
  TreeStage* stage = tree.find(step.stage);
  if (!stage) return refuse(Code::unknown_stage);
  const auto loop = tree.find(step.loop);
  if (!loop) return refuse(tree.find(step.loop.stage) ? Code::unknown_loop : Code::unknown_stage);
  if (stage->def.is_reduction()) return refuse(Code::stage_is_reduction);
  if (stage->place) return refuse(Code::already_attached);
  if (tree.is_inside(step.loop.stage, step.stage, no_node)) return refuse(Code::not_pointwise);
  const StageIndex host = step.loop.stage;
  auto along = axes_along(tree, step.stage, host, *loop);
  // A host that is recomputed for its own readers does not cover its points once.
  const auto& host_place = tree.stages[host].place;
  if (!along || (host_place && !host_place->after)) return refuse(Code::not_pointwise);
  const TreeStage& h = tree.stages[host];
  for (std::size_t p = 0; p <= tree.position(host, *loop); ++p)
    if (h.nodes[h.order[p]].is_reduction && !h.tile) return refuse(Code::epilogue_without_tile);
  for (NodeIndex axis = 0; axis < h.def.spatial.size(); ++axis)
    if (fixed_part(h, axis, tree.position(host, *loop) + 1) == Fixed::holes)
      return refuse(Code::producer_outside);
  return attach(tree, step.stage, {host, *loop, true, ir::Scope::global, number, std::move(*along)});
}

}  // namespace tunesmith::schedules
