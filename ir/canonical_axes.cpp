#include "ir/canonical_axes.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "ir/support/check.h"
#include "ir/traverse.h"

namespace tunesmith::ir {
namespace {

/// Replaces every load of every stage by what `change` gives (nullopt: as it is).
template <class Change>
void rewrite_loads(Stage& stage, Change&& change) {
  for (Expr& value : stage.values)
    value = rewrite(value, [&](const Expr& e) -> std::optional<Expr> {
      const auto* l = e.as<Load>();
      return l ? change(*l) : std::nullopt;
    });
}

bool is_blocked(const Buffer& buffer, std::size_t dim) {
  return std::ranges::any_of(buffer.layout.order, [&](const LayoutDim& entry) {
    return static_cast<std::size_t>(entry.dim) == dim && entry.block != 0;
  });
}

void clear_if_identity(Layout& layout) {
  for (std::size_t p = 0; p < layout.order.size(); ++p)
    if (layout.order[p].block != 0 || static_cast<std::size_t>(layout.order[p].dim) != p) return;
  layout.order.clear();
}

/// Takes `dim` out of the shape and the layout of a buffer. REQUIRES: it is not blocked.
void remove_dim(Buffer& buffer, std::size_t dim) {
  buffer.shape.erase(buffer.shape.begin() + static_cast<std::ptrdiff_t>(dim));
  const auto gone = static_cast<std::int32_t>(dim);
  std::erase_if(buffer.layout.order, [&](const LayoutDim& entry) { return entry.dim == gone; });
  for (LayoutDim& entry : buffer.layout.order)
    if (entry.dim > gone) --entry.dim;
  clear_if_identity(buffer.layout);
}

bool is_given(const Buffer& buffer) { return buffer.role == Role::input || buffer.role == Role::constant; }

// --- undo_permutations ---

bool only_permutes(const Buffer& buffer) {
  return !buffer.layout.is_row_major() &&
         std::ranges::all_of(buffer.layout.order, [](const LayoutDim& entry) { return entry.block == 0; });
}

template <class T>
std::vector<T> permuted(const std::vector<T>& list, const Layout& layout) {
  std::vector<T> result;
  for (const LayoutDim& entry : layout.order) result.push_back(list[static_cast<std::size_t>(entry.dim)]);
  return result;
}

void undo_permutation(Kernel& kernel, const std::vector<BufferId>& ids) {
  const Layout layout = kernel.buffer(ids.front()).layout;
  for (BufferId id : ids) {
    Buffer& buffer = kernel.buffer(id);
    buffer.shape = permuted(buffer.shape, layout);
    buffer.layout = {};
  }
  for (Stage& stage : kernel.stages)
    rewrite_loads(stage, [&](const Load& l) -> std::optional<Expr> {
      if (std::ranges::find(ids, l.buffer) == ids.end()) return std::nullopt;
      return load(l.buffer, l.dtype, permuted(l.indices, layout));
    });
  for (Stage& stage : kernel.stages)
    if (stage.outputs == ids) stage.spatial = permuted(stage.spatial, layout);
}

// --- drop_unit_axes ---

void drop_dim_of_loads(Kernel& kernel, BufferId id, std::size_t dim) {
  for (Stage& stage : kernel.stages)
    rewrite_loads(stage, [&](const Load& l) -> std::optional<Expr> {
      if (l.buffer != id) return std::nullopt;
      std::vector<Expr> indices = l.indices;
      indices.erase(indices.begin() + static_cast<std::ptrdiff_t>(dim));
      return load(id, l.dtype, std::move(indices));
    });
}

void substitute_zero(Stage& stage, VarId id) {
  for (Expr& value : stage.values) value = substitute(value, {{id, Expr(0)}});
}

void drop_unit_spatial(Kernel& kernel, Stage& stage) {
  for (std::size_t d = stage.spatial.size(); d-- > 0;) {
    const bool blocked =
        std::ranges::any_of(stage.outputs, [&](BufferId id) { return is_blocked(kernel.buffer(id), d); });
    if (!is_int(stage.spatial[d].extent, 1) || blocked) continue;
    substitute_zero(stage, stage.spatial[d].var);
    stage.spatial.erase(stage.spatial.begin() + static_cast<std::ptrdiff_t>(d));
    for (BufferId id : stage.outputs) {
      remove_dim(kernel.buffer(id), d);
      drop_dim_of_loads(kernel, id, d);
    }
  }
}

void drop_unit_reduce(Stage& stage) {
  for (std::size_t d = stage.reduce.size(); d-- > 0 && stage.reduce.size() > 1;) {
    if (!is_int(stage.reduce[d].extent, 1)) continue;
    substitute_zero(stage, stage.reduce[d].var);
    stage.reduce.erase(stage.reduce.begin() + static_cast<std::ptrdiff_t>(d));
  }
}

// --- merge_axes ---

struct AxisPlace {
  std::size_t stage;
  bool reduce;
  std::size_t first;  // merges with first + 1
  auto operator<=>(const AxisPlace&) const = default;
};
struct DimPlace {
  std::uint32_t buffer;
  std::size_t first;
  auto operator<=>(const DimPlace&) const = default;
};

/// The merges that one merge entails, or the finding that one of them is not legal.
class Closure {
 public:
  explicit Closure(const Kernel& kernel) : kernel_(kernel) {}

  bool build(const AxisPlace& start) { return merge_axes_at(start); }
  const std::set<AxisPlace>& axes() const { return axes_; }
  const std::set<DimPlace>& dims() const { return dims_; }

 private:
  const std::vector<Axis>& axes_of(const AxisPlace& place) const {
    const Stage& stage = kernel_.stages[place.stage];
    return place.reduce ? stage.reduce : stage.spatial;
  }

  bool merge_axes_at(const AxisPlace& place) {
    if (!axes_.insert(place).second) return true;
    const auto& axes = axes_of(place);
    // A product of two symbols would not say any more what each of them is.
    if (!as_int(axes[place.first].extent) && !as_int(axes[place.first + 1].extent)) return false;
    for (const std::size_t other : {place.first + 1, place.first - 1})
      if (axes_.contains({place.stage, place.reduce, other})) return false;  // three in one go: not this time
    if (!place.reduce)
      for (BufferId id : kernel_.stages[place.stage].outputs)
        if (!merge_dims_at({index_of(id), place.first})) return false;
    return std::ranges::all_of(kernel_.stages[place.stage].values, [&](const Expr& value) {
      std::unordered_set<const ExprNode*> seen;
      return uses_are_contiguous(value, axes[place.first], axes[place.first + 1], seen);
    });
  }

  /// p and q appear only as neighbouring indices of dimensions that can merge. Nodes in `seen` are fine.
  bool uses_are_contiguous(const Expr& e, const Axis& p, const Axis& q,
                           std::unordered_set<const ExprNode*>& seen) {
    if (!seen.insert(&e.node()).second) return true;
    if (const auto* v = e.as<Var>()) return v->id != p.var && v->id != q.var;
    const auto* l = e.as<Load>();
    bool legal = true;
    for (std::size_t d = 0; l && legal && d < l->indices.size(); ++d) {
      if (d + 1 < l->indices.size() && is_var(l->indices[d], p.var) && is_var(l->indices[d + 1], q.var)) {
        const Buffer& buffer = kernel_.buffer(l->buffer);
        legal = equal(buffer.shape[d], p.extent) && equal(buffer.shape[d + 1], q.extent) &&
                merge_dims_at({index_of(l->buffer), d});
        ++d;
      } else {
        legal = uses_are_contiguous(l->indices[d], p, q, seen);
      }
    }
    if (l) return legal;
    for_each_child(e, [&](const Expr& child) { legal = legal && uses_are_contiguous(child, p, q, seen); });
    return legal;
  }

  static bool is_var(const Expr& e, VarId id) {
    const auto* v = e.as<Var>();
    return v && v->id == id;
  }

  bool merge_dims_at(const DimPlace& place) {
    if (!dims_.insert(place).second) return true;
    for (const std::size_t other : {place.first + 1, place.first - 1})
      if (dims_.contains({place.buffer, other})) return false;
    const Buffer& buffer = kernel_.buffers[place.buffer];
    if (!are_adjacent(buffer, place.first)) return false;
    for (std::size_t s = 0; s < kernel_.stages.size(); ++s) {
      const Stage& stage = kernel_.stages[s];
      const bool writes = std::ranges::find(stage.outputs, BufferId{place.buffer}) != stage.outputs.end();
      if (writes && !merge_axes_at({s, false, place.first})) return false;
      for (const Expr& value : stage.values) {
        std::unordered_set<const ExprNode*> seen;
        if (!loads_can_merge(value, s, place, seen)) return false;
      }
    }
    return true;
  }

  static bool are_adjacent(const Buffer& buffer, std::size_t first) {
    if (is_blocked(buffer, first) || is_blocked(buffer, first + 1)) return false;
    const auto& order = buffer.layout.order;
    const auto p = std::ranges::find(order, static_cast<std::int32_t>(first), &LayoutDim::dim);
    return order.empty() || (p + 1 != order.end() && static_cast<std::size_t>((p + 1)->dim) == first + 1);
  }

  /// Every load of the buffer in a value walks the two dimensions by two neighbouring axes.
  bool loads_can_merge(const Expr& e, std::size_t stage, const DimPlace& place,
                       std::unordered_set<const ExprNode*>& seen) {
    if (!seen.insert(&e.node()).second) return true;
    if (const auto* l = e.as<Load>(); l && index_of(l->buffer) == place.buffer) {
      const auto axes = axes_named(stage, l->indices[place.first], l->indices[place.first + 1]);
      if (!axes || !merge_axes_at(*axes)) return false;
    }
    bool legal = true;
    for_each_child(e,
                   [&](const Expr& child) { legal = legal && loads_can_merge(child, stage, place, seen); });
    return legal;
  }

  std::optional<AxisPlace> axes_named(std::size_t stage, const Expr& p, const Expr& q) const {
    const auto* first = p.as<Var>();
    const auto* second = q.as<Var>();
    if (!first || !second) return std::nullopt;
    for (const bool reduce : {false, true}) {
      const auto& axes = reduce ? kernel_.stages[stage].reduce : kernel_.stages[stage].spatial;
      for (std::size_t a = 0; a + 1 < axes.size(); ++a)
        if (axes[a].var == first->id && axes[a + 1].var == second->id) return AxisPlace{stage, reduce, a};
    }
    return std::nullopt;
  }

  const Kernel& kernel_;
  std::set<AxisPlace> axes_;
  std::set<DimPlace> dims_;
};

/// Merges the axes in place; loads of the merged dimensions follow from merge_dims().
void merge_pair(Kernel& kernel, const AxisPlace& place) {
  Stage& stage = kernel.stages[place.stage];
  auto& axes = place.reduce ? stage.reduce : stage.spatial;
  axes[place.first].extent = axes[place.first].extent * axes[place.first + 1].extent;
  axes.erase(axes.begin() + static_cast<std::ptrdiff_t>(place.first + 1));
}

/// The first of the two axes takes the place of both in every load.
void merge_dims(Kernel& kernel, const DimPlace& place) {
  Buffer& buffer = kernel.buffers[place.buffer];
  buffer.shape[place.first] = buffer.shape[place.first] * buffer.shape[place.first + 1];
  remove_dim(buffer, place.first + 1);
  drop_dim_of_loads(kernel, BufferId{place.buffer}, place.first + 1);
}

bool merge_once(Kernel& kernel) {
  for (std::size_t s = 0; s < kernel.stages.size(); ++s)
    for (const bool reduce : {false, true}) {
      const std::size_t count = (reduce ? kernel.stages[s].reduce : kernel.stages[s].spatial).size();
      for (std::size_t a = 0; a + 1 < count; ++a) {
        Closure closure(kernel);
        if (!closure.build({s, reduce, a})) continue;
        // From the last place to the first, so that earlier places keep their meaning.
        for (auto it = closure.dims().rbegin(); it != closure.dims().rend(); ++it) merge_dims(kernel, *it);
        for (auto it = closure.axes().rbegin(); it != closure.axes().rend(); ++it) merge_pair(kernel, *it);
        return true;
      }
    }
  return false;
}

}  // namespace

void undo_permutations(Kernel& kernel) {
  for (std::uint32_t i = 0; i < kernel.buffers.size(); ++i)
    if (is_given(kernel.buffers[i]) && only_permutes(kernel.buffers[i]))
      undo_permutation(kernel, {BufferId{i}});
  for (const Stage& stage : kernel.stages) {
    const Buffer& first = kernel.buffer(stage.outputs.front());
    const bool agree = std::ranges::all_of(
        stage.outputs, [&](BufferId id) { return kernel.buffer(id).layout == first.layout; });
    if (agree && only_permutes(first)) undo_permutation(kernel, std::vector(stage.outputs));
  }
}

void drop_unit_axes(Kernel& kernel) {
  for (std::uint32_t i = 0; i < kernel.buffers.size(); ++i) {
    if (!is_given(kernel.buffers[i])) continue;
    for (std::size_t d = kernel.buffers[i].shape.size(); d-- > 0;) {
      if (!is_int(kernel.buffers[i].shape[d], 1) || is_blocked(kernel.buffers[i], d)) continue;
      remove_dim(kernel.buffers[i], d);
      drop_dim_of_loads(kernel, BufferId{i}, d);
    }
  }
  for (Stage& stage : kernel.stages) {
    drop_unit_spatial(kernel, stage);
    drop_unit_reduce(stage);
  }
}

void merge_axes(Kernel& kernel) {
  while (merge_once(kernel)) {
  }
}

}  // namespace tunesmith::ir
