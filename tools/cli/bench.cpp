// tunesmith bench: times models and operators against the limit of the machine. The tuned kernels and the untuned
// defaults run alternating in one process, on the same data.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "ir/canonical.h"
#include "runtime/compiled_model.h"
#include "tools/cli/commands.h"
#include "tools/cli/common.h"
#include "tracer/op_table.h"
#include "tuner/limits.h"
#include "tuner/statistics.h"

namespace tunesmith::tools {
namespace {

using Clock = std::chrono::steady_clock;

struct BenchOptions {
  CommonOptions common;
  std::vector<std::string> workloads;
  std::int64_t rounds = 30;
};

/// One competitor: a compiled model with its own outputs.
struct Entry {
  std::string name;
  std::unique_ptr<runtime::CompiledModel> model;
  std::vector<ir::HostTensor> outputs;
  std::vector<const void*> input_pointers;
  std::vector<void*> output_pointers;
  std::vector<double> samples_ns;

  double run() {
    const auto start = Clock::now();
    model->run(input_pointers, output_pointers);
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
  }
};

Entry make_entry(std::string name, const Workload& workload, const std::vector<ir::HostTensor>& inputs,
                 const runtime::ModelOptions& options, const CommonOptions& common) {
  Entry entry;
  entry.name = std::move(name);
  auto built = runtime::CompiledModel::build(program_of(workload, common), options);
  if (!built) throw UserError(built.error().message);
  entry.model = std::move(*built);
  entry.outputs = entry.model->run(inputs);
  for (const ir::HostTensor& input : inputs) entry.input_pointers.push_back(input.bytes());
  for (ir::HostTensor& output : entry.outputs) entry.output_pointers.push_back(output.mutable_bytes());
  return entry;
}

double largest_difference(const Entry& a, const Entry& b) {
  double worst = 0;
  for (std::size_t o = 0; o < a.outputs.size(); ++o) {
    double scale = 0, difference = 0;
    for (std::int64_t i = 0; i < a.outputs[o].size(); ++i) {
      scale = std::max(scale, std::abs(b.outputs[o].at(i)));
      difference = std::max(difference, std::abs(a.outputs[o].at(i) - b.outputs[o].at(i)));
    }
    if (scale > 0) worst = std::max(worst, difference / scale);
  }
  return worst;
}

Json bench_workload(const Workload& workload, const tuner::Environment& environment, const tuner::Limits& limits,
                    const BenchOptions& options) {
  runtime::ModelOptions model_options;
  model_options.environment = environment;
  model_options.objects = open_object_store(options.common);
  model_options.pool = std::make_shared<codegen::ThreadPool>(environment.threads);
  const std::vector<ir::HostTensor> inputs = random_inputs(workload.graph, 1);
  std::vector<Entry> entries;
  entries.push_back(make_entry("tunesmith", workload, inputs, model_options, options.common));
  model_options.environment.store = nullptr;
  entries.push_back(make_entry("tunesmith-default", workload, inputs, model_options, options.common));

  double flops = 0, bytes = 0, limit = 0;
  for (const tracer::ProgramStep& step : entries[0].model->program().steps) {
    if (step.is_host) continue;
    flops += ir::flop_count(step.kernel);
    bytes += ir::argument_bytes(step.kernel);
    limit += tuner::limit_ns(step.kernel, limits);
  }
  for (std::int64_t round = 0; round < options.rounds; ++round)
    for (std::size_t i = 0; i < entries.size(); ++i) {
      Entry& entry = entries[round % 2 == 0 ? i : entries.size() - 1 - i];
      entry.samples_ns.push_back(entry.run());
    }

  Json json_entries = Json::array();
  for (const Entry& entry : entries) {
    const double median_ns = tuner::median(entry.samples_ns);
    const double mad_ns = tuner::median_absolute_deviation(entry.samples_ns);
    const double difference = largest_difference(entry, entries.back());
    json_entries.push_back({{"name", entry.name},
                            {"median_ns", median_ns},
                            {"mad_ns", mad_ns},
                            {"n", entry.samples_ns.size()},
                            {"max_rel_err", difference}});
    if (options.common.json != "-")
      fmt::print("{:<48} {:<18} {:>9} +- {:>8}  {:>5.1f} % of limit {:>9.1f} GFLOP/s\n", workload.name, entry.name,
                 format_time(median_ns), format_time(mad_ns), 100 * limit / median_ns, flops / median_ns);
  }
  return {{"workload", workload.name}, {"threads", environment.threads}, {"flops", flops},
          {"bytes", bytes},            {"limit_ns", limit},              {"entries", json_entries}};
}

int run_bench(const BenchOptions& options) {
  const std::vector<Workload> workloads = load_workloads(options.workloads, options.common);
  const tuner::Environment environment = open_environment(options.common, DatabaseUse::read);
  const auto limits = tuner::measure_limits(environment);
  if (!limits) throw UserError(limits.error().message);
  Json results = Json::array();
  for (const Workload& workload : workloads)
    results.push_back(bench_workload(workload, environment, *limits, options));
  if (!options.common.json.empty())
    write_json({{"schema", 1},
                {"machine",
                 {{"cpu", environment.target.microarchitecture},
                  {"cores", environment.target.cores},
                  {"peak_gflops", limits->flops_per_ns},
                  {"bandwidth_gb_s", limits->bytes_per_ns}}},
                {"results", results}},
               options.common);
  return exit_ok;
}

}  // namespace

void add_bench_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command =
      app.add_subcommand("bench", "time the tuned and the default kernels, alternating, against the machine's limit");
  command->add_option("WORKLOAD", options->workloads, "models, operators, or @FILE with one a line")->required();
  command->add_option("--rounds", options->rounds, "timed runs of each competitor")
      ->type_name("N")
      ->check(CLI::Range(3, 1000000))
      ->capture_default_str();
  add_environment_options(*command, options->common);
  add_model_options(*command, options->common);
  add_json_option(*command, options->common);
  command->callback([options, &action] { action = [options] { return run_bench(*options); }; });
}

}  // namespace tunesmith::tools
