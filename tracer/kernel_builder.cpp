#include "tracer/kernel_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <unordered_map>

#include "ir/simplify.h"
#include "ir/support/check.h"
#include "ir/traverse.h"
#include "ir/verify.h"
#include "tracer/axis_order.h"

namespace tunesmith::tracer {

using namespace ir;

namespace {

/// The target of a view that only loads. The buffer's dimensions are those of the tensor in `order`.
struct BufferRead {
  BufferId buffer{};
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  Layout order;
  Expr operator()(std::span<const Expr> indices) const {
    return load(buffer, dtype, to_ordered(order, shape, indices));
  }
};

/// Enough for the few places at which a group reads one value (a window's neighbours are new places each).
constexpr std::size_t remembered_places = 4;

struct Memo {
  TensorView view;
  std::deque<std::pair<std::vector<Expr>, Expr>> places;

  Expr at(std::span<const Expr> indices) {
    for (const auto& [known, value] : places)
      if (std::ranges::equal(known, indices, [](const Expr& a, const Expr& b) { return equal(a, b); }))
        return value;
    Expr value = view(indices);
    places.emplace_front(std::vector<Expr>(indices.begin(), indices.end()), value);
    if (places.size() > remembered_places) places.pop_back();
    return value;
  }
};

std::vector<Expr> to_exprs(const std::vector<std::int64_t>& extents) {
  return {extents.begin(), extents.end()};
}

/// Marks the buffers that outputs need, walking the stages from the last to the first.
std::vector<bool> needed_buffers(const Kernel& kernel) {
  std::vector<bool> needed;
  for (const Buffer& buffer : kernel.buffers) needed.push_back(buffer.role != Role::temp);
  std::unordered_set<const ExprNode*> seen;
  auto mark = [&](const Expr& e) {
    walk(e, [&](const Expr& node) {
      if (!seen.insert(&node.node()).second) return false;
      if (const auto* l = node.as<Load>()) needed[index_of(l->buffer)] = true;
      return true;
    });
  };
  for (auto stage = kernel.stages.rbegin(); stage != kernel.stages.rend(); ++stage) {
    const bool wanted =
        std::ranges::any_of(stage->outputs, [&](BufferId id) { return needed[index_of(id)]; });
    if (!wanted) continue;
    for (BufferId id : stage->outputs) needed[index_of(id)] = true;
    for (const Expr& value : stage->values) mark(value);
  }
  return needed;
}

/// Loads refer to the new numbers; shared sub-expressions are rewritten once.
class BufferRenumbering {
 public:
  explicit BufferRenumbering(std::vector<BufferId> to) : to_(std::move(to)) {}
  BufferId operator()(BufferId id) const { return to_[index_of(id)]; }
  Expr operator()(const Expr& e) const {
    return rewrite(e, [&](const Expr& node) -> std::optional<Expr> {
      const auto* l = node.as<Load>();
      if (!l || to_[index_of(l->buffer)] == l->buffer) return std::nullopt;
      return load(to_[index_of(l->buffer)], l->dtype, l->indices);
    });
  }

 private:
  std::vector<BufferId> to_;
};

}  // namespace

std::optional<BufferId> buffer_of(const TensorView& view) {
  const auto* read = view.at.target<BufferRead>();
  return read ? std::optional(read->buffer) : std::nullopt;
}

TensorView memoised(TensorView view) {
  if (buffer_of(view)) return view;
  TensorView result{view.dtype, view.shape, {}};
  auto memo = std::make_shared<Memo>(Memo{std::move(view), {}});
  result.at = [memo](std::span<const Expr> indices) { return memo->at(indices); };
  return result;
}

KernelBuilder::KernelBuilder(std::string name, Numerics numerics) {
  kernel_.name = std::move(name);
  kernel_.numerics = numerics;
}

std::string KernelBuilder::unique_stage_name(std::string name) {
  if (stage_names_.insert(name).second) return name;
  for (int i = 1;; ++i)
    if (auto candidate = fmt::format("{}.{}", name, i); stage_names_.insert(candidate).second)
      return candidate;
}

void KernelBuilder::set_axis_order(std::vector<std::int32_t> order) { axis_order_ = std::move(order); }

void KernelBuilder::split_axis(const std::vector<std::int64_t>& shape, std::int32_t dim, std::int64_t inner) {
  const bool known =
      std::ranges::any_of(splits_, [&](const SplitAxis& s) { return s.shape == shape && s.dim == dim; });
  if (!known) splits_.push_back({shape, dim, inner});
}

void KernelBuilder::set_stage_order(std::vector<std::int64_t> shape, Layout order) {
  stage_orders_.insert_or_assign(std::move(shape), std::move(order));
}

Layout KernelBuilder::stage_order(const std::vector<std::int64_t>& shape) const {
  if (const auto given = stage_orders_.find(shape); given != stage_orders_.end()) return given->second;
  Layout order;
  if (shape.size() == axis_order_.size()) order = Layout::permutation(axis_order_);
  for (const SplitAxis& split : splits_)
    if (split.shape == shape) order = with_split(order, shape.size(), split.dim, split.inner);
  return order;
}

std::vector<Expr> KernelBuilder::add_axes(std::vector<Axis>& axes, std::string_view prefix,
                                          const std::vector<std::int64_t>& extents) {
  std::vector<Expr> indices;
  for (std::size_t d = 0; d < extents.size(); ++d) {
    axes.push_back({kernel_.vars.add(fmt::format("{}{}", prefix, d)), extents[d]});
    indices.push_back(var(axes.back().var));
  }
  return indices;
}

KernelBuilder::OpenStage KernelBuilder::open_stage(std::string name, std::vector<std::int64_t> shape,
                                                   Layout order) {
  OpenStage open;
  open.stage.name = unique_stage_name(std::move(name));
  open.shape = std::move(shape);
  open.order = std::move(order);
  const auto axes = add_axes(open.stage.spatial, "i", ordered_extents(open.order, open.shape));
  open.indices = from_ordered(open.order, open.shape, axes);
  return open;
}

TensorView KernelBuilder::add_result(OpenStage& open, const std::string& name, DType dtype) {
  const BufferId id = kernel_.add_buffer(
      {name, dtype, to_exprs(ordered_extents(open.order, open.shape)), Role::temp, Scope::global, {}});
  open.stage.outputs.push_back(id);
  return {dtype, open.shape, BufferRead{id, dtype, open.shape, open.order}};
}

TensorView KernelBuilder::input(std::string name, DType dtype, std::vector<std::int64_t> shape, bool constant,
                                Layout layout) {
  const Role role = constant ? Role::constant : Role::input;
  const BufferId id = kernel_.add_buffer(
      {std::move(name), dtype, to_exprs(ordered_extents(layout, shape)), role, Scope::global, {}});
  return {dtype, shape, BufferRead{id, dtype, shape, std::move(layout)}};
}

TensorView KernelBuilder::map_in_order(std::string name, const TensorView& view, Layout order) {
  OpenStage open = open_stage(std::move(name), view.shape, std::move(order));
  open.stage.values = {view(open.indices)};
  TensorView result = add_result(open, open.stage.name, view.dtype);
  kernel_.stages.push_back(std::move(open.stage));
  return result;
}

TensorView KernelBuilder::map(std::string name, DType dtype, std::vector<std::int64_t> shape,
                              const std::function<Expr(std::span<const Expr> indices)>& value) {
  Layout order = stage_order(shape);
  return map_in_order(std::move(name), {dtype, std::move(shape), value}, std::move(order));
}

TensorView KernelBuilder::materialise(std::string name, const TensorView& view) {
  if (buffer_of(view)) return view;
  return map(std::move(name), view.dtype, view.shape, view.at);
}

TensorView KernelBuilder::reduce(
    std::string name, DType dtype, std::vector<std::int64_t> shape, std::vector<std::int64_t> reduce_extents,
    CombinerKind combiner,
    const std::function<Expr(std::span<const Expr> indices, std::span<const Expr> reduce)>& value) {
  if (reduce_extents.empty())
    return map(std::move(name), dtype, std::move(shape),
               [&](std::span<const Expr> indices) { return value(indices, {}); });
  Layout order = stage_order(shape);
  OpenStage open = open_stage(std::move(name), std::move(shape), std::move(order));
  const std::vector<Expr> reduced = add_axes(open.stage.reduce, "r", reduce_extents);
  open.stage.values = {value(open.indices, reduced)};
  open.stage.combiner = plain_combiner(combiner, dtype);
  TensorView result = add_result(open, open.stage.name, dtype);
  kernel_.stages.push_back(std::move(open.stage));
  return result;
}

std::vector<TensorView> KernelBuilder::reduce_tuple(
    std::string name, std::vector<std::int64_t> shape, std::vector<std::int64_t> reduce_extents,
    std::vector<TupleComponent> components,
    const std::function<std::vector<Expr>(std::span<const Expr> indices, std::span<const Expr> reduce)>&
        values,
    const std::function<std::vector<Expr>(std::span<const Expr> state, std::span<const Expr> value)>&
        update) {
  TS_CHECK(!reduce_extents.empty(), "a tuple reduction without axes");
  Layout order = stage_order(shape);
  OpenStage open = open_stage(std::move(name), std::move(shape), std::move(order));
  const std::vector<Expr> reduced = add_axes(open.stage.reduce, "r", reduce_extents);
  open.stage.values = values(open.indices, reduced);
  TS_CHECK(open.stage.values.size() == components.size(), "a tuple reduction needs one value a component");
  Combiner combiner;
  combiner.kind = CombinerKind::tuple;
  std::vector<Expr> state, value;
  std::vector<TensorView> views;
  for (std::size_t c = 0; c < components.size(); ++c) {
    combiner.identity.push_back(components[c].identity);
    combiner.state.push_back(kernel_.vars.add(fmt::format("s{}", c)));
    combiner.value.push_back(kernel_.vars.add(fmt::format("v{}", c)));
    state.push_back(var(combiner.state.back(), components[c].dtype));
    value.push_back(var(combiner.value.back(), components[c].dtype));
    views.push_back(add_result(open, fmt::format("{}.{}", open.stage.name, c), components[c].dtype));
  }
  combiner.update = update(state, value);
  open.stage.combiner = std::move(combiner);
  kernel_.stages.push_back(std::move(open.stage));
  return views;
}

/// A stage whose buffer holds exactly the elements of `view` at the points of `order`, so that no copy of
/// it is needed (a transpose of a stage's result seen in the stage's own order).
std::optional<TensorView> KernelBuilder::stage_already_holding(const TensorView& view, const Layout& order) {
  std::vector<Expr> axes;
  VarRanges ranges;
  VarTable scratch = kernel_.vars;
  const std::vector<std::int64_t> extents = ordered_extents(order, view.shape);
  for (std::int64_t extent : extents) {
    const VarId id = scratch.add("i");
    ranges[id] = {0, extent - 1};
    axes.push_back(var(id));
  }
  const Expr value = view(from_ordered(order, view.shape, axes));
  const auto* l = value.as<Load>();
  if (!l || kernel_.buffer(l->buffer).role != Role::temp) return std::nullopt;
  const Buffer& buffer = kernel_.buffer(l->buffer);
  // Axes of extent 1 simplify to 0, on both sides.
  auto is_axis = [&](const Expr& index, const Expr& axis) {
    return equal(index, axis) || equal(simplify(index, ranges), simplify(axis, ranges));
  };
  if (!std::ranges::equal(l->indices, axes, is_axis) ||
      !std::ranges::equal(buffer.shape, extents, [](const Expr& a, std::int64_t b) { return is_int(a, b); }))
    return std::nullopt;
  return TensorView{view.dtype, view.shape, BufferRead{l->buffer, view.dtype, view.shape, order}};
}

TensorView KernelBuilder::output(std::string name, const TensorView& view, Layout layout,
                                 std::optional<Layout> iteration) {
  const Layout order = iteration.value_or(stage_order(view.shape));
  const auto holder = stage_already_holding(view, order);
  const TensorView stored = holder ? *holder : map_in_order(name, view, order);
  Buffer& buffer = kernel_.buffer(*buffer_of(stored));
  buffer.role = Role::output;
  buffer.name = std::move(name);
  buffer.layout = memory_of_ordered(order, layout, view.shape.size());
  outputs_.push_back(*buffer_of(stored));
  return stored;
}

Kernel KernelBuilder::finish() && {
  TS_CHECK(!outputs_.empty(), "a kernel without outputs");
  const std::vector<bool> needed = needed_buffers(kernel_);
  std::vector<BufferId> to(kernel_.buffers.size());
  std::vector<Buffer> buffers;
  auto keep = [&](BufferId id) {
    to[index_of(id)] = BufferId{static_cast<std::uint32_t>(buffers.size())};
    buffers.push_back(kernel_.buffer(id));
  };
  for (std::uint32_t i = 0; i < kernel_.buffers.size(); ++i)
    if (needed[i] && kernel_.buffers[i].role != Role::output) keep(BufferId{i});
  for (BufferId id : outputs_) keep(id);

  std::erase_if(kernel_.stages, [&](const Stage& stage) { return !needed[index_of(stage.outputs.front())]; });
  const BufferRenumbering renumber(std::move(to));
  kernel_.buffers = std::move(buffers);
  for (Stage& stage : kernel_.stages) {
    for (BufferId& id : stage.outputs) id = renumber(id);
    for (Expr& value : stage.values) value = renumber(value);
  }
  const auto verified = verify(kernel_);
  TS_CHECK(verified.has_value(), verified.has_value() ? "" : verified.error().message);
  return std::move(kernel_);
}

}  // namespace tunesmith::tracer
