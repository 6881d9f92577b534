#include "tools/cli/common.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "cache/location.h"
#include "tools/cli/bench_suite.h"
#include "tools/cli/op_spec.h"
#include "tracer/onnx/import.h"

namespace tunesmith::tools {
namespace {

tracer::ImportOptions import_options(const CommonOptions& options) {
  tracer::ImportOptions result;
  for (const std::string& text : options.shapes) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw_user_error("--shape '{}' is not of the form NAME=AxBxC", text);
    std::vector<std::int64_t> dims;
    std::string_view rest = std::string_view(text).substr(equals + 1);
    while (true) {
      const std::size_t cross = rest.find('x');
      const std::string part(rest.substr(0, cross));
      char* end = nullptr;
      const std::int64_t dim = std::strtoll(part.c_str(), &end, 10);
      if (part.empty() || *end != '\0' || dim < 0)
        throw_user_error("--shape '{}': '{}' is not a dimension; write NAME=AxBxC with whole numbers", text,
                         part);
      dims.push_back(dim);
      if (cross == std::string_view::npos) break;
      rest.remove_prefix(cross + 1);
    }
    result.shapes[text.substr(0, equals)] = dims;
  }
  return result;
}

}  // namespace

void add_environment_options(CLI::App& command, CommonOptions& options) {
  command.add_option("--db", options.db, "tuning database (default: $XDG_DATA_HOME/tunesmith/tuning.db)")
      ->type_name("PATH");
  command.add_option("--target", options.target, "what to run on: cpu")
      ->type_name("TARGET")
      ->capture_default_str();
  command.add_option("--threads", options.threads, "threads a kernel may use (default: one a physical core)")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
}

void add_model_options(CLI::App& command, CommonOptions& options) {
  command
      .add_option("--shape", options.shapes,
                  "shape of a model input with dynamic dimensions, e.g. x=1x3x224x224")
      ->type_name("NAME=AxBxC")
      ->allow_extra_args(false);
  command.add_flag("--fast", options.fast, "fast numerics: algorithms that round differently are allowed");
}

void add_workload_options(CLI::App& command, CommonOptions& options) {
  command.add_option("WORKLOAD", options.workloads, "models, operators, or @FILE with one a line");
  command
      .add_option("--suite", options.suites,
                  fmt::format("the workloads of a suite: {}", fmt::join(suite_names(), ", ")))
      ->type_name("NAME")
      ->allow_extra_args(false);
  command.add_option("--suite-seed", options.suite_seed, "seed of the odd sizes in a suite")
      ->type_name("S")
      ->capture_default_str();
  command.add_option("--models", options.model_folder, "folder of the .onnx files of --suite models")
      ->type_name("DIR")
      ->capture_default_str();
}

void add_json_option(CLI::App& command, CommonOptions& options) {
  command
      .add_option("--json", options.json, "write the result as JSON to FILE, or to standard output for '-'")
      ->type_name("FILE|-");
}

std::string database_path(const CommonOptions& options) {
  return options.db.empty() ? cache::default_database_path() : options.db;
}

tuner::Environment open_environment(const CommonOptions& options, DatabaseUse use) {
  if (options.target != "cpu")
    throw_user_error("target '{}' is not available in this build; accepted: cpu", options.target);
  const std::string path = database_path(options);
  std::shared_ptr<cache::Store> store;
  if (use == DatabaseUse::write || std::filesystem::exists(path)) {
    auto opened = cache::open_sqlite(
        path, use == DatabaseUse::write ? cache::OpenMode::read_write : cache::OpenMode::read_only);
    if (!opened) throw UserError(opened.error().message);
    store = std::move(*opened);
  }
  auto environment = tuner::host_environment(options.threads, std::move(store));
  if (!environment) throw UserError(environment.error().message);
  return std::move(*environment);
}

std::shared_ptr<cache::ObjectStore> open_object_store(const CommonOptions& options) {
  const std::filesystem::path path =
      std::filesystem::path(database_path(options)).parent_path() / "objects.db";
  auto opened = cache::open_object_store(path.string());
  if (!opened) return nullptr;  // compiled code is only a cache: without it everything is compiled again
  return std::move(*opened);
}

namespace {
Workload op_workload(const std::string& text) {
  OpGraph op = parse_op_spec(text);
  return {text, std::move(op.graph), std::move(op.text), std::move(op.operands), {}};
}
}  // namespace

Workload load_workload(const std::string& text, const CommonOptions& options) {
  if (is_op_spec(text)) return op_workload(text);
  if (!text.ends_with(".onnx") && !std::filesystem::exists(text)) {
    if (text.find(':') != std::string::npos) return op_workload(text);  // for its message
    throw_user_error("'{}' is neither a file nor an operator; operators:\n{}", text, op_spec_help());
  }
  return {std::filesystem::path(text).filename().string(),
          tracer::import_onnx(text, import_options(options)),
          {},
          {},
          text};
}

std::vector<std::string> workload_texts(const CommonOptions& options) {
  std::vector<std::string> texts;
  for (const std::string& text : options.workloads) {
    if (!text.starts_with('@')) {
      texts.push_back(text);
      continue;
    }
    std::ifstream file(text.substr(1));
    if (!file) throw_user_error("cannot read the list of operators '{}'", text.substr(1));
    std::string line;
    while (std::getline(file, line)) {
      line = line.substr(0, line.find('#'));
      while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
      if (!line.empty()) texts.push_back(line);
    }
  }
  for (const std::string& suite : options.suites)
    for (std::string& text : suite_workloads(suite, options.suite_seed, options.model_folder))
      texts.push_back(std::move(text));
  if (texts.empty()) throw_user_error("nothing to do: give a model, an operator, @FILE or --suite");
  return texts;
}

tracer::Program program_of(const Workload& workload, const CommonOptions& options) {
  for (const tracer::OpId input : workload.graph.inputs()) {
    const tracer::Op& op = workload.graph.op(input);
    if (!tracer::is_static(op.outputs[0].shape))
      throw_user_error("{}: input '{}' has dynamic dimensions; give its shape with --shape {}=AxBxC",
                       workload.name, op.name, op.name);
  }
  tracer::FuseOptions fuse;
  fuse.numerics = options.fast ? ir::Numerics::fast : ir::Numerics::strict;
  return tracer::make_program(workload.graph, fuse);
}

void write_json(const Json& document, const CommonOptions& options) {
  const std::string text = document.dump(2) + "\n";
  if (options.json == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return;
  }
  const std::string partial = fmt::format("{}.partial.{}", options.json, ::getpid());
  {
    std::ofstream file(partial, std::ios::binary);
    file << text;
    file.flush();
    if (!file) {
      std::error_code ignored;
      std::filesystem::remove(partial, ignored);
      throw_user_error("cannot write '{}': is the folder there, writable and not full?", options.json);
    }
  }
  std::filesystem::rename(partial, options.json);
}

std::string format_time(double ns) {
  constexpr const char* units[] = {"ns", "us", "ms", "s"};
  int unit = 0;
  while (ns >= 1000 && unit < 3) {
    ns /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", ns, ns < 10 ? 2 : ns < 100 ? 1 : 0, units[unit]);
}

double parse_duration(const std::string& option, const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string unit(end);
  const double scale = unit.empty() || unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (end == text.c_str() || scale == 0 || !std::isfinite(number) || number <= 0)
    throw_user_error("{} '{}' is not a duration; write e.g. 90s, 10m or 2h", option, text);
  return number * scale;
}

}  // namespace tunesmith::tools
