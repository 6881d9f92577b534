// tunesmith db: what the tuning database holds, and how it travels.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cache/bundle.h"
#include "cache/check.h"
#include "cache/merge.h"
#include "cache/stats.h"
#include "ir/support/error.h"
#include "tools/cli/commands.h"
#include "tools/cli/common.h"
#include "tuner/replay.h"

namespace tunesmith::tools {
namespace {

struct DbOptions {
  CommonOptions common;
  std::string file;
};

template <class T>
T value_or_throw(Expected<T, Error> result) {
  if (!result) throw UserError(result.error().message);
  return std::move(*result);
}

std::unique_ptr<cache::Store> open_store(const DbOptions& options, cache::OpenMode mode) {
  return value_or_throw(cache::open_sqlite(database_path(options.common), mode));
}

/// Prints JSON or text, whichever was asked for.
int finish(const DbOptions& options, const Json& document, const std::string& text, int code = exit_ok) {
  if (!options.common.json.empty()) write_json(document, options.common);
  if (options.common.json != "-") fmt::print("{}", text);
  return code;
}

int run_stats(const DbOptions& options) {
  const std::string path = database_path(options.common);
  const cache::DatabaseStats stats = value_or_throw(cache::database_stats(path));
  Json statuses, workloads = Json::array();
  std::string text = fmt::format("{}: {} measurements of {} schedules for {} kernels, {:.1f} MB\n", path, stats.measurements,
                                 stats.schedules, stats.workloads, static_cast<double>(stats.file_bytes) * 1e-6);
  for (std::size_t i = 0; i < cache::status_count; ++i) {
    const std::string name(cache::to_string(static_cast<cache::Status>(i)));
    statuses[name] = stats.by_status[i];
    if (stats.by_status[i] > 0) text += fmt::format("  {:>8} {}\n", stats.by_status[i], name);
  }
  for (const cache::WorkloadStats& workload : stats.by_workload)
    workloads.push_back({{"workload", digest(workload.workload).hex()},
                         {"measurements", workload.measurements},
                         {"failures", workload.failures},
                         {"best_ns", workload.best_ns}});
  for (const cache::TargetStats& target : stats.by_target)
    text += fmt::format("  {:>8} on {} {}\n", target.measurements, target.kind,
                        digest(target.target).hex().substr(0, 12));
  return finish(options,
                {{"schema", 1},
                 {"path", path},
                 {"file_bytes", stats.file_bytes},
                 {"measurements", stats.measurements},
                 {"workloads", stats.workloads},
                 {"schedules", stats.schedules},
                 {"status", statuses},
                 {"by_workload", workloads}},
                text);
}

int run_check(const DbOptions& options) {
  const std::string path = database_path(options.common);
  const cache::CheckReport report = value_or_throw(cache::check_database(path));
  Json issues = Json::array();
  std::string text;
  for (const cache::CheckIssue& issue : report.issues) {
    issues.push_back({{"table", issue.table}, {"row", issue.row}, {"message", issue.message}});
    text += fmt::format("{} {}: {}\n", issue.table.empty() ? "file" : issue.table, issue.row, issue.message);
  }
  text += fmt::format("{}: {} rows hashed, {} damaged, {} that nothing uses\n", path, report.rows, report.issue_count,
                      report.orphans);
  return finish(options,
                {{"schema", 1},
                 {"path", path},
                 {"rows", report.rows},
                 {"damaged", report.issue_count},
                 {"orphans", report.orphans},
                 {"issues", issues}},
                text, report.whole() ? exit_ok : exit_check_failed);
}

int run_export(const DbOptions& options) {
  const auto store = open_store(options, cache::OpenMode::read_only);
  const cache::ExportReport report = value_or_throw(cache::export_bundle_file(*store, {}, options.file));
  return finish(options, {{"schema", 1}, {"records", report.records}, {"damaged", report.damaged}},
                fmt::format("{} records written to {}{}\n", report.records, options.file,
                            report.damaged > 0 ? fmt::format(" ({} damaged ones left out)", report.damaged) : ""));
}

int run_import(const DbOptions& options) {
  const auto store = open_store(options, cache::OpenMode::read_write);
  const cache::ImportReport report =
      value_or_throw(cache::import_bundle_file(*store, options.file, tuner::refuse_unplayable));
  Json issues = Json::array();
  std::string text;
  for (const cache::LineIssue& issue : report.issues) {
    issues.push_back({{"line", issue.line}, {"message", issue.message}});
    text += fmt::format("{}:{}: {}\n", options.file, issue.line, issue.message);
  }
  text += fmt::format("{} records added, {} known already, {} lines rejected\n", report.added, report.present, report.rejected);
  return finish(options,
                {{"schema", 1},
                 {"added", report.added},
                 {"present", report.present},
                 {"rejected", report.rejected},
                 {"issues", issues}},
                text, report.rejected == 0 ? exit_ok : exit_check_failed);
}

int run_merge(const DbOptions& options) {
  const auto store = open_store(options, cache::OpenMode::read_write);
  const cache::MergeReport report = value_or_throw(cache::merge_database(*store, options.file, tuner::refuse_unplayable));
  std::string text;
  for (const cache::MergeIssue& issue : report.issues) text += fmt::format("{}: {}\n", issue.where, issue.message);
  text += fmt::format("{} records added, {} known already, {} rejected\n", report.added, report.present, report.rejected);
  return finish(options,
                {{"schema", 1}, {"added", report.added}, {"present", report.present}, {"rejected", report.rejected}}, text,
                report.rejected == 0 ? exit_ok : exit_check_failed);
}

void add_subcommand(CLI::App& parent, Action& action, const char* name, const char* help, const char* file_help,
                    int (*run)(const DbOptions&)) {
  auto options = std::make_shared<DbOptions>();
  CLI::App* command = parent.add_subcommand(name, help);
  if (file_help != nullptr) command->add_option("FILE", options->file, file_help)->required();
  command->add_option("--db", options->common.db, "tuning database (default: $XDG_DATA_HOME/tunesmith/tuning.db)")
      ->type_name("PATH");
  add_json_option(*command, options->common);
  command->callback([options, run, &action] { action = [options, run] { return run(*options); }; });
}

}  // namespace

void add_db_command(CLI::App& app, Action& action) {
  CLI::App* db = app.add_subcommand("db", "what the tuning database holds, and how it travels");
  db->require_subcommand(1);
  add_subcommand(*db, action, "stats", "count what is stored", nullptr, run_stats);
  add_subcommand(*db, action, "check", "hash every row again and report damage", nullptr, run_check);
  add_subcommand(*db, action, "export", "write all records as JSON lines", "file to write", run_export);
  add_subcommand(*db, action, "import",
                 "take over records of a JSON lines file; they seed searches and are never served before they were measured here",
                 "file to read", run_import);
  add_subcommand(*db, action, "merge", "take over the records of another database, as import does", "database to read", run_merge);
}

}  // namespace tunesmith::tools
