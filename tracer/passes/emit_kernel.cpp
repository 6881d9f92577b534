#include "tracer/passes/emit_kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "ir/canonical.h"
#include "ir/support/check.h"
#include "tracer/axis_order.h"
#include "tracer/op_table.h"
#include "tracer/ops/lower_util.h"
#include "tracer/passes/stored_values.h"

namespace tunesmith::tracer {

using ir::Expr;
using ir::Layout;

namespace {

/// Names of kernels say at most this many operators.
constexpr std::size_t max_name_parts = 8;

std::string step_name(const Graph& graph, const Group& group) {
  std::vector<std::string> parts;
  for (OpId id : group.ops)
    if (std::string part = label(graph.op(id)); !part.empty()) parts.push_back(std::move(part));
  if (parts.empty()) return std::string(to_string(graph.op(group.ops.back()).kind));
  std::string name = parts[0];
  for (std::size_t i = 1; i < std::min(parts.size(), max_name_parts); ++i) name += "+" + parts[i];
  if (parts.size() > max_name_parts) name += fmt::format("+{} more", parts.size() - max_name_parts);
  return name;
}

class KernelEmitter {
 public:
  KernelEmitter(const FusionContext& context, const Group& group, ir::Numerics numerics)
      : context_(context),
        graph_(context.graph),
        placement_(context.placement),
        group_(group),
        stored_(find_stored_values(context, group)),
        builder_(step_name(graph_, group), numerics) {
    step_.name = step_name(graph_, group);
    step_.ops = group.ops;
  }

  ProgramStep run() {
    set_axis_order();
    for (OpId id : group_.ops) emit(id);
    step_.kernel = ir::canonicalise(std::move(builder_).finish());
    return std::move(step_);
  }

 private:
  bool contains(OpId id) const { return std::ranges::binary_search(group_.ops, id); }

  /// The group walks dimensions in the order in which its main operand or result is stored.
  void set_axis_order() {
    const Op& anchor = graph_.op(group_.anchor);
    const ValueId result{group_.anchor, 0};
    std::vector<ValueId> candidates;
    if (group_.kind != FusionKind::map) candidates.push_back(anchor.inputs[0]);
    for (ValueId value : stored_.outputs)
      if (group_.kind == FusionKind::map || shape_of(graph_, value) == shape_of(graph_, result))
        candidates.push_back(value);
    for (ValueId value : candidates) {
      const Layout layout = placement_.layout_of(value);
      if (layout.is_row_major()) continue;
      std::vector<std::int32_t> order;
      for (const ir::LayoutDim& entry : layout.order) order.push_back(entry.dim);
      builder_.set_axis_order(std::move(order));
      return;
    }
  }

  TensorView operand(ValueId value) {
    if (const auto found = views_.find(value); found != views_.end()) return found->second;
    TensorView view;
    if (contains(placement_.storage_of(value).op)) {
      view = alias_view(value);
    } else if (is_scalar_constant(graph_, placement_.storage_of(value))) {
      view = scalar_view(value);
    } else {
      const Op& source = graph_.op(placement_.storage_of(value));
      const std::string name = source.name.empty() ? fmt::format("in{}", step_.inputs.size()) : source.name;
      view = builder_.input(name, graph_.type(value).dtype, shape_of(graph_, value),
                            source.kind == OpKind::constant, placement_.layout_of(value));
      step_.inputs.push_back(value);
    }
    views_[value] = view;
    return view;
  }

  /// A reshape or transpose of a value of this kernel.
  TensorView alias_view(ValueId value) {
    TS_CHECK(placement_.is_alias(value), "an operator of the group is read before it is emitted");
    const Op& op = graph_.op(value);
    const TensorView source = operand(op.inputs[0]);
    return op_row(op.kind).lower(builder_, std::span(&source, 1), op.attributes, op.outputs).at(0);
  }

  TensorView scalar_view(ValueId value) const {
    const HostTensor& data = graph_.op(placement_.storage_of(value)).data;
    const DType dtype = data.dtype();
    const Expr number =
        ir::is_float(dtype) ? ir::float_imm(data.at(0), dtype) : ir::int_imm(data.int_at(0), dtype);
    return {dtype, shape_of(graph_, value), [number](Indices) { return number; }};
  }

  void emit(OpId id) {
    const Op& op = graph_.op(id);
    std::vector<TensorView> inputs;
    for (ValueId input : op.inputs) inputs.push_back(operand(input));
    const auto results = op_row(op.kind).lower(builder_, inputs, op.attributes, op.outputs);
    for (std::uint32_t o = 0; o < results.size(); ++o) {
      const ValueId value{id, o};
      note_iteration(op, value);
      views_[value] = store(value, results[o]);
    }
  }

  TensorView store(ValueId value, const TensorView& view) {
    const Op& op = graph_.op(value);
    const std::string name = label(op).empty() ? std::string(to_string(op.kind)) : label(op);
    if (stored_.outputs.contains(value)) {
      step_.outputs.push_back(value);
      std::optional<Layout> iteration;
      if (const auto found = iteration_.find(value); found != iteration_.end()) iteration = found->second;
      return builder_.output(name, view, placement_.layout_of(value), iteration);
    }
    if (stored_.stages.contains(value)) return builder_.materialise(name, view);
    return memoised(view);
  }

  /// The result of a transpose at the end of a contraction is written in the contraction's order of axes.
  void note_iteration(const Op& op, ValueId value) {
    if (group_.kind != FusionKind::contraction || op.kind != OpKind::transpose) return;
    const ValueId source = op.inputs[0];
    if (!contains(source.op) || shape_of(graph_, source) != shape_of(graph_, {group_.anchor, 0})) return;
    const std::vector<std::int64_t> order = transpose_order(op);
    Layout iteration = explicit_order(builder_.stage_order(shape_of(graph_, source)), order.size());
    for (ir::LayoutDim& entry : iteration.order)
      entry.dim = static_cast<std::int32_t>(std::ranges::find(order, entry.dim) - order.begin());
    iteration_[value] = std::move(iteration);
  }

  const FusionContext& context_;
  const Graph& graph_;
  const Placement& placement_;
  const Group& group_;
  StoredValues stored_;
  KernelBuilder builder_;
  std::map<ValueId, TensorView> views_;
  std::map<ValueId, Layout> iteration_;
  ProgramStep step_;
};

ProgramStep host_step(const Graph& graph, OpId id) {
  const Op& op = graph.op(id);
  ProgramStep step;
  step.name = to_string(op.kind);
  step.is_host = true;
  step.host_op = id;
  step.inputs = op.inputs;
  for (std::uint32_t o = 0; o < op.outputs.size(); ++o) step.outputs.push_back({id, o});
  step.ops = {id};
  return step;
}

}  // namespace

ProgramStep emit_step(const FusionContext& context, const Group& group, ir::Numerics numerics) {
  if (group.kind == FusionKind::host) return host_step(context.graph, group.ops.front());
  return KernelEmitter(context, group, numerics).run();
}

}  // namespace tunesmith::tracer
