#include "schedules/sketch_structure.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <unordered_map>
#include <unordered_set>

#include "ir/affine.h"
#include "ir/support/check.h"
#include "ir/traverse.h"
#include "schedules/analytic_access.h"

namespace tunesmith::schedules {

using namespace ir;
using i64 = std::int64_t;

namespace {

/// Step of `flat` from axis value 0 to 1 with the other axes at 0: exact for affine indices.
i64 first_step(const Expr& flat, VarId var, std::size_t variables) {
  Prober prober(variables);
  const i64 origin = prober.eval(flat);
  prober.set(var, 1);
  return prober.eval(flat) - origin;
}

AccessInfo describe(const Kernel& kernel, BufferId id, const std::vector<Expr>& indices,
                    const std::vector<AxisInfo>& axes) {
  const Buffer& buffer = kernel.buffer(id);
  AccessInfo access;
  access.buffer = id;
  access.element_bytes = static_cast<int>(size_bytes(buffer.dtype));
  access.elements = int_value(element_count(buffer));
  access.is_constant = buffer.role == Role::constant;
  access.is_input = buffer.role == Role::constant || buffer.role == Role::input;
  access.flat = flat_index(buffer, indices);
  for (std::size_t d = 0; d < indices.size(); ++d) {
    std::optional<std::size_t> axis;
    if (const auto* v = indices[d].as<Var>())
      for (std::size_t a = 0; a < axes.size(); ++a)
        if (axes[a].var == v->id) axis = a;
    access.dim_axis.push_back(axis);
    access.dim_extent.push_back(int_value(buffer.shape[d]));
  }
  const Affine affine = to_affine(access.flat);
  for (const AxisInfo& axis : axes) {
    const bool hidden = affine.hides(axis.var);
    access.irregular.push_back(hidden);
    access.strides.push_back(hidden ? first_step(access.flat, axis.var, kernel.vars.size())
                                    : affine.coefficient(axis.var));
  }
  return access;
}

void collect_loads(const Kernel& kernel, const Expr& value, StageInfo& info) {
  std::unordered_set<const ExprNode*> guarded;
  walk_once(value, [&](const Expr& e) {
    const bool is_guarded = guarded.contains(&e.node()) || e.as<Select>();
    if (is_guarded) for_each_child(e, [&](const Expr& child) { guarded.insert(&child.node()); });
    if (e.dtype() != index_dtype || e.as<Load>())
      info.widest_bytes = std::max(info.widest_bytes, static_cast<int>(size_bytes(e.dtype())));
    const auto* l = e.as<Load>();
    if (!l) return true;
    AccessInfo access = describe(kernel, l->buffer, l->indices, info.axes);
    access.is_guarded = is_guarded;
    const bool known = std::ranges::any_of(info.loads, [&](const AccessInfo& other) {
      return other.buffer == access.buffer && equal(other.flat, access.flat);
    });
    if (!known) info.loads.push_back(std::move(access));
    return true;
  });
}

/// Axes that some select below `e` compares with a number.
void find_picks(const Expr& e, StageInfo& info) {
  walk_once(e, [&](const Expr& node) {
    if (const auto* choice = node.as<Select>())
      for (std::size_t a = 0; a < info.axes.size(); ++a)
        if (picked_by(*choice, info.axes[a].var)) info.picks[a] = true;
    return true;
  });
}

double slots_below(const Expr& e) {
  double total = 0;
  walk_once(e, [&](const Expr& node) {
    total += operation_slots(node);
    return !node.as<Load>();
  });
  return total;
}

StageKind kind_of(const StageInfo& info) {
  if (!info.stage->is_reduction()) return StageKind::map;
  if (info.stage->outputs.size() > 1 || info.stage->combiner->kind == CombinerKind::tuple)
    return StageKind::tuple;
  return StageKind::reduction;
}

StageInfo analyse_stage(const Kernel& kernel, std::size_t index) {
  StageInfo info;
  info.index = index;
  info.stage = &kernel.stages[index];
  std::vector<Expr> point;
  for (const Axis& axis : info.stage->spatial) {
    info.axes.push_back({axis.var, int_value(axis.extent), false});
    point.push_back(var(axis.var));
  }
  info.spatial_count = info.axes.size();
  for (const Axis& axis : info.stage->reduce) info.axes.push_back({axis.var, int_value(axis.extent), true});
  const BufferId out = info.stage->outputs.at(0);
  info.store = describe(kernel, out, point, info.axes);
  info.widest_bytes = info.store.element_bytes;
  info.picks.assign(info.axes.size(), false);
  for (const Expr& value : info.stage->values) {
    collect_loads(kernel, value, info);
    find_picks(value, info);
  }
  for (BufferId id : info.stage->outputs) info.writes_output |= kernel.buffer(id).role == Role::output;
  info.kind = kind_of(info);
  info.slots = 0;
  for (const Expr& value : info.stage->values) info.slots += slots_below(value);
  if (info.stage->combiner) {
    const auto* product = info.stage->values[0].as<Binary>();
    const bool fused = info.kind == StageKind::reduction && product && product->op == BinaryOp::mul;
    if (!fused) info.slots += 1;
    for (const Expr& update : info.stage->combiner->update) info.slots += slots_below(update);
  }
  return info;
}

void link_stages(KernelInfo& info) {
  std::unordered_map<BufferId, std::size_t> writer;
  for (StageInfo& stage : info.stages) {
    for (const AccessInfo& load : stage.loads) {
      const auto found = writer.find(load.buffer);
      if (found != writer.end()) stage.producers.push_back(found->second);
    }
    std::ranges::sort(stage.producers);
    stage.producers.erase(std::ranges::unique(stage.producers).begin(), stage.producers.end());
    for (std::size_t p : stage.producers) info.stages[p].consumers.push_back(stage.index);
    for (BufferId id : stage.stage->outputs) writer[id] = stage.index;
  }
}

bool contiguous_along(const AccessInfo& load, std::size_t axis) {
  return !load.irregular[axis] && std::abs(load.strides[axis]) == 1;
}

/// Leading spatial axes that a stage and all others of `members` walk together.
std::size_t common_rows(const KernelInfo& info, const std::vector<std::size_t>& members) {
  const StageInfo& last = info.stages[members.back()];
  std::size_t rows = last.spatial_count;
  for (std::size_t m : members) {
    const StageInfo& stage = info.stages[m];
    rows = std::min(rows, stage.spatial_count);
    for (std::size_t a = 0; a < rows; ++a)
      if (stage.axes[a].extent != last.axes[a].extent) rows = a;
    for (const AccessInfo& load : stage.loads) {
      const bool internal = std::ranges::any_of(members, [&](std::size_t p) {
        const auto& outputs = info.stages[p].stage->outputs;
        return std::ranges::find(outputs, load.buffer) != outputs.end();
      });
      if (!internal) continue;
      rows = std::min(rows, load.dim_axis.size());
      for (std::size_t a = 0; a < rows; ++a)
        if (load.dim_axis[a] != a) rows = a;
    }
  }
  return rows;
}

/// Only the last member is seen from outside, and nothing outside stands between two members.
bool is_closed(const KernelInfo& info, const std::vector<std::size_t>& members) {
  auto is_member = [&](std::size_t s) { return std::ranges::find(members, s) != members.end(); };
  for (std::size_t m : members) {
    if (m == members.back()) continue;
    if (info.stages[m].writes_output) return false;
    if (!std::ranges::all_of(info.stages[m].consumers, is_member)) return false;
  }
  // An outside stage that reads no member but feeds one must come before all members.
  for (std::size_t m : members)
    for (std::size_t p : info.stages[m].producers)
      if (!is_member(p) && p > members.front()) return false;
  return true;
}

/// The largest group of rows around the reduction `seed`, empty when there is none.
std::vector<std::size_t> rows_around(const KernelInfo& info, std::size_t seed,
                                     const std::vector<bool>& taken) {
  std::vector<std::size_t> members{seed};
  std::vector<std::size_t> best;
  for (bool grown = true; grown;) {
    grown = false;
    for (std::size_t i = 0; i < members.size() && !grown; ++i) {
      std::vector<std::size_t> near = info.stages[members[i]].producers;
      near.insert(near.end(), info.stages[members[i]].consumers.begin(),
                  info.stages[members[i]].consumers.end());
      for (std::size_t n : near) {
        const StageInfo& stage = info.stages[n];
        if (taken[n] || std::ranges::find(members, n) != members.end()) continue;
        if (stage.kind != StageKind::map && (stage.is_contraction() || !stage.contiguous_reduction()))
          continue;
        std::vector<std::size_t> next = members;
        next.push_back(n);
        std::ranges::sort(next);
        if (common_rows(info, next) == 0) continue;
        members = std::move(next);
        grown = true;
        break;
      }
    }
    if (members.size() > 1 && is_closed(info, members)) best = members;
  }
  return best;
}

/// Maps that follow `anchor` point by point, one after another, each the only reader of the one before.
std::vector<std::size_t> epilogue_of(const KernelInfo& info, std::size_t anchor,
                                     const std::vector<bool>& taken) {
  std::vector<std::size_t> chain;
  std::size_t last = anchor;
  while (info.stages[last].consumers.size() == 1 && !info.stages[last].writes_output) {
    const std::size_t next = info.stages[last].consumers[0];
    const StageInfo& stage = info.stages[next];
    if (taken[next] || stage.kind != StageKind::map || !is_pointwise(info, last, next)) break;
    // Its other operands must exist before the anchor runs.
    const bool ready = std::ranges::all_of(stage.producers, [&](std::size_t p) {
      return p == last || p < anchor || std::ranges::find(chain, p) != chain.end();
    });
    if (!ready) break;
    chain.push_back(next);
    last = next;
  }
  return chain;
}

std::vector<std::size_t> prologue_of(const KernelInfo& info, std::size_t anchor,
                                     const std::vector<bool>& taken) {
  std::vector<std::size_t> result;
  for (std::size_t p : info.stages[anchor].producers) {
    const StageInfo& stage = info.stages[p];
    if (!taken[p] && stage.kind == StageKind::map && stage.consumers.size() == 1 && !stage.writes_output)
      result.push_back(p);
  }
  return result;
}

/// Maps that only `anchor` and other such maps read, in order.
std::vector<std::size_t> private_maps(const KernelInfo& info, std::size_t anchor,
                                      const std::vector<bool>& taken) {
  std::vector<std::size_t> members{anchor};
  for (std::size_t s = anchor; s-- > 0;) {
    const StageInfo& stage = info.stages[s];
    if (taken[s] || stage.kind != StageKind::map || stage.writes_output || stage.consumers.empty()) continue;
    if (std::ranges::all_of(stage.consumers,
                            [&](std::size_t c) { return std::ranges::find(members, c) != members.end(); }))
      members.push_back(s);
  }
  members.erase(members.begin());
  std::ranges::sort(members);
  return members;
}

void form_groups(KernelInfo& info) {
  std::vector<bool> taken(info.stages.size(), false);
  auto take = [&](const StageGroup& group) {
    taken[group.anchor] = true;
    for (std::size_t s : group.epilogue) taken[s] = true;
    for (std::size_t s : group.prologue) taken[s] = true;
  };
  auto add = [&](std::size_t anchor) {
    StageGroup group;
    group.anchor = anchor;
    group.epilogue = epilogue_of(info, anchor, taken);
    group.prologue = prologue_of(info, anchor, taken);
    take(group);
    info.groups.push_back(std::move(group));
  };
  for (const StageInfo& stage : info.stages)
    if (stage.kind != StageKind::map && (stage.is_contraction() || !stage.contiguous_reduction()))
      add(stage.index);
  for (const StageInfo& stage : info.stages) {
    if (taken[stage.index] || stage.kind == StageKind::map) continue;
    const std::vector<std::size_t> rows = rows_around(info, stage.index, taken);
    if (rows.size() <= 1 + epilogue_of(info, stage.index, taken).size()) {
      add(stage.index);
      continue;
    }
    StageGroup group;
    group.anchor = rows.back();
    group.prologue.assign(rows.begin(), rows.end() - 1);
    group.row_axes = common_rows(info, rows);
    take(group);
    info.groups.push_back(std::move(group));
  }
  // What is left are maps: the last of a chain is the anchor, the maps that only the chain reads its
  // prologue.
  for (std::size_t s = info.stages.size(); s-- > 0;) {
    if (taken[s]) continue;
    StageGroup group;
    group.anchor = s;
    group.prologue = private_maps(info, s, taken);
    take(group);
    info.groups.push_back(std::move(group));
  }
  std::ranges::sort(info.groups, {}, &StageGroup::anchor);
}

i64 product(const std::vector<AxisInfo>& axes, std::size_t first, std::size_t last) {
  i64 points = 1;
  for (std::size_t a = first; a < last; ++a) points *= axes[a].extent;
  return points;
}

}  // namespace

i64 StageInfo::spatial_points() const { return product(axes, 0, spatial_count); }
i64 StageInfo::reduce_points() const { return product(axes, spatial_count, axes.size()); }

double operation_slots(const Expr& e) {
  if (e.as<Load>() || e.as<Var>() || e.as<IntImm>() || e.as<FloatImm>()) return 0;
  if (const auto* u = e.as<Unary>()) {
    switch (u->op) {
      case UnaryOp::neg:
      case UnaryOp::abs:
      case UnaryOp::floor:
      case UnaryOp::ceil:
      case UnaryOp::round_even:
      case UnaryOp::trunc:
      case UnaryOp::sign:
      case UnaryOp::is_nan:
      case UnaryOp::is_inf:
      case UnaryOp::logical_not:
      case UnaryOp::bit_not: return 1;
      case UnaryOp::sqrt:
      case UnaryOp::rsqrt:
      case UnaryOp::reciprocal: return 9;
      default: return 15;
    }
  }
  if (const auto* b = e.as<Binary>()) {
    switch (b->op) {
      case BinaryOp::div: return 9;
      case BinaryOp::mod:
      case BinaryOp::floor_div:
      case BinaryOp::floor_mod: return 20;
      case BinaryOp::pow:
      case BinaryOp::atan2: return 40;
      default: return 1;
    }
  }
  return 1;
}

bool StageInfo::has_reuse(std::size_t axis) const {
  for (const AccessInfo& load : loads) {
    if (!load.uses(axis)) return true;
    if (load.irregular[axis]) continue;
    for (std::size_t r = spatial_count; r < axes.size(); ++r)
      if (axes[r].extent > 1 && load.strides[r] != 0 && !load.irregular[r] &&
          std::abs(load.strides[axis]) < std::abs(load.strides[r]) * axes[r].extent &&
          std::abs(load.strides[axis]) % std::abs(load.strides[r]) == 0)
        return true;
  }
  return false;
}

std::optional<std::size_t> StageInfo::unit_axis() const {
  std::optional<std::size_t> best;
  for (std::size_t a = 0; a < spatial_count; ++a)
    if (std::abs(store.strides[a]) == 1 && axes[a].extent > 1) best = a;
  return best;
}

bool StageInfo::is_contraction() const {
  if (kind != StageKind::reduction) return false;
  return std::ranges::any_of(loads, [&](const AccessInfo& load) {
    bool walks = false;
    for (std::size_t r = spatial_count; r < axes.size(); ++r) walks |= axes[r].extent > 1 && load.uses(r);
    bool spared = false;
    for (std::size_t a = 0; a < spatial_count; ++a) spared |= axes[a].extent > 1 && !load.uses(a);
    return walks && spared;
  });
}

std::optional<std::size_t> StageInfo::contiguous_reduction() const {
  const auto unit = unit_axis();
  std::optional<std::size_t> best;
  bool other_is_straight = false;
  for (const AccessInfo& load : loads) {
    bool walks = false;
    for (std::size_t r = spatial_count; r < axes.size(); ++r) walks |= axes[r].extent > 1 && load.uses(r);
    if (unit && walks && contiguous_along(load, *unit)) other_is_straight = true;
    for (std::size_t r = spatial_count; r < axes.size(); ++r)
      if (axes[r].extent > 1 && contiguous_along(load, r) && (!best || axes[r].extent > axes[*best].extent))
        best = r;
  }
  return other_is_straight ? std::nullopt : best;
}

std::optional<i64> picked_by(const Select& choice, VarId var) {
  const auto* compared = choice.condition.as<Binary>();
  if (!compared || compared->op != BinaryOp::eq) return std::nullopt;
  const auto* v = compared->a.as<Var>();
  const auto* number = compared->b.as<IntImm>();
  return v && number && v->id == var ? std::optional(number->value) : std::nullopt;
}

bool is_pointwise(const KernelInfo& info, std::size_t producer, std::size_t consumer) {
  const StageInfo& from = info.stages[producer];
  const StageInfo& to = info.stages[consumer];
  if (from.spatial_count != to.spatial_count) return false;
  for (std::size_t a = 0; a < from.spatial_count; ++a)
    if (from.axes[a].extent != to.axes[a].extent) return false;
  bool reads = false;
  bool aligned = true;
  for (const Expr& value : to.stage->values)
    walk_once(value, [&](const Expr& e) {
      const auto* l = e.as<Load>();
      if (!l || std::ranges::find(from.stage->outputs, l->buffer) == from.stage->outputs.end()) return true;
      reads = true;
      for (std::size_t a = 0; a < from.spatial_count; ++a) {
        const auto* v = l->indices[a].as<Var>();
        const bool broadcast = from.axes[a].extent == 1 && is_int(l->indices[a], 0);
        aligned &= broadcast || (v && v->id == to.axes[a].var);
      }
      return true;
    });
  return reads && aligned;
}

KernelInfo analyse(const Kernel& kernel) {
  KernelInfo info;
  info.kernel = &kernel;
  for (std::size_t s = 0; s < kernel.stages.size(); ++s)
    info.stages.push_back(analyse_stage(kernel, s));
  link_stages(info);
  form_groups(info);
  return info;
}

}  // namespace tunesmith::schedules
