#include "schedules/sketch_structure.h"

#include <algorithm>
#include <cstdlib>
#include <unordered_map>

#include "ir/affine.h"
#include "ir/simplify.h"
#include "ir/support/check.h"
#include "ir/traverse.h"

namespace tunesmith::schedules {

using namespace ir;
using i64 = std::int64_t;

namespace {

constexpr i64 unbounded_symbol = 64;

/// Extents with every symbol at its upper bound.
class Sizes {
 public:
  explicit Sizes(const Kernel& kernel) {
    for (const Symbol& s : kernel.symbols) bindings_[s.var] = Expr(s.max > 0 ? s.max : unbounded_symbol);
  }
  i64 of(const Expr& e) const {
    if (const auto* value = as_int(e)) return *value;
    const Expr bound = simplify(substitute(e, bindings_));
    return int_value(bound);
  }
  Expr bind(const Expr& e) const { return bindings_.empty() ? e : substitute(e, bindings_); }

 private:
  Bindings bindings_;
};

/// Step of `flat` from axis value 0 to 1 with the other axes at 0: exact for affine indices.
i64 first_step(const Expr& flat, VarId var, const std::vector<AxisInfo>& axes) {
  Bindings at;
  for (const AxisInfo& axis : axes) at[axis.var] = Expr(0);
  const Expr origin = simplify(substitute(flat, at));
  at[var] = Expr(1);
  const Expr next = simplify(substitute(flat, at));
  const auto* a = as_int(origin);
  const auto* b = as_int(next);
  return a && b ? *b - *a : 0;
}

AccessInfo describe(const Kernel& kernel, const Sizes& sizes, BufferId id, const std::vector<Expr>& indices,
                    const std::vector<AxisInfo>& axes) {
  const Buffer& buffer = kernel.buffer(id);
  AccessInfo access;
  access.buffer = id;
  access.element_bytes = static_cast<int>(size_bytes(buffer.dtype));
  access.elements = sizes.of(element_count(buffer));
  access.is_constant = buffer.role == Role::constant;
  access.is_input = buffer.role == Role::constant || buffer.role == Role::input;
  access.flat = sizes.bind(flat_index(buffer, indices));
  const Affine affine = to_affine(access.flat);
  for (const AxisInfo& axis : axes) {
    const bool hidden = affine.hides(axis.var);
    access.irregular.push_back(hidden);
    access.strides.push_back(hidden ? first_step(access.flat, axis.var, axes) : affine.coefficient(axis.var));
  }
  return access;
}

void collect_loads(const Kernel& kernel, const Sizes& sizes, const Expr& e, bool guarded, StageInfo& info) {
  if (const auto* l = e.as<Load>()) {
    const AccessInfo access = describe(kernel, sizes, l->buffer, l->indices, info.axes);
    const bool known = std::ranges::any_of(info.loads, [&](const AccessInfo& other) {
      return other.buffer == access.buffer && equal(other.flat, access.flat);
    });
    if (!known) {
      info.loads.push_back(access);
      info.loads.back().is_guarded = guarded;
    }
    info.widest_bytes = std::max(info.widest_bytes, access.element_bytes);
  } else if (e.dtype() != index_dtype) {
    info.widest_bytes = std::max(info.widest_bytes, static_cast<int>(size_bytes(e.dtype())));
  }
  const bool is_select = e.as<Select>() != nullptr;
  for_each_child(e,
                 [&](const Expr& child) { collect_loads(kernel, sizes, child, guarded || is_select, info); });
}

const Load* below_casts(const Expr& e) {
  if (const auto* c = e.as<Cast>()) return below_casts(c->a);
  if (const auto* s = e.as<Select>()) {  // a guarded load: padding folded into the operand
    const Load* yes = below_casts(s->yes);
    return yes ? yes : below_casts(s->no);
  }
  return e.as<Load>();
}

bool is_product_of_loads(const Expr& value) {
  if (const auto* c = value.as<Cast>()) return is_product_of_loads(c->a);
  const auto* b = value.as<Binary>();
  return b && b->op == BinaryOp::mul && below_casts(b->a) && below_casts(b->b);
}

/// A contraction has spatial axes that only one of its two operands uses.
bool is_contraction(const StageInfo& info) {
  const Stage& stage = *info.stage;
  if (!stage.combiner || stage.combiner->kind != CombinerKind::sum || info.loads.size() != 2) return false;
  if (stage.values.size() != 1 || !is_product_of_loads(stage.values[0])) return false;
  for (std::size_t a = 0; a < info.spatial_count; ++a)
    if (info.axes[a].extent > 1 && info.loads[0].uses(a) != info.loads[1].uses(a)) return true;
  return false;
}

StageKind kind_of(const StageInfo& info) {
  if (!info.stage->is_reduction()) return StageKind::map;
  if (info.stage->outputs.size() > 1 || info.stage->combiner->kind == CombinerKind::tuple)
    return StageKind::tuple;
  return is_contraction(info) ? StageKind::contraction : StageKind::reduction;
}

StageInfo analyse_stage(const Kernel& kernel, const Sizes& sizes, std::size_t index) {
  StageInfo info;
  info.index = index;
  info.stage = &kernel.stages[index];
  std::vector<Expr> point;
  for (const Axis& axis : info.stage->spatial) {
    info.axes.push_back({axis.var, sizes.of(axis.extent), false});
    point.push_back(var(axis.var));
  }
  info.spatial_count = info.axes.size();
  for (const Axis& axis : info.stage->reduce) info.axes.push_back({axis.var, sizes.of(axis.extent), true});
  const BufferId out = info.stage->outputs.at(0);
  info.store = describe(kernel, sizes, out, point, info.axes);
  info.widest_bytes = info.store.element_bytes;
  for (const Expr& value : info.stage->values) collect_loads(kernel, sizes, value, false, info);
  for (BufferId id : info.stage->outputs) info.writes_output |= kernel.buffer(id).role == Role::output;
  info.kind = kind_of(info);
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
    if (stage.kind == StageKind::contraction) add(stage.index);
  for (const StageInfo& stage : info.stages)
    if (!taken[stage.index] && stage.kind != StageKind::map) add(stage.index);
  // What is left are maps: the last of a chain is the anchor, the maps that only it reads its prologue.
  for (std::size_t s = info.stages.size(); s-- > 0;) {
    if (taken[s]) continue;
    StageGroup group;
    group.anchor = s;
    group.prologue = prologue_of(info, s, taken);
    for (std::size_t i = 0; i < group.prologue.size(); ++i)
      for (std::size_t p : prologue_of(info, group.prologue[i], taken))
        if (std::ranges::find(group.prologue, p) == group.prologue.end()) group.prologue.push_back(p);
    std::ranges::sort(group.prologue);
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

std::optional<std::size_t> StageInfo::unit_axis() const {
  std::optional<std::size_t> best;
  for (std::size_t a = 0; a < spatial_count; ++a)
    if (std::abs(store.strides[a]) == 1 && axes[a].extent > 1) best = a;
  return best;
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
    walk(value, [&](const Expr& e) {
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
  const Sizes sizes(kernel);
  for (std::size_t s = 0; s < kernel.stages.size(); ++s)
    info.stages.push_back(analyse_stage(kernel, sizes, s));
  link_stages(info);
  form_groups(info);
  return info;
}

}  // namespace tunesmith::schedules
