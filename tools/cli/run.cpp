// tunesmith run: runs a model with the best that is known of every kernel.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>

#include "runtime/compiled_model.h"
#include "tools/cli/commands.h"
#include "tools/cli/common.h"
#include "tools/cli/random_data.h"
#include "tracer/onnx/tensor_io.h"
#include "tuner/statistics.h"

namespace tunesmith::tools {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct RunOptions {
  CommonOptions common;
  std::string workload;
  std::string inputs;
  std::string check;
  std::string save;
  std::string save_format = "pb";
  std::int64_t repeat = 1;
  std::uint64_t seed = 1;
  double relative_tolerance = 1e-3;
  double absolute_tolerance = 1e-5;
};

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// DIR/input_0.pb or .npy, input_1.pb or .npy, … in the order of the graph's inputs.
ir::HostTensor read_numbered(const std::string& folder, const char* kind, std::size_t index, const std::string& name) {
  std::string path;
  try {
    path = tracer::numbered_tensor_path(folder, kind, index);
  } catch (const UserError& error) {
    throw UserError(fmt::format("{} '{}': {}", kind, name, error.what()));
  }
  return tracer::read_tensor(path);
}

struct OutputCheck {
  std::string name;
  double max_abs_error = 0;
  double max_rel_error = 0;  // |got - want| / max(|want|, absolute tolerance / relative tolerance)
  bool ok = true;
  std::string message;
};

OutputCheck check_output(const std::string& name, const ir::HostTensor& got, const ir::HostTensor& want,
                         const RunOptions& options) {
  OutputCheck check{name, 0, 0, true, ""};
  if (got.dtype() != want.dtype() || got.shape() != want.shape()) {
    check.ok = false;
    check.message = "another dtype or shape than expected";
    return check;
  }
  const double floor = options.absolute_tolerance / options.relative_tolerance;
  for (std::int64_t i = 0; i < got.size(); ++i) {
    const double g = got.at(i), w = want.at(i);
    if (g == w || (std::isnan(g) && std::isnan(w))) continue;
    const double error = std::abs(g - w);
    if (!(error <= options.absolute_tolerance + options.relative_tolerance * std::abs(w)) && check.ok) {
      check.ok = false;
      check.message = fmt::format("element {} is {}, expected {}", i, g, w);
    }
    check.max_abs_error = std::max(check.max_abs_error, error);
    check.max_rel_error = std::max(check.max_rel_error, error / std::max(std::abs(w), floor));
  }
  return check;
}

std::vector<double> time_runs(runtime::CompiledModel& model, const std::vector<ir::HostTensor>& inputs,
                              std::vector<ir::HostTensor>& outputs, std::int64_t repeat) {
  std::vector<const void*> input_pointers;
  std::vector<void*> output_pointers;
  for (const ir::HostTensor& input : inputs) input_pointers.push_back(input.bytes());
  for (ir::HostTensor& output : outputs) output_pointers.push_back(output.mutable_bytes());
  std::vector<double> times;
  for (std::int64_t i = 0; i < repeat; ++i) {
    const auto start = Clock::now();
    model.run(input_pointers, output_pointers);
    times.push_back(milliseconds_since(start));
  }
  return times;
}

int run_run(const RunOptions& options) {
  const auto start = Clock::now();
  const Workload workload = load_workload(options.workload, options.common);
  runtime::ModelOptions model_options;
  model_options.environment = open_environment(options.common, DatabaseUse::read);
  model_options.objects = open_object_store(options.common);
  auto built = runtime::CompiledModel::build(program_of(workload, options.common), model_options);
  if (!built) throw UserError(built.error().message);
  runtime::CompiledModel& model = **built;
  const double ready_ms = milliseconds_since(start);

  std::vector<ir::HostTensor> inputs = random_inputs(workload.graph, options.seed);
  if (!options.inputs.empty())
    for (std::size_t i = 0; i < inputs.size(); ++i)
      inputs[i] = read_numbered(options.inputs, "input", i, workload.graph.op(workload.graph.inputs()[i]).name);
  std::vector<ir::HostTensor> outputs = model.run(inputs);
  const std::vector<double> times = time_runs(model, inputs, outputs, options.repeat);

  std::vector<OutputCheck> checks;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = workload.graph.outputs()[i].name;
    if (!options.check.empty())
      checks.push_back(check_output(name, outputs[i], read_numbered(options.check, "output", i, name), options));
    if (!options.save.empty()) {
      fs::create_directories(options.save);
      tracer::write_tensor((fs::path(options.save) / fmt::format("output_{}.{}", i, options.save_format)).string(), outputs[i],
                           name);
    }
  }
  bool ok = true;
  for (const OutputCheck& check : checks) ok = ok && check.ok;
  std::map<std::string, int> origins;
  for (const runtime::StepInfo& step : model.steps())
    ++origins[step.is_host ? "host" : std::string(tuner::to_string(step.origin))];

  if (!options.common.json.empty()) {
    Json json_checks = Json::array();
    for (const OutputCheck& check : checks)
      json_checks.push_back({{"output", check.name},
                             {"ok", check.ok},
                             {"max_abs_error", check.max_abs_error},
                             {"max_rel_error", check.max_rel_error}});
    write_json({{"schema", 1},
                {"model", workload.name},
                {"threads", model_options.environment.threads},
                {"kernels", origins},
                {"ready_ms", ready_ms},
                {"median_ms", tuner::median(times)},
                {"mad_ms", tuner::median_absolute_deviation(times)},
                {"n", times.size()},
                {"arena_bytes", model.arena_bytes()},
                {"prepared_bytes", model.prepared_bytes()},
                {"checks", json_checks}},
               options.common);
  }
  if (options.common.json != "-") {
    std::string kernels;
    for (const auto& [origin, count] : origins) kernels += fmt::format("{}{} {}", kernels.empty() ? "" : ", ", count, origin);
    fmt::print("{}: ready in {:.0f} ms ({} kernels)\n", workload.name, ready_ms, kernels);
    fmt::print("median {} of {} runs (spread {})\n", format_time(tuner::median(times) * 1e6), times.size(),
               format_time(tuner::median_absolute_deviation(times) * 1e6));
    for (const OutputCheck& check : checks)
      fmt::print("output '{}': {}, largest error {:.2g} absolute, {:.2g} relative{}\n", check.name,
                 check.ok ? "ok" : "WRONG", check.max_abs_error, check.max_rel_error,
                 check.ok ? "" : "; " + check.message);
  }
  return ok ? exit_ok : exit_check_failed;
}

}  // namespace

void add_run_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "run a model with the best that is known; check and time it");
  command->add_option("MODEL", options->workload, "an .onnx file or an operator")->required();
  command->add_option("--inputs", options->inputs, "folder with input_0.pb or input_0.npy, input_1… (default: random data)")
      ->type_name("DIR");
  command->add_option("--check", options->check, "folder with output_0.pb or output_0.npy, …: compare; exit 1 when they differ")
      ->type_name("DIR");
  command->add_option("--save", options->save, "folder to write output_0.pb, … to")->type_name("DIR");
  command->add_option("--save-format", options->save_format, "pb (ONNX tensors) or npy (NumPy)")
      ->check(CLI::IsMember({"pb", "npy"}))->capture_default_str();
  command->add_option("--repeat", options->repeat, "timed runs")->type_name("N")->check(CLI::Range(1, 100000000))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "seed of the random inputs")->type_name("S")->check(check_whole_number)->capture_default_str();
  command->add_option("--rtol", options->relative_tolerance, "relative tolerance of --check")->capture_default_str();
  command->add_option("--atol", options->absolute_tolerance, "absolute tolerance of --check")->capture_default_str();
  add_environment_options(*command, options->common);
  add_model_options(*command, options->common);
  add_json_option(*command, options->common);
  command->callback([options, &action] { action = [options] { return run_run(*options); }; });
}

}  // namespace tunesmith::tools
