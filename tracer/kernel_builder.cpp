#include "tracer/kernel_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <unordered_map>

#include "ir/support/check.h"
#include "ir/traverse.h"
#include "ir/verify.h"

namespace tunesmith::tracer {

using namespace ir;

namespace {

/// The target of a view that only loads.
struct BufferRead {
  BufferId buffer{};
  DType dtype = DType::f32;
  Expr operator()(std::span<const Expr> indices) const {
    return load(buffer, dtype, {indices.begin(), indices.end()});
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

BufferId KernelBuilder::add_temp(const std::string& name, DType dtype,
                                 const std::vector<std::int64_t>& shape) {
  return kernel_.add_buffer({name, dtype, to_exprs(shape), Role::temp, Scope::global, {}});
}

TensorView KernelBuilder::view_of(BufferId id) const {
  const Buffer& buffer = kernel_.buffer(id);
  TensorView view{buffer.dtype, {}, BufferRead{id, buffer.dtype}};
  for (const Expr& extent : buffer.shape) view.shape.push_back(int_value(extent));
  return view;
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

TensorView KernelBuilder::input(std::string name, DType dtype, std::vector<std::int64_t> shape, bool constant,
                                Layout layout) {
  const Role role = constant ? Role::constant : Role::input;
  return view_of(
      kernel_.add_buffer({std::move(name), dtype, to_exprs(shape), role, Scope::global, std::move(layout)}));
}

TensorView KernelBuilder::map(std::string name, DType dtype, std::vector<std::int64_t> shape,
                              const std::function<Expr(std::span<const Expr> indices)>& value) {
  Stage stage;
  stage.name = unique_stage_name(std::move(name));
  const std::vector<Expr> indices = add_axes(stage.spatial, "i", shape);
  stage.values = {value(indices)};
  const BufferId id = add_temp(stage.name, dtype, shape);
  stage.outputs = {id};
  kernel_.stages.push_back(std::move(stage));
  return view_of(id);
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
  Stage stage;
  stage.name = unique_stage_name(std::move(name));
  const std::vector<Expr> indices = add_axes(stage.spatial, "i", shape);
  const std::vector<Expr> reduced = add_axes(stage.reduce, "r", reduce_extents);
  stage.values = {value(indices, reduced)};
  stage.combiner = plain_combiner(combiner, dtype);
  const BufferId id = add_temp(stage.name, dtype, shape);
  stage.outputs = {id};
  kernel_.stages.push_back(std::move(stage));
  return view_of(id);
}

std::vector<TensorView> KernelBuilder::reduce_tuple(
    std::string name, std::vector<std::int64_t> shape, std::vector<std::int64_t> reduce_extents,
    std::vector<TupleComponent> components,
    const std::function<std::vector<Expr>(std::span<const Expr> indices, std::span<const Expr> reduce)>&
        values,
    const std::function<std::vector<Expr>(std::span<const Expr> state, std::span<const Expr> value)>&
        update) {
  TS_CHECK(!reduce_extents.empty(), "a tuple reduction without axes");
  Stage stage;
  stage.name = unique_stage_name(std::move(name));
  const std::vector<Expr> indices = add_axes(stage.spatial, "i", shape);
  const std::vector<Expr> reduced = add_axes(stage.reduce, "r", reduce_extents);
  stage.values = values(indices, reduced);
  TS_CHECK(stage.values.size() == components.size(), "a tuple reduction needs one value a component");
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
    const BufferId id = add_temp(fmt::format("{}.{}", stage.name, c), components[c].dtype, shape);
    stage.outputs.push_back(id);
    views.push_back(view_of(id));
  }
  combiner.update = update(state, value);
  stage.combiner = std::move(combiner);
  kernel_.stages.push_back(std::move(stage));
  return views;
}

void KernelBuilder::output(std::string name, const TensorView& view, Layout layout) {
  auto id = buffer_of(view);
  if (!id || kernel_.buffer(*id).role != Role::temp)
    id = buffer_of(map(name, view.dtype, view.shape, view.at));
  Buffer& buffer = kernel_.buffer(*id);
  buffer.role = Role::output;
  buffer.name = std::move(name);
  buffer.layout = std::move(layout);
  outputs_.push_back(*id);
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
