// tunesmith db backup, prune: keeping a database safe and small.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cache/backup.h"
#include "cache/prune.h"
#include "cache/stats.h"
#include "tools/cli/db.h"

namespace tunesmith::tools {
namespace {

struct BackupOptions {
  CommonOptions common;
  std::string file;
};

struct PruneCommandOptions {
  CommonOptions common;
  std::string older_than;
  std::string target;
  std::int64_t keep = -1;  // not given
  bool dry_run = false;
};

/// Workloads that the text output names.
constexpr std::size_t shown_workloads = 20;
/// No record is older; keeps microseconds inside of 64 bits.
constexpr double longest_age_seconds = 1e12;

int run_backup(const BackupOptions& options) {
  const std::string path = database_path(options.common);
  const cache::BackupReport report = value_or_throw(cache::backup_database(path, options.file));
  return finish(
      options.common,
      {{"schema", 1},
       {"path", path},
       {"backup", options.file},
       {"measurements", report.measurements},
       {"bytes", report.bytes}},
      fmt::format("{} ({:.1f} MB) copied from {} to {}\n", plural(report.measurements, "measurement"),
                  static_cast<double>(report.bytes) * 1e-6, path, options.file));
}

/// The one target whose id begins with `prefix`.
cache::TargetStats find_target(const std::string& path, const std::string& text) {
  const std::string prefix = parse_id_prefix("--target", text);
  std::vector<cache::TargetStats> found;
  for (cache::TargetStats& target : value_or_throw(cache::database_stats(path)).by_target)
    if (text_id(target.target).starts_with(prefix)) found.push_back(std::move(target));
  if (found.empty())
    throw_user_error("--target '{}': database '{}' has no records of such a target; db stats lists them",
                     text, path);
  if (found.size() > 1)
    throw_user_error("--target '{}' fits {} targets of database '{}'; give more digits", text, found.size(),
                     path);
  return found.front();
}

cache::PruneOptions prune_options(const PruneCommandOptions& options, const std::string& path) {
  if (options.older_than.empty() && options.target.empty() && options.keep < 0)
    throw_user_error("prune needs to know what may go: give --older-than, --target or --keep");
  cache::PruneOptions result;
  if (!options.older_than.empty()) {
    const double seconds = std::min(parse_duration("--older-than", options.older_than), longest_age_seconds);
    result.before_us = cache::now_us() - static_cast<std::int64_t>(1e6 * seconds);
  }
  if (!options.target.empty()) {
    const cache::TargetStats target = find_target(path, options.target);
    result.target_kind = target.kind;
    result.target = target.target;
  }
  if (options.keep >= 0) result.keep = static_cast<std::size_t>(options.keep);
  result.dry_run = options.dry_run;
  return result;
}

std::string prune_text(const cache::PruneReport& report, const std::string& path, bool dry_run) {
  std::string text;
  for (std::size_t i = 0; i < std::min(shown_workloads, report.by_workload.size()); ++i) {
    const cache::PrunedWorkload& workload = report.by_workload[i];
    text += fmt::format("  {:>8} of {:>8} of kernel {}\n", workload.removed, workload.removed + workload.left,
                        text_id(workload.workload).substr(0, 12));
  }
  if (report.by_workload.size() > shown_workloads)
    text += fmt::format("  and of {}\n", plural(report.by_workload.size() - shown_workloads, "more kernel"));
  text += fmt::format("{}: {} {} ({} of failed candidates, {} not measured here), {} left\n", path,
                      plural(report.removed, "measurement"), dry_run ? "would go" : "went", report.failures,
                      report.foreign, report.left);
  if (report.spared > 0)
    text += fmt::format("{} spared, as of the fastest schedules (see --keep)\n",
                        plural(report.spared, "measurement"));
  if (report.cost_models > 0)
    text += fmt::format("{} {}\n", plural(report.cost_models, "cost model"), dry_run ? "would go" : "went");
  if (report.damaged > 0)
    text += fmt::format("{} left as they are (see db check)\n", plural(report.damaged, "damaged row"));
  if (dry_run) return text;
  text += report.not_shrunk.empty()
              ? fmt::format("{:.1f} MB -> {:.1f} MB\n", static_cast<double>(report.bytes_before) * 1e-6,
                            static_cast<double>(report.bytes_after) * 1e-6)
              : fmt::format("the file keeps its size for now: {}\n", report.not_shrunk);
  return text;
}

int run_prune(const PruneCommandOptions& options) {
  const std::string path = database_path(options.common);
  const cache::PruneReport report = value_or_throw(cache::prune_database(path, prune_options(options, path)));
  Json workloads = Json::array();
  for (const cache::PrunedWorkload& workload : report.by_workload)
    workloads.push_back(
        {{"workload", text_id(workload.workload)}, {"removed", workload.removed}, {"left", workload.left}});
  return finish(options.common,
                {{"schema", 1},
                 {"path", path},
                 {"dry_run", options.dry_run},
                 {"removed", report.removed},
                 {"failures", report.failures},
                 {"foreign", report.foreign},
                 {"spared", report.spared},
                 {"left", report.left},
                 {"damaged", report.damaged},
                 {"cost_models", report.cost_models},
                 {"bytes_before", report.bytes_before},
                 {"bytes_after", report.bytes_after},
                 {"not_shrunk", report.not_shrunk.empty() ? Json() : Json(report.not_shrunk)},
                 {"by_workload", workloads}},
                prune_text(report, path, options.dry_run));
}

}  // namespace

void add_db_care_commands(CLI::App& db, Action& action) {
  auto backup = std::make_shared<BackupOptions>();
  CLI::App& backup_command =
      add_db_subcommand(db, action, "backup", "copy the database to FILE, also while it is in use",
                        backup->common, [backup] { return run_backup(*backup); });
  backup_command.add_option("FILE", backup->file, "file to write; must not exist")->required();
  backup_command.footer(
      "The copy is of one moment, is complete or not there at all, and is a database like the original:\n"
      "  tunesmith db backup before.db && tunesmith db check --db before.db");

  auto prune = std::make_shared<PruneCommandOptions>();
  CLI::App& prune_command = add_db_subcommand(
      db, action, "prune", "let go of records that are not worth their place, and shrink the file",
      prune->common, [prune] { return run_prune(*prune); });
  prune_command.add_option("--older-than", prune->older_than, "only records that are older, e.g. 90d, 12h")
      ->type_name("AGE");
  prune_command
      .add_option("--target", prune->target,
                  "only records of this machine: the beginning of its hash in db stats")
      ->type_name("HASH");
  prune_command
      .add_option("--keep", prune->keep,
                  "spare the K fastest schedules of each kernel on each machine, toolchain and number of "
                  "threads (1 where not given; 0 spares nothing)")
      ->type_name("K")
      ->check(CLI::Range(0, 1000000));
  prune_command.add_flag("--dry-run", prune->dry_run, "say what would go, and change nothing");
  prune_command.footer(
      "What fits all of --older-than and --target goes, save the fastest schedules; with --keep alone,\n"
      "everything but these. Failures go too: a later search may try them again. Retractions never go.\n"
      "  tunesmith db prune --older-than 90d --dry-run     what is old and not among the best\n"
      "  tunesmith db prune --keep 8                       the eight fastest schedules of each kernel\n"
      "  tunesmith db prune --target 1f2e3d4c --keep 0     all of a machine that is no more");
}

}  // namespace tunesmith::tools
