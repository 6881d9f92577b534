// tunesmith db: what the tuning database holds, and how it travels. This source: stats, check.
#include "tools/cli/db.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cache/check.h"
#include "cache/stats.h"

namespace tunesmith::tools {
namespace {

int run_stats(const CommonOptions& options) {
  const std::string path = database_path(options);
  const cache::DatabaseStats stats = value_or_throw(cache::database_stats(path));
  Json statuses, workloads = Json::array(), targets = Json::array();
  std::string text =
      fmt::format("{}: {} of {} for {}, {:.1f} MB\n", path, plural(stats.measurements, "measurement"),
                  plural(stats.schedules, "schedule"), plural(stats.workloads, "kernel"),
                  static_cast<double>(stats.file_bytes) * 1e-6);
  for (std::size_t i = 0; i < cache::status_count; ++i) {
    const std::string name(cache::to_string(static_cast<cache::Status>(i)));
    statuses[name] = stats.by_status[i];
    if (stats.by_status[i] > 0) text += fmt::format("  {:>8} {}\n", stats.by_status[i], name);
  }
  for (const cache::WorkloadStats& workload : stats.by_workload)
    workloads.push_back({{"workload", text_id(workload.workload)},
                         {"measurements", workload.measurements},
                         {"failures", workload.failures},
                         {"best_ns", workload.best_ns}});
  for (const cache::TargetStats& target : stats.by_target) {
    targets.push_back({{"target", text_id(target.target)},
                       {"kind", target.kind},
                       {"text", target.target},
                       {"measurements", target.measurements}});
    text += fmt::format("  {:>8} on {} {}\n", target.measurements, target.kind,
                        text_id(target.target).substr(0, 12));
  }
  return finish(options,
                {{"schema", 1},
                 {"path", path},
                 {"file_bytes", stats.file_bytes},
                 {"measurements", stats.measurements},
                 {"workloads", stats.workloads},
                 {"schedules", stats.schedules},
                 {"retractions", stats.retractions},
                 {"status", statuses},
                 {"by_workload", workloads},
                 {"by_target", targets}},
                text);
}

int run_check(const CommonOptions& options) {
  const std::string path = database_path(options);
  const cache::CheckReport report = value_or_throw(cache::check_database(path));
  Json issues = Json::array();
  std::string text;
  for (const cache::CheckIssue& issue : report.issues) {
    issues.push_back({{"table", issue.table}, {"row", issue.row}, {"message", issue.message}});
    text += fmt::format("{} {}: {}\n", issue.table.empty() ? "file" : issue.table, issue.row, issue.message);
  }
  text += fmt::format("{}: {} hashed, {} damaged, {} that nothing uses\n", path, plural(report.rows, "row"),
                      report.issue_count, report.orphans);
  return finish(options,
                {{"schema", 1},
                 {"path", path},
                 {"rows", report.rows},
                 {"damaged", report.issue_count},
                 {"orphans", report.orphans},
                 {"issues", issues}},
                text, report.whole() ? exit_ok : exit_check_failed);
}

}  // namespace

std::unique_ptr<cache::Store> open_store(const CommonOptions& options, cache::OpenMode mode) {
  return value_or_throw(cache::open_sqlite(database_path(options), mode));
}

int finish(const CommonOptions& options, const Json& document, const std::string& text, int code) {
  if (!options.json.empty()) write_json(document, options);
  if (options.json != "-") fmt::print("{}", text);
  return code;
}

CLI::App& add_db_subcommand(CLI::App& db, Action& action, const char* name, const std::string& help,
                            CommonOptions& options, std::function<int()> run) {
  CLI::App* command = db.add_subcommand(name, help);
  add_database_option(*command, options);
  add_json_option(*command, options);
  command->callback([run = std::move(run), &action] { action = run; });
  return *command;
}

std::string text_id(const std::string& text) { return digest(text).hex(); }

std::string parse_id_prefix(const std::string& what, const std::string& text) {
  std::string prefix = text;
  std::ranges::transform(prefix, prefix.begin(), [](unsigned char c) { return std::tolower(c); });
  if (prefix.size() < 4 || prefix.size() > 64 ||
      prefix.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw_user_error("{} '{}' is not the beginning of a hash: give 4 to 64 hexadecimal digits", what, text);
  return prefix;
}

void add_db_command(CLI::App& app, Action& action) {
  CLI::App* db = app.add_subcommand("db", "what the tuning database holds, and how it travels");
  db->require_subcommand(1);
  db->footer(
      "Records are measurements, failures included. They never change; what was measured on this machine\n"
      "is served to programs, what came from others only seeds searches, until it is promoted.\n"
      "  tunesmith db stats                     what is there\n"
      "  tunesmith db export team.jsonl         on one machine, then on another:\n"
      "  tunesmith db import team.jsonl         take the records over as seeds\n"
      "  tunesmith db promote                   measure the best of them here, so that they are served");
  for (const auto& [name, help, run] :
       {std::tuple{"stats", "count what is stored", &run_stats},
        std::tuple{"check", "hash every row again and report damage; exit 1 where there is any",
                   &run_check}}) {
    auto options = std::make_shared<CommonOptions>();
    add_db_subcommand(*db, action, name, help, *options, [options, run = run] { return run(*options); });
  }
  add_db_exchange_commands(*db, action);
  add_db_trust_commands(*db, action);
  add_db_care_commands(*db, action);
}

}  // namespace tunesmith::tools
