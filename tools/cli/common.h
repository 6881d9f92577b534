// What the commands share: options, the environment they work in, JSON output.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "cache/object_store.h"
#include "cache/store.h"
#include "ir/support/error.h"
#include "ir/support/expected.h"
#include "tools/cli/op_spec.h"
#include "tracer/program.h"
#include "tuner/environment.h"

namespace CLI {
class App;
}

namespace tunesmith::tools {

using Json = nlohmann::ordered_json;

/// Exit codes of every command.
enum ExitCode : int { exit_ok = 0, exit_check_failed = 1, exit_bad_input = 2 };

/// The value, or its error as a UserError.
template <class T>
T value_or_throw(Expected<T, Error> result) {
  if (!result) throw UserError(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// Options that several commands take.
struct CommonOptions {
  std::string db;    // empty: the default location
  std::string json;  // FILE or "-"; empty: none
  std::string target = "cpu";
  std::int32_t threads = 0;         // 0: one a physical core
  bool cold = false;                // kernels are timed with empty caches
  std::vector<std::string> shapes;  // NAME=AxBxC, binds a model's dynamic dimensions
  bool fast = false;
  std::vector<std::string> workloads;  // models, operators, @FILE
  std::vector<std::string> suites;
  std::uint64_t suite_seed = 1;
  std::string model_folder = ".";
};
void add_database_option(CLI::App& command, CommonOptions& options);
/// --db, --target, and the timing options.
void add_environment_options(CLI::App& command, CommonOptions& options);
/// --threads, --cold.
void add_timing_options(CLI::App& command, CommonOptions& options);
void add_model_options(CLI::App& command, CommonOptions& options);
void add_json_option(CLI::App& command, CommonOptions& options);
/// WORKLOAD… and --suite, of which at least one must be given.
void add_workload_options(CLI::App& command, CommonOptions& options);

enum class DatabaseUse : std::uint8_t { read, write };

/// The host with the database of the options. With `read`, a database that does not exist is no database;
/// with `write` it is created.
tuner::Environment open_environment(const CommonOptions& options, DatabaseUse use);
std::string database_path(const CommonOptions& options);
/// Tells the user of a --db that names no file, at the end of a command that only reads.
void note_missing_database(const CommonOptions& options);
/// Compiled code lives beside the tuning database.
std::shared_ptr<cache::ObjectStore> open_object_store(const CommonOptions& options);

/// A model file or operator text, with its name for people.
struct Workload {
  std::string name;
  tracer::Graph graph;
  std::optional<OpText> op;                                       // where it is an operator text
  std::vector<std::pair<std::string, tracer::ValueId>> operands;  // of the operator, by name
  std::string model_path;                                         // where it is a model file
};
Workload load_workload(const std::string& text, const CommonOptions& options);
/// The texts of WORKLOAD and --suite; "@FILE" stands for the lines of FILE ('#' starts a comment).
std::vector<std::string> workload_texts(const CommonOptions& options);
tracer::Program program_of(const Workload& workload, const CommonOptions& options);

/// Writes `document` to the place of --json; "-" is standard output. A file appears whole or not at all. That
/// it can be written was checked when the option was read, before any work.
void write_json(const Json& document, const CommonOptions& options);

/// For options that name a file to write, as CLI::Option::check: empty, or why a result cannot go there.
std::string check_result_file(const std::string& path);
/// The file appears whole or not at all.
void write_result(const std::string& path, const std::string& text);

/// "2 kernels", "1 kernel".
std::string plural(std::size_t count, const std::string& noun);
/// "1.23 ms", "456 us": three digits and a unit.
std::string format_time(double ns);
/// For options that take a number of at least 0, as CLI::Option::check: empty, or what is wrong.
std::string check_whole_number(const std::string& text);
/// Seconds from "90", "90s", "10m", "2h", "30d". Throws a UserError that names `option`.
double parse_duration(const std::string& option, const std::string& text);

}  // namespace tunesmith::tools
