// Lowering of statements: expressions over axes become expressions over loops and flat indices.
#include <algorithm>
#include <unordered_map>

#include "ir/traverse.h"
#include "schedules/lowering.h"

namespace tunesmith::schedules {

using i64 = std::int64_t;
using ir::Expr;
using ir::Stmt;

namespace {

/// Components of a tuple state in an order in which none is stored while another still needs its old value;
/// those for which there is none come last and are in `kept`: their old values must be kept.
struct StoreOrder {
  std::vector<std::size_t> order;
  std::vector<std::size_t> kept;
};

StoreOrder store_order(const ir::Combiner& combiner, std::size_t count) {
  StoreOrder result;
  std::vector<bool> done(count, false);
  auto still_read = [&](std::size_t c) {
    for (std::size_t other = 0; other < count; ++other)
      if (other != c && !done[other] && ir::uses_var(combiner.update[other], combiner.state[c])) return true;
    return false;
  };
  while (result.order.size() < count) {
    std::size_t next = 0;
    while (next < count && (done[next] || still_read(next))) ++next;
    if (next == count) {
      next = static_cast<std::size_t>(std::ranges::find(done, false) - done.begin());
      result.kept.push_back(next);
    }
    done[next] = true;
    result.order.push_back(next);
  }
  return result;
}

}  // namespace

View& Lowering::view(ir::BufferId buffer) {
  View& v = views_[ir::index_of(buffer)];
  if (!v.exists) {
    v = {true, nest_.add_buffer(tree_.kernel.buffer(buffer)), {}};
    nest_.workspace.push_back(v.buffer);
  }
  return v;
}

Expr Lowering::flat(const View& view, const std::vector<Expr>& point) const {
  if (view.base.empty()) return ir::flat_index(nest_.buffer(view.buffer), point);
  std::vector<Expr> local;
  for (std::size_t d = 0; d < point.size(); ++d)
    local.push_back(ir::to_expr(ir::to_affine(point[d] - view.base[d])));
  return ir::flat_index(nest_.buffer(view.buffer), local);
}

Expr Lowering::read(ir::BufferId buffer, const View& view, const std::vector<Expr>& point, i64 ahead) const {
  return ir::load(view.buffer, tree_.kernel.buffer(buffer).dtype, {flat(view, point)}, ahead);
}

std::vector<Expr> Lowering::point_of(StageIndex stage) const {
  std::vector<Expr> point;
  for (std::size_t a = 0; a < tree_.stages[stage].def.spatial.size(); ++a)
    point.push_back(frames_[stage].axis_value(a));
  return point;
}

Expr Lowering::translate(StageIndex stage, const Expr& e) {
  const ir::Stage& def = tree_.stages[stage].def;
  std::unordered_map<const ir::ExprNode*, Expr> done;
  std::function<Expr(const Expr&)> map = [&](const Expr& x) -> Expr {
    if (const auto* v = x.as<ir::Var>()) {
      for (std::size_t a = 0; a < def.spatial.size(); ++a)
        if (def.spatial[a].var == v->id) return frames_[stage].axis_value(a);
      for (std::size_t a = 0; a < def.reduce.size(); ++a)
        if (def.reduce[a].var == v->id) return frames_[stage].axis_value(def.spatial.size() + a);
      return x;
    }
    if (const auto found = done.find(&x.node()); found != done.end()) return found->second;
    Expr result;
    if (const auto* l = x.as<ir::Load>()) {
      std::vector<Expr> point;
      for (const Expr& index : l->indices) point.push_back(map(index));
      const View& from = view(l->buffer);
      const auto hint = tree_.stages[stage].ahead.find(l->buffer);
      const bool in_place = from.base.empty();  // else it is a part, and what lies behind it something else
      result = read(l->buffer, from, point, hint != tree_.stages[stage].ahead.end() && in_place ? hint->second : 0);
    } else {
      result = ir::map_children(x, map);
    }
    done.emplace(&x.node(), result);
    return result;
  };
  return map(e);
}

Stmt Lowering::leaf(StageIndex stage, Phase phase) {
  const TreeStage& s = tree_.stages[stage];
  const std::vector<ir::BufferId>& outputs = s.def.outputs;
  const std::vector<Expr> point = point_of(stage);
  std::vector<Stmt> stores;
  for (std::size_t c = 0; c < outputs.size(); ++c) {
    if (phase == Phase::initialise) {
      const View& to = view(outputs[c]);
      stores.push_back(ir::store(to.buffer, flat(to, point), s.def.combiner->identity[c]));
    } else if (phase == Phase::fetch || phase == Phase::put) {
      const View &tile = view(outputs[c]), &memory = memory_views_[stage][c];
      const View &from = phase == Phase::fetch ? memory : tile, &to = phase == Phase::fetch ? tile : memory;
      stores.push_back(ir::store(to.buffer, flat(to, point), read(outputs[c], from, point),
                                 phase == Phase::put && s.streaming));
    }
  }
  Stmt result = phase == Phase::update  ? update_stores(stage)
                : phase == Phase::whole ? map_stores(stage)
                                        : ir::block(std::move(stores));
  const Expr condition = frames_[stage].condition();
  return condition ? ir::if_then(condition, result) : result;
}

Stmt Lowering::map_stores(StageIndex stage) {
  const TreeStage& s = tree_.stages[stage];
  std::vector<Stmt> stores;
  for (std::size_t c = 0; c < s.def.outputs.size(); ++c) {
    const Expr value = translate(stage, s.def.values[c]);
    const View& to = view(s.def.outputs[c]);
    stores.push_back(ir::store(to.buffer, flat(to, point_of(stage)), value, s.streaming));
  }
  return ir::block(std::move(stores));
}

Stmt Lowering::update_stores(StageIndex stage) {
  const ir::Stage& def = tree_.stages[stage].def;
  const std::vector<Expr> point = point_of(stage);
  std::vector<Expr> state, value;
  for (std::size_t c = 0; c < def.outputs.size(); ++c) {
    state.push_back(read(def.outputs[c], view(def.outputs[c]), point));
    value.push_back(translate(stage, def.values[c]));
  }
  StoreOrder order{{0}, {}};
  if (def.combiner->kind == ir::CombinerKind::tuple) order = store_order(*def.combiner, state.size());
  std::vector<std::pair<ir::VarId, Expr>> kept;
  for (std::size_t c : order.kept) {
    kept.emplace_back(nest_.vars.add("old"), state[c]);
    state[c] = ir::var(kept.back().first, state[c].dtype());
  }
  const std::vector<Expr> next = ir::combine(*def.combiner, state, value);
  std::vector<Stmt> stores;
  for (std::size_t c : order.order) {
    const View& to = view(def.outputs[c]);
    stores.push_back(ir::store(to.buffer, flat(to, point), next[c]));
  }
  Stmt result = ir::block(std::move(stores));
  for (std::size_t i = kept.size(); i-- > 0;) result = ir::let(kept[i].first, kept[i].second, result);
  return result;
}

}  // namespace tunesmith::schedules
