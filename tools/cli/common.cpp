#include "tools/cli/common.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "cache/location.h"
#include "ir/support/log.h"
#include "ir/support/whole_file.h"
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

std::string cannot_write(const std::string& path, int code) {
  return fmt::format("cannot write '{}': {}", path, std::strerror(code));
}

/// Before the work, not after it: can --json be written? Empty, or what is wrong.
std::string check_json_place(const std::string& path) { return path == "-" ? "" : check_result_file(path); }

}  // namespace

std::string check_result_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error)) {  // a pipe must not be opened here
    char beginning[15] = {};
    std::ifstream(path, std::ios::binary).read(beginning, sizeof beginning);
    if (std::string_view(beginning, sizeof beginning) == "SQLite format 3")
      return fmt::format("'{}' is a database; choose another name", path);
  }
  const int refused = check_writable(path);
  return refused == 0 ? "" : cannot_write(path, refused);
}

void write_result(const std::string& path, const std::string& text) {
  WholeFile file(path);
  file.stream() << text;
  if (const int code = file.commit(); code != 0) throw UserError(cannot_write(path, code));
}

void add_database_option(CLI::App& command, CommonOptions& options) {
  command.add_option("--db", options.db, "tuning database (default: $TUNESMITH_DB, else $XDG_DATA_HOME/tunesmith/tuning.db)")
      ->type_name("PATH");
}

void add_environment_options(CLI::App& command, CommonOptions& options) {
  add_database_option(command, options);
  command.add_option("--target", options.target, "what to run on: cpu; for explain also cuda, or e.g. cuda:sm_90a")
      ->type_name("TARGET")
      ->capture_default_str();
  add_timing_options(command, options);
}

void add_timing_options(CLI::App& command, CommonOptions& options) {
  command.add_option("--threads", options.threads, "threads a kernel may use (default: one a physical core)")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  command.add_flag("--cold", options.cold,
                   "tune kernels for empty caches, and prefer those tuned so (default: for what their last run left there)");
}

void add_model_options(CLI::App& command, CommonOptions& options) {
  command
      .add_option(
          "--shape", options.shapes,
          "shape of a model input with dynamic dimensions, e.g. x=1x3x224x224; a named dimension counts for "
          "all inputs")
      ->type_name("NAME=AxBxC")
      ->allow_extra_args(false);
  command.add_flag("--fast", options.fast, "fast numerics: algorithms that round differently are allowed (Winograd convolutions)");
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
      ->check(check_whole_number)
      ->capture_default_str();
  command.add_option("--models", options.model_folder, "folder of the .onnx files of --suite models")
      ->type_name("DIR")
      ->capture_default_str();
}

void add_json_option(CLI::App& command, CommonOptions& options) {
  command
      .add_option("--json", options.json, "write the result as JSON to FILE, or to standard output for '-'")
      ->type_name("FILE|-")
      ->check(check_json_place);
}

std::string database_path(const CommonOptions& options) {
  return options.db.empty() ? cache::default_database_path() : options.db;
}

tuner::Environment open_environment(const CommonOptions& options, DatabaseUse use) {
  if (options.target != "cpu")
    throw_user_error("target '{}' is not available; accepted: cpu{}", options.target,
                     options.target.starts_with("cuda") ? " (of a GPU, explain shows code; nothing runs there yet)" : "");
  const std::string path = database_path(options);
  std::shared_ptr<cache::Store> store;
  if (use == DatabaseUse::write || std::filesystem::exists(path)) {
    store = value_or_throw(cache::open_sqlite(
        path, use == DatabaseUse::write ? cache::OpenMode::read_write : cache::OpenMode::read_only));
  }
  tuner::Environment environment = value_or_throw(tuner::host_environment(options.threads, std::move(store)));
  environment.cold = options.cold;
  return environment;
}

void note_missing_database(const CommonOptions& options) {
  if (!options.db.empty() && !std::filesystem::exists(options.db))
    fmt::print(stderr, "tunesmith: database '{}' does not exist: these are the default schedules\n", options.db);
}

std::shared_ptr<cache::ObjectStore> open_object_store(const CommonOptions& options) {
  const std::filesystem::path path = cache::object_store_path(database_path(options));
  // A mistyped --db makes no folders.
  if (!options.db.empty() && path.has_parent_path() && !std::filesystem::exists(path.parent_path())) return nullptr;
  auto opened = cache::open_object_store(path);
  if (!opened) {  // compiled code is only a cache: without it everything is compiled again
    log(LogLevel::warning, "compiled code is not kept: {}", opened.error().message);
    return nullptr;
  }
  return std::move(*opened);
}

namespace {
Workload op_workload(const std::string& text, const CommonOptions& options) {
  OpGraph op = parse_op_spec(text);
  if (!options.shapes.empty())
    throw_user_error("--shape '{}': '{}' is an operator, its text gives the sizes", options.shapes[0], text);
  return {text, std::move(op.graph), std::move(op.text), std::move(op.operands), {}};
}
}  // namespace

Workload load_workload(const std::string& text, const CommonOptions& options) {
  if (is_op_spec(text)) return op_workload(text, options);
  if (std::filesystem::is_directory(text)) throw_user_error("'{}' is a folder, not a model", text);
  if (!text.ends_with(".onnx") && !std::filesystem::exists(text)) {
    if (text.find(':') != std::string::npos) return op_workload(text, options);  // for its message
    throw_user_error("'{}' is neither a file nor an operator (see tunesmith --help)", text);
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
    if (!file || std::filesystem::is_directory(text.substr(1)))
      throw_user_error("cannot read the list of operators '{}': {}", text.substr(1),
                       std::strerror(file ? EISDIR : errno));
    const std::size_t before = texts.size();
    std::string line;
    while (std::getline(file, line)) {
      line = line.substr(0, line.find('#'));
      while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
      while (!line.empty() && std::isspace(static_cast<unsigned char>(line.front()))) line.erase(0, 1);
      if (!line.empty()) texts.push_back(line);
    }
    if (texts.size() == before) throw_user_error("the list of operators '{}' is empty", text.substr(1));
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
  // Names of files and of models may be any bytes; JSON is UTF-8.
  const std::string text = document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  if (options.json == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return;
  }
  write_result(options.json, text);
}

std::string plural(std::size_t count, const std::string& noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
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

std::string check_whole_number(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? "" : fmt::format("'{}' is not a whole number from 0 to 2^64 - 1", text);
}

double parse_duration(const std::string& option, const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string unit(end);
  const double scale = unit.empty() || unit == "s" ? 1
                       : unit == "m"               ? 60
                       : unit == "h"               ? 3600
                       : unit == "d"               ? 86400
                                                   : 0;
  if (end == text.c_str() || scale == 0 || !std::isfinite(number) || number <= 0)
    throw_user_error("{} '{}' is not a duration; write e.g. 90s, 10m, 2h or 30d", option, text);
  return number * scale;
}

}  // namespace tunesmith::tools
