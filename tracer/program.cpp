#include "tracer/program.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/support/error.h"
#include "ir/traverse.h"
#include "tracer/passes/cheaper_arithmetic.h"
#include "tracer/passes/choose_layouts.h"
#include "tracer/passes/choose_winograd.h"
#include "tracer/passes/fold_constants.h"
#include "tracer/passes/fold_scale.h"
#include "tracer/passes/fuse.h"
#include "tracer/passes/rebuild.h"
#include "tracer/passes/remove_unused.h"
#include "tracer/passes/simplify_graph.h"

namespace tunesmith::tracer {

Program make_program(const Graph& graph, const FuseOptions& options) {
  Graph g = fold_constants(graph);
  g = cheaper_arithmetic(simplify_graph(g));
  g = fold_scale(remove_unused(g));
  if (options.numerics == ir::Numerics::fast) g = choose_winograd(g);
  g = fold_constants(g);
  g = remove_unused(simplify_graph(g));
  const Placement placement = choose_layouts(g, options.choose_layouts);
  return fuse(std::move(g), placement, options);
}

ir::Layout Program::layout_of(ValueId value) const {
  const auto found = std::ranges::find(layouts, value, &ValueLayout::value);
  return found == layouts.end() ? ir::Layout{} : found->layout;
}

ValueId Program::storage_of(ValueId value) const {
  for (;;) {
    const auto found = std::ranges::lower_bound(aliases, value, {}, &Alias::value);
    if (found == aliases.end() || found->value != value) return value;
    value = found->source;
  }
}

Graph bind_symbols(const Graph& graph, const std::unordered_map<std::string, std::int64_t>& values) {
  ir::Bindings bindings;
  for (std::uint32_t i = 0; i < graph.symbols().size(); ++i)
    if (const auto found = values.find(graph.symbols().name(ir::VarId{i})); found != values.end())
      bindings.emplace(ir::VarId{i}, ir::Expr(found->second));
  for (const auto& [name, value] : values) {
    bool known = false;
    std::string names;
    for (std::uint32_t i = 0; i < graph.symbols().size(); ++i) {
      known |= graph.symbols().name(ir::VarId{i}) == name;
      names += (i ? ", " : "") + graph.symbols().name(ir::VarId{i});
    }
    if (!known)
      throw_user_error("the graph has no symbolic dimension '{}' (it has: {})", name,
                       names.empty() ? "none" : names);
    if (value <= 0) throw_user_error("symbolic dimension '{}' is bound to {}, not positive", name, value);
  }

  GraphRebuilder rebuild(graph);
  for (std::uint32_t i = 0; i < graph.size(); ++i) {
    const Op& op = graph.op(OpId{i});
    if (op.kind != OpKind::input) {
      rebuild.copy(OpId{i});
      continue;
    }
    TensorType type = op.outputs.at(0);
    for (Dim& dim : type.shape) dim = ir::substitute(dim, bindings);
    rebuild.replace({OpId{i}, 0}, rebuild.graph().add_input(op.name, std::move(type)));
  }
  return std::move(rebuild).finish();
}

namespace {

std::string text_of(ValueId value) {
  return value.output == 0 ? fmt::format("%{}", index_of(value.op))
                           : fmt::format("%{}.{}", index_of(value.op), value.output);
}

std::string text_of(const Graph& graph, const std::vector<ValueId>& values) {
  std::string text;
  for (ValueId value : values) {
    if (!text.empty()) text += ", ";
    text += text_of(value);
    if (graph.op(value).kind == OpKind::constant) text += "c";
  }
  return text;
}

}  // namespace

std::string print(const Program& program) {
  std::string text = fmt::format("program: {} steps\n", program.steps.size());
  for (std::size_t s = 0; s < program.steps.size(); ++s) {
    const ProgramStep& step = program.steps[s];
    text += fmt::format("  {:3} {}{}: ({}) -> ({})", s, step.is_host ? "host " : "", step.name,
                        text_of(program.graph, step.inputs), text_of(program.graph, step.outputs));
    if (!step.is_host) text += fmt::format(" stages={} weight={}", step.kernel.stages.size(), step.weight);
    text += "\n";
  }
  for (const auto& [value, layout] : program.layouts)
    text += fmt::format("  layout {} {}\n", text_of(value), ir::to_string(layout));
  for (const auto& [value, source] : program.aliases)
    text += fmt::format("  alias {} = {}\n", text_of(value), text_of(source));
  for (const Graph::Output& output : program.graph.outputs())
    text += fmt::format("  output {} = {}\n", output.name, text_of(output.value));
  return text;
}

}  // namespace tunesmith::tracer
