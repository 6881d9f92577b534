// tunesmith db export, import, merge: how records travel.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cache/bundle.h"
#include "cache/location.h"
#include "cache/merge.h"
#include "tools/cli/db.h"
#include "tuner/replay.h"

namespace tunesmith::tools {
namespace {

struct ExchangeOptions {
  CommonOptions common;
  std::string file;
};

/// Says what is wrong with a file before a database is made for its records.
void require_readable(const std::string& path) {
  if (std::filesystem::is_directory(path)) throw_user_error("'{}' is a folder, not a bundle", path);
  if (::access(path.c_str(), R_OK) != 0)
    throw_user_error("cannot read the bundle '{}': {}", path, std::strerror(errno));
}

/// Says what a bundle would replace: anything but another bundle.
void require_replaceable(const std::string& path, const CommonOptions& options) {
  std::error_code error;
  for (const std::string& kept : {database_path(options), cache::object_store_path(database_path(options))})
    if (std::filesystem::equivalent(path, kept, error))
      throw_user_error("'{}' is the database itself; export into another file", path);
  if (!std::filesystem::is_regular_file(path, error) || std::filesystem::file_size(path, error) == 0) return;
  if (!cache::is_bundle_file(path))
    throw_user_error("'{}' exists and is no bundle; choose another name", path);
}

int run_export(const ExchangeOptions& options) {
  require_replaceable(options.file, options.common);
  const auto store = open_store(options.common, cache::OpenMode::read_only);
  const cache::ExportReport report = value_or_throw(cache::export_bundle_file(*store, {}, options.file));
  return finish(
      options.common,
      {{"schema", 1},
       {"records", report.records},
       {"retractions", report.retractions},
       {"damaged", report.damaged}},
      fmt::format("{} written to {}{}\n", plural(report.records, "record"), options.file,
                  report.damaged > 0 ? fmt::format(" ({} damaged ones left out)", report.damaged) : ""));
}

int run_import(const ExchangeOptions& options) {
  require_readable(options.file);
  const auto store = open_store(options.common, cache::OpenMode::read_write);
  const cache::ImportReport report =
      value_or_throw(cache::import_bundle_file(*store, options.file, tuner::refuse_unplayable));
  Json issues = Json::array();
  std::string text;
  for (const cache::LineIssue& issue : report.issues) {
    issues.push_back({{"line", issue.line}, {"message", issue.message}});
    text += fmt::format("{}:{}: {}\n", options.file, issue.line, issue.message);
  }
  text += fmt::format("{} added, {} known already, {} rejected\n", plural(report.added, "record"),
                      report.present, plural(report.rejected, "line"));
  return finish(options.common,
                {{"schema", 1},
                 {"added", report.added},
                 {"present", report.present},
                 {"retractions", report.retractions},
                 {"rejected", report.rejected},
                 {"issues", issues}},
                text, report.issues.empty() ? exit_ok : exit_check_failed);
}

int run_merge(const ExchangeOptions& options) {
  value_or_throw(cache::open_sqlite(options.file, cache::OpenMode::read_only));  // before --db is made
  const auto store = open_store(options.common, cache::OpenMode::read_write);
  const cache::MergeReport report =
      value_or_throw(cache::merge_database(*store, options.file, tuner::refuse_unplayable));
  Json issues = Json::array();
  std::string text;
  for (const cache::MergeIssue& issue : report.issues) {
    issues.push_back({{"where", issue.where}, {"message", issue.message}});
    text += fmt::format("{}: {}\n", issue.where, issue.message);
  }
  text += fmt::format("{} added, {} known already, {} rejected\n", plural(report.added, "record"),
                      report.present, report.rejected);
  return finish(options.common,
                {{"schema", 1},
                 {"added", report.added},
                 {"present", report.present},
                 {"retractions", report.retractions},
                 {"rejected", report.rejected},
                 {"issues", issues}},
                text, report.rejected == 0 ? exit_ok : exit_check_failed);
}

}  // namespace

void add_db_exchange_commands(CLI::App& db, Action& action) {
  struct Command {
    const char* name;
    const char* help;
    const char* file_help;
    int (*run)(const ExchangeOptions&);
  };
  for (const Command& entry :
       {Command{"export", "write all records as JSON lines", "file to write", run_export},
        Command{"import",
                "take over records of a JSON lines file; they seed searches and are served only after "
                "db promote measured them here",
                "file to read", run_import},
        Command{"merge", "take over the records of another database, as import does", "database to read",
                run_merge}}) {
    auto options = std::make_shared<ExchangeOptions>();
    CLI::App& command = add_db_subcommand(db, action, entry.name, entry.help, options->common,
                                          [options, run = entry.run] { return run(*options); });
    command.add_option("FILE", options->file, entry.file_help)->required();
  }
}

}  // namespace tunesmith::tools
