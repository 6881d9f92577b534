// tunesmith run: runs a model with the best that is known of every kernel.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>

#include "runtime/compiled_model.h"
#include "tools/cli/commands.h"
#include "tools/cli/common.h"
#include "tools/cli/profile.h"
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
  bool profile = false;
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
  bool is_comparable = true;  // dtypes and shapes are equal
  double max_abs_error = 0;
  double max_rel_error = 0;  // max_abs_error / the largest |want| of the output
  bool ok = true;
  std::string message;
};

/// |got - want| of an element, exact for integers; infinite where one is not finite and the other is something else.
double difference(const ir::HostTensor& got, const ir::HostTensor& want, std::int64_t i) {
  if (!ir::is_float(got.dtype())) {
    const std::int64_t g = got.int_at(i), w = want.int_at(i);
    return g == w ? 0 : std::max(1.0, std::abs(static_cast<double>(g) - static_cast<double>(w)));
  }
  const double g = got.at(i), w = want.at(i);
  if (g == w || (std::isnan(g) && std::isnan(w))) return 0;
  return std::isfinite(g) && std::isfinite(w) ? std::abs(g - w) : std::numeric_limits<double>::infinity();
}

std::string type_text(const ir::HostTensor& tensor) {
  return fmt::format("{}[{}]", ir::to_string(tensor.dtype()), fmt::join(tensor.shape(), ", "));
}

OutputCheck check_output(const std::string& name, const ir::HostTensor& got, const ir::HostTensor& want,
                         const RunOptions& options) {
  OutputCheck check;
  check.name = name;
  if (got.dtype() != want.dtype() || got.shape() != want.shape()) {
    check.ok = check.is_comparable = false;
    check.message = fmt::format("is {}, expected {}", type_text(got), type_text(want));
    return check;
  }
  const bool is_float = ir::is_float(got.dtype());
  double largest = 0;
  for (std::int64_t i = 0; i < got.size(); ++i) {
    const double error = difference(got, want, i), size = std::abs(want.at(i));
    // Integers are exact, unless the tolerance allows whole steps.
    const double allowed = options.absolute_tolerance + (is_float ? options.relative_tolerance * size : 0);
    const bool is_near = error == 0 || (std::isfinite(error) && error <= allowed);
    if (!is_near && check.ok) {
      check.ok = false;
      check.message = is_float ? fmt::format("element {} is {}, expected {}", i, got.at(i), want.at(i))
                               : fmt::format("element {} is {}, expected {}", i, got.int_at(i), want.int_at(i));
    }
    check.max_abs_error = std::max(check.max_abs_error, error);
    if (std::isfinite(size)) largest = std::max(largest, size);
  }
  check.max_rel_error = check.max_abs_error == 0 ? 0 : check.max_abs_error / largest;
  return check;
}

/// Milliseconds of each run; with --profile, also nanoseconds of each step of each run.
std::vector<double> time_runs(runtime::CompiledModel& model, const std::vector<ir::HostTensor>& inputs,
                              std::vector<ir::HostTensor>& outputs, const RunOptions& options,
                              std::vector<std::vector<double>>& step_ns) {
  std::vector<const void*> input_pointers;
  std::vector<void*> output_pointers;
  for (const ir::HostTensor& input : inputs) input_pointers.push_back(input.bytes());
  for (ir::HostTensor& output : outputs) output_pointers.push_back(output.mutable_bytes());
  std::vector<double> times;
  for (std::int64_t i = 0; i < options.repeat; ++i) {
    std::vector<double> steps(options.profile ? model.steps().size() : 0);
    const auto start = Clock::now();
    model.run(input_pointers, output_pointers, steps);
    times.push_back(milliseconds_since(start));
    if (options.profile) step_ns.push_back(std::move(steps));
  }
  return times;
}

int run_run(const RunOptions& options) {
  const auto start = Clock::now();
  const Workload workload = load_workload(options.workload, options.common);
  runtime::ModelOptions model_options;
  model_options.environment = open_environment(options.common, DatabaseUse::read);
  model_options.objects = open_object_store(options.common);
  const auto built =
      value_or_throw(runtime::CompiledModel::build(program_of(workload, options.common), model_options));
  runtime::CompiledModel& model = *built;
  const double ready_ms = milliseconds_since(start);

  std::vector<ir::HostTensor> inputs = random_inputs(workload.graph, options.seed);
  if (!options.inputs.empty())
    for (std::size_t i = 0; i < inputs.size(); ++i)
      inputs[i] = read_numbered(options.inputs, "input", i, workload.graph.op(workload.graph.inputs()[i]).name);
  std::vector<ir::HostTensor> outputs = model.run(inputs);
  std::vector<std::vector<double>> step_ns;
  const std::vector<double> times = time_runs(model, inputs, outputs, options, step_ns);
  std::vector<KernelTime> kernel_times;
  if (options.profile)
    kernel_times = profile(model, step_ns, value_or_throw(tuner::measure_limits(model_options.environment)));

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
    for (const OutputCheck& check : checks) {
      Json entry{{"output", check.name}, {"ok", check.ok}, {"message", check.message}};
      entry["max_abs_error"] = check.is_comparable ? Json(check.max_abs_error) : Json();
      entry["max_rel_error"] = check.is_comparable ? Json(check.max_rel_error) : Json();
      json_checks.push_back(std::move(entry));
    }
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
                {"checks", json_checks},
                {"profile", profile_json(kernel_times)}},
               options.common);
  }
  if (options.common.json != "-") {
    std::string kernels;
    for (const auto& [origin, count] : origins) kernels += fmt::format(", {} {}", count, origin);
    fmt::print("{}: ready in {:.0f} ms; {}{}\n", workload.name, ready_ms,
               plural(model.steps().size(), "kernel"), kernels);
    fmt::print("median {} of {} runs (spread {})\n", format_time(tuner::median(times) * 1e6), times.size(),
               format_time(tuner::median_absolute_deviation(times) * 1e6));
    if (options.profile) fmt::print("{}", profile_text(kernel_times));
    for (const OutputCheck& check : checks) {
      fmt::print("output '{}': {}", check.name, check.ok ? "ok" : "WRONG");
      if (check.is_comparable)
        fmt::print(", largest error {:.2g}, {:.2g} of the largest value", check.max_abs_error, check.max_rel_error);
      fmt::print("{}\n", check.ok ? "" : "; " + check.message);
    }
  }
  note_missing_database(options.common);
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
  command->add_flag("--profile", options->profile, "time every kernel inside the model; the slowest first");
  command->add_option("--seed", options->seed, "seed of the random inputs")->type_name("S")->check(check_whole_number)->capture_default_str();
  command->add_option("--rtol", options->relative_tolerance, "--check: tolerance relative to the expected element")
      ->check(CLI::NonNegativeNumber)->capture_default_str();
  command->add_option("--atol", options->absolute_tolerance, "--check: absolute tolerance; integers are exact below 1")
      ->check(CLI::NonNegativeNumber)->capture_default_str();
  add_environment_options(*command, options->common);
  add_model_options(*command, options->common);
  add_json_option(*command, options->common);
  command->callback([options, &action] { action = [options] { return run_run(*options); }; });
}

}  // namespace tunesmith::tools
