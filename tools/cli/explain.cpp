// tunesmith explain: what became of a model or operator: graph, kernels, schedules, loop nests, code, and where the
// time goes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "ir/canonical.h"
#include "ir/print.h"
#include "schedules/analytic.h"
#include "schedules/space.h"
#include "tools/cli/commands.h"
#include "tools/cli/common.h"
#include "tools/cli/explain_cuda.h"
#include "tools/cli/explain_why.h"
#include "tools/cli/html_report.h"
#include "tuner/history.h"
#include "tuner/limits.h"
#include "tuner/serve.h"

namespace tunesmith::tools {
namespace {

struct ExplainOptions {
  CommonOptions common;
  std::string workload;
  std::string show = "why";
  std::int64_t kernel = -1;  // -1: all
  std::string html;          // file; empty: none
};

/// `limits` are given for "why".
std::string explain_schedule(const tracer::ProgramStep& step, const tuner::Environment& environment,
                             const ExplainOptions& options, const std::optional<tuner::Limits>& limits) {
  const tuner::Served served = tuner::serve(step.kernel, environment);
  if (options.show == "schedule") return schedules::print_schedule(served.schedule) + "\n";
  if (options.show == "nest") return ir::print(served.nest);
  if (options.show == "source") return value_or_throw(environment.backend->source(served.nest));
  if (options.show == "asm") return value_or_throw(environment.backend->assembly(served.nest));
  return explain_why(step.kernel, served, environment, *limits);
}

KernelPage kernel_page(const tracer::ProgramStep& step, const tuner::Environment& environment,
                       const tuner::Limits& limits) {
  const tuner::Served served = tuner::serve(step.kernel, environment);
  const schedules::Space space =
      schedules::make_cpu_space(step.kernel, environment.machine(), environment.threads);
  const std::string default_text = schedules::print_schedule(space.to_schedule(space.default_candidate()));
  KernelPage page;
  page.name = step.name;
  page.flops = ir::flop_count(step.kernel);
  page.bytes = ir::argument_bytes(step.kernel);
  page.limit_ns = tuner::limit_ns(step.kernel, limits);
  page.model_ns = schedules::analytic_cost(served.nest, environment.machine(), environment.threads).time_ns;
  page.best_ns = served.median_ns;
  page.origin = tuner::to_string(served.origin);
  page.schedule = schedules::print_schedule(served.schedule);
  page.nest = ir::print(served.nest);
  for (const tuner::KnownSchedule& known : tuner::History(environment).known(step.kernel)) {
    const bool ok = known.measurement.ok();
    page.trials.push_back(ok ? std::optional(known.measurement.median_ns) : std::nullopt);
    if (!ok) ++page.failures[std::string(cache::to_string(known.measurement.status))];
    if (ok && known.schedule == default_text) page.default_ns = known.measurement.median_ns;
  }
  return page;
}

ModelPage model_page(const std::string& name, const tracer::Program& program, const tuner::Environment& environment,
                     const tuner::Limits& limits) {
  ModelPage page{name, environment.target.microarchitecture, environment.threads, limits, {}, 0};
  std::map<std::string, std::size_t> seen;  // by canonical text
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const tracer::ProgramStep& step = program.steps[i];
    if (step.is_host) {
      ++page.host_steps;
      continue;
    }
    const auto [it, added] = seen.emplace(ir::canonical_text(step.kernel), page.kernels.size());
    if (added) page.kernels.push_back(kernel_page(step, environment, limits));
    page.kernels[it->second].indices.push_back(i);
  }
  std::ranges::stable_sort(page.kernels, std::ranges::greater{}, [](const KernelPage& kernel) {
    return kernel.best_ns.value_or(kernel.model_ns) * static_cast<double>(kernel.indices.size());
  });
  return page;
}

int run_explain(const ExplainOptions& options) {
  const Workload workload = load_workload(options.workload, options.common);
  if (options.show == "graph") {
    const std::string graph = workload.graph.print();
    if (options.common.json != "-") fmt::print("{}", graph);
    if (!options.common.json.empty())
      write_json({{"schema", 1}, {"model", workload.name}, {"graph", graph}}, options.common);
    return exit_ok;
  }
  const tracer::Program program = program_of(workload, options.common);
  if (options.kernel >= static_cast<std::int64_t>(program.steps.size()))
    throw_user_error("--kernel {}: {} has {}, counted from 0", options.kernel, workload.name,
                     plural(program.steps.size(), "kernel"));
  const bool is_cuda = options.common.target == "cuda" || options.common.target.starts_with("cuda:");
  if (is_cuda && (options.show == "asm" || !options.html.empty()))
    throw_user_error("target '{}': {} is not available for GPUs; --show takes graph, kernel, schedule, nest, source, why",
                     options.common.target, options.html.empty() ? "asm" : "--html");
  // Kernels are the same everywhere: a build without a code generator shows them too.
  std::optional<tuner::Environment> environment;
  std::optional<tuner::Limits> limits;
  if (!is_cuda && (options.show != "kernel" || !options.html.empty())) environment = open_environment(options.common, DatabaseUse::read);
  if (!is_cuda && (options.show == "why" || !options.html.empty())) limits = value_or_throw(tuner::measure_limits(*environment));
  if (!options.html.empty()) 
    write_result(options.html, html_report(model_page(workload.name, program, *environment, *limits)));
  Json kernels = Json::array();
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    if (options.kernel >= 0 && options.kernel != static_cast<std::int64_t>(i)) continue;
    const tracer::ProgramStep& step = program.steps[i];
    const std::string text = step.is_host   ? "  runs its reference implementation: it has no loop-nest form\n"
                             : options.show == "kernel" ? ir::print(step.kernel)
                             : is_cuda       ? explain_cuda(step.kernel, options.common.target, options.show)
                                            : explain_schedule(step, *environment, options, limits);
    if (options.common.json != "-") fmt::print("# kernel {}: {}\n{}", i, step.name, text);
    kernels.push_back({{"index", i},
                       {"name", step.name},
                       {"workload", step.is_host ? "" : digest(ir::canonical_text(step.kernel)).hex()},
                       {options.show, text}});
  }
  if (!options.common.json.empty()) write_json({{"schema", 1}, {"model", workload.name}, {"kernels", kernels}}, options.common);
  if (!is_cuda) note_missing_database(options.common);
  return exit_ok;
}

}  // namespace

void add_explain_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* command = app.add_subcommand("explain", "what became of every operator, and where the time goes");
  command->add_option("WORKLOAD", options->workload, "an .onnx file or an operator")->required();
  command
      ->add_option("--show", options->show,
                   "graph: the traced operators; kernel: the fused kernels; schedule, nest: the best known schedule and its "
                   "loops; source, asm: LLVM IR (for a GPU: CUDA C++) and assembly; why: where the time goes")
      ->check(CLI::IsMember({"graph", "kernel", "schedule", "nest", "source", "asm", "why"}))
      ->capture_default_str();
  command->add_option("--kernel", options->kernel, "only the kernel with this number")
      ->type_name("N")
      ->check(CLI::Range(0, 1000000));
  command->add_option("--html", options->html, "also write a page with table, roofline, convergence and loop nests")
      ->type_name("FILE")
      ->check(check_result_file);
  add_environment_options(*command, options->common);
  add_model_options(*command, options->common);
  add_json_option(*command, options->common);
  command->callback([options, &action] { action = [options] { return run_explain(*options); }; });
}

}  // namespace tunesmith::tools
