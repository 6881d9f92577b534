#include "tracer/passes/fuse.h"

#include <set>

#include "ir/canonical.h"
#include "tracer/passes/emit_kernel.h"
#include "tracer/passes/fuse_groups.h"
#include "tracer/passes/fuse_rules.h"

namespace tunesmith::tracer {

namespace {

void count_weights(std::vector<ProgramStep>& steps) {
  std::unordered_map<std::string, int> count;
  std::vector<std::string> texts;
  for (const ProgramStep& step : steps) {
    texts.push_back(step.is_host ? std::string() : ir::canonical_text(step.kernel));
    ++count[texts.back()];
  }
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i].weight = steps[i].is_host ? 0 : count[texts[i]];
}

/// Aliases whose value some step or output reads, with everything that they lead through.
std::vector<Program::Alias> read_aliases(const Program& program, const Placement& placement) {
  std::set<ValueId> read;
  auto follow = [&](ValueId value) {
    for (; placement.is_alias(value) && read.insert(value).second; value = placement.alias_of.at(value)) {
    }
  };
  for (const ProgramStep& step : program.steps)
    for (ValueId input : step.inputs) follow(input);
  for (const Graph::Output& output : program.graph.outputs()) follow(output.value);
  std::vector<Program::Alias> aliases;
  for (ValueId value : read) aliases.push_back({value, placement.alias_of.at(value)});
  return aliases;
}

}  // namespace

Program fuse(Graph graph, const Placement& placement, const FuseOptions& options) {
  Program program;
  program.graph = std::move(graph);
  const FusionContext context = make_context(program.graph, placement);
  std::set<ValueId> written;
  for (const Group& group : make_groups(program.graph, placement, options.fuse)) {
    program.steps.push_back(emit_step(context, group, options.numerics));
    const auto& outputs = program.steps.back().outputs;
    written.insert(outputs.begin(), outputs.end());
  }
  count_weights(program.steps);
  program.aliases = read_aliases(program, placement);
  for (const Program::Alias& alias : program.aliases) written.insert(alias.value);
  for (const auto& [value, layout] : placement.layouts)
    if (written.contains(value)) program.layouts.push_back({value, layout});
  return program;
}

}  // namespace tunesmith::tracer
