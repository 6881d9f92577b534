// tunesmith db list, promote, retract: which records are believed.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tools/cli/db.h"
#include "tools/cli/interrupt.h"
#include "tuner/promote.h"
#include "tuner/worker/client.h"

namespace tunesmith::tools {
namespace {

struct ListOptions {
  CommonOptions common;
  std::string workload;
  std::string status;
  std::string trust;
  std::size_t limit = 20;
};

struct PromoteOptions {
  CommonOptions common;
  std::vector<std::string> records;
  std::string workload;
  std::size_t top = 1;
  bool dry_run = false;
};

struct RetractOptions {
  CommonOptions common;
  std::vector<std::string> records;
  std::string what = "measurement";
  std::string reason;
};

struct Listed {
  cache::Record record;
  Digest hash;
  bool withdrawn = false;
};

/// Records that `wanted` takes, withdrawn ones included and marked.
std::vector<Listed> collect(cache::Store& store,
                            const std::function<bool(const cache::Record&, const Digest&)>& wanted) {
  std::vector<Listed> found;
  std::map<Digest, std::size_t> index;
  cache::Filter filter;
  filter.retracted = true;
  value_or_throw(store.visit(filter, [&](const cache::Record& record) {
    const Digest hash = cache::measurement_hash(record);
    if (wanted(record, hash)) {
      index.emplace(hash, found.size());
      found.push_back({record, hash, true});
    }
    return true;
  }));
  if (found.empty()) return found;
  filter.retracted = false;
  value_or_throw(store.visit(filter, [&](const cache::Record& record) {
    if (const auto at = index.find(cache::measurement_hash(record)); at != index.end())
      found[at->second].withdrawn = false;
    return true;
  }));
  return found;
}

/// The records whose hashes begin with the texts, one each, in their order.
std::vector<Listed> find_records(cache::Store& store, const std::vector<std::string>& texts) {
  std::vector<std::string> prefixes;
  for (const std::string& text : texts) prefixes.push_back(parse_id_prefix("record", text));
  const std::vector<Listed> candidates = collect(store, [&](const cache::Record&, const Digest& hash) {
    const std::string hex = hash.hex();
    return std::ranges::any_of(prefixes, [&](const std::string& prefix) { return hex.starts_with(prefix); });
  });
  std::vector<Listed> found;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto fits = [&](const Listed& listed) { return listed.hash.hex().starts_with(prefixes[i]); };
    const auto count = std::ranges::count_if(candidates, fits);
    if (count == 0)
      throw_user_error("database '{}' has no record '{}'; db list shows them", store.location(), texts[i]);
    if (count > 1)
      throw_user_error("record '{}' fits {} records of database '{}'; give more digits", texts[i], count,
                       store.location());
    found.push_back(*std::ranges::find_if(candidates, fits));
  }
  return found;
}

bool fits_workload(const cache::Record& record, const std::string& prefix) {
  return prefix.empty() || text_id(record.workload).starts_with(prefix);
}

/// The order of lists: kernel by kernel, what works first, the fastest first.
bool comes_before(const Listed& a, const Listed& b) {
  const auto rank = [](const Listed& l) {
    return std::tuple(l.record.status != cache::Status::ok, l.record.median_ns);
  };
  return std::tie(a.record.workload) != std::tie(b.record.workload) ? a.record.workload < b.record.workload
         : rank(a) != rank(b)                                       ? rank(a) < rank(b)
                                                                    : a.hash < b.hash;
}

std::string result_text(const cache::Record& record) {
  return record.status == cache::Status::ok ? format_time(record.median_ns)
                                            : std::string(cache::to_string(record.status));
}

std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

std::string row_text(const Listed& listed) {
  const cache::Record& r = listed.record;
  return fmt::format("{} {} {:>10} {:>13} {:>6} {:%Y-%m-%d}  {}\n", listed.hash.hex().substr(0, 12),
                     text_id(r.workload).substr(0, 8), result_text(r),
                     listed.withdrawn ? "withdrawn" : cache::to_string(r.trust), r.source,
                     fmt::gmtime(static_cast<std::time_t>(r.created_us / 1000000)), one_line(r.schedule));
}

Json row_json(const Listed& listed) {
  const cache::Record& r = listed.record;
  return {{"record", listed.hash.hex()},
          {"workload", text_id(r.workload)},
          {"target", text_id(r.target)},
          {"status", cache::to_string(r.status)},
          {"median_ns", r.median_ns},
          {"mad_ns", r.mad_ns},
          {"samples", r.samples},
          {"max_error", std::isfinite(r.max_error) ? Json(r.max_error) : Json()},
          {"trust", cache::to_string(r.trust)},
          {"withdrawn", listed.withdrawn},
          {"source", r.source},
          {"seed", r.seed},
          {"created_us", r.created_us},
          {"toolchain", r.toolchain},
          {"protocol", r.protocol},
          {"schedule", r.schedule},
          {"message", r.message}};
}

int run_list(const ListOptions& options) {
  const std::string prefix = options.workload.empty() ? "" : parse_id_prefix("--workload", options.workload);
  const auto store = open_store(options.common, cache::OpenMode::read_only);
  std::vector<Listed> found = collect(*store, [&](const cache::Record& record, const Digest&) {
    return fits_workload(record, prefix) &&
           (options.status.empty() || cache::to_string(record.status) == options.status) &&
           (options.trust.empty() || cache::to_string(record.trust) == options.trust);
  });
  std::ranges::sort(found, comes_before);
  const std::size_t total = found.size();
  if (found.size() > options.limit) found.resize(options.limit);
  Json rows = Json::array();
  std::string text = fmt::format("{:<12} {:<8} {:>10} {:>13} {:>6} {:<10}  {}\n", "record", "kernel",
                                 "result", "trust", "source", "date", "schedule");
  for (const Listed& listed : found) {
    rows.push_back(row_json(listed));
    text += row_text(listed);
  }
  text += fmt::format("{} of {}\n", found.size(), plural(total, "record"));
  return finish(options.common, {{"schema", 1}, {"total", total}, {"records", rows}}, text);
}

/// The records that were named, each checked: it may be promoted.
std::vector<Listed> named_records(cache::Store& store, const PromoteOptions& options) {
  std::vector<Listed> found = find_records(store, options.records);
  for (const Listed& listed : found) {
    const std::string name = listed.hash.hex().substr(0, 12);
    if (listed.withdrawn) throw_user_error("record '{}' is withdrawn and stays so", name);
    if (listed.record.trust == cache::Trust::measured_here)
      throw_user_error("record '{}' was measured here: it is served already", name);
  }
  return found;
}

/// The fastest schedules of each kernel among the records of others.
std::vector<Listed> best_foreign(cache::Store& store, const PromoteOptions& options) {
  const std::string prefix = options.workload.empty() ? "" : parse_id_prefix("--workload", options.workload);
  std::vector<Listed> found = collect(store, [&](const cache::Record& record, const Digest&) {
    return record.trust != cache::Trust::measured_here && record.status == cache::Status::ok &&
           record.target_kind == options.common.target && fits_workload(record, prefix);
  });
  std::erase_if(found, [](const Listed& listed) { return listed.withdrawn; });
  std::ranges::sort(found, comes_before);
  std::map<std::string, std::set<std::string>> taken;
  std::erase_if(found, [&](const Listed& listed) {
    std::set<std::string>& schedules = taken[listed.record.workload];
    return schedules.size() >= options.top || !schedules.insert(listed.record.schedule).second;
  });
  return found;
}

std::string_view outcome_of(const tuner::Promotion& promotion) {
  if (!promotion.refused.empty()) return "refused";
  if (!promotion.measurement.ok()) return cache::to_string(promotion.measurement.status);
  return promotion.known ? "known" : "promoted";
}

std::string promotion_text(const Listed& listed, const tuner::Promotion& promotion) {
  const std::string why = promotion.refused.empty() ? promotion.measurement.message : promotion.refused;
  return fmt::format("{} {} {:>10} there, {:>10} here: {}{}\n", listed.hash.hex().substr(0, 12),
                     text_id(listed.record.workload).substr(0, 8), format_time(listed.record.median_ns),
                     promotion.promoted() ? format_time(promotion.measurement.median_ns) : "-",
                     outcome_of(promotion), promotion.promoted() ? "" : ": " + one_line(why));
}

Json promotion_json(const Listed& listed, const tuner::Promotion& promotion) {
  return {{"record", listed.hash.hex()},
          {"workload", text_id(listed.record.workload)},
          {"outcome", outcome_of(promotion)},
          {"foreign_ns", listed.record.median_ns},
          {"median_ns", promotion.measurement.median_ns},
          {"max_error",
           std::isfinite(promotion.measurement.max_error) ? Json(promotion.measurement.max_error) : Json()},
          {"message", promotion.refused.empty() ? promotion.measurement.message : promotion.refused}};
}

int run_promote(const PromoteOptions& options) {
  // Opened for reading first: a database that is not there is not made.
  (void)open_store(options.common, cache::OpenMode::read_only);
  const tuner::Environment environment =
      open_environment(options.common, options.dry_run ? DatabaseUse::read : DatabaseUse::write);
  const std::vector<Listed> chosen = options.records.empty() ? best_foreign(*environment.store, options)
                                                             : named_records(*environment.store, options);
  std::vector<tuner::Promotion> done;
  if (!options.dry_run && !chosen.empty()) {
    std::vector<cache::Record> records;
    for (const Listed& listed : chosen) records.push_back(listed.record);
    const auto measurer = tuner::make_worker_measurer(environment, value_or_throw(tuner::find_worker()), {});
    const std::atomic<bool>& interrupted = catch_interrupts();
    done = value_or_throw(tuner::promote(records, environment, *measurer,
                                         [&](const tuner::Promotion&) { return !interrupted; }));
  }
  Json rows = Json::array();
  std::string text;
  std::size_t promoted = 0;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (i >= done.size()) {
      if (options.dry_run) text += row_text(chosen[i]);
      rows.push_back({{"record", chosen[i].hash.hex()},
                      {"workload", text_id(chosen[i].record.workload)},
                      {"outcome", "chosen"},
                      {"foreign_ns", chosen[i].record.median_ns}});
      continue;
    }
    promoted += done[i].promoted();
    rows.push_back(promotion_json(chosen[i], done[i]));
    text += promotion_text(chosen[i], done[i]);
  }
  if (options.dry_run)
    text += fmt::format("{} would be measured here\n", plural(chosen.size(), "record"));
  else
    text += fmt::format("{} of {} may be served now{}\n", promoted, plural(chosen.size(), "record"),
                        done.size() < chosen.size() ? "; stopped, the same command goes on" : "");
  return finish(options.common,
                {{"schema", 1},
                 {"dry_run", options.dry_run},
                 {"chosen", chosen.size()},
                 {"promoted", promoted},
                 {"records", rows}},
                text, promoted == done.size() ? exit_ok : exit_check_failed);
}

std::size_t count_used(cache::Store& store) {
  std::size_t count = 0;
  value_or_throw(store.visit({}, [&](const cache::Record&) { return ++count > 0; }));
  return count;
}

int run_retract(const RetractOptions& options) {
  // Opened for reading first: a database that is not there is not made.
  (void)open_store(options.common, cache::OpenMode::read_only);
  const auto store = open_store(options.common, cache::OpenMode::read_write);
  const std::vector<Listed> found = find_records(*store, options.records);
  std::vector<cache::Retraction> retractions;
  std::set<Digest> subjects;
  for (const Listed& listed : found) {
    const cache::Record& r = listed.record;
    const Digest subject = options.what == "schedule"
                               ? cache::schedule_key(r.schedule, r.language_major, r.language_minor)
                           : options.what == "toolchain" ? cache::toolchain_key(r.toolchain)
                                                         : listed.hash;
    if (subjects.insert(subject).second)
      retractions.push_back(
          {subject, options.reason, "retract", cache::now_us(), cache::Trust::measured_here});
  }
  const std::size_t before = count_used(*store);
  value_or_throw(store->retract(retractions));
  const std::size_t withdrawn = before - std::min(before, count_used(*store));
  Json rows = Json::array();
  for (const Listed& listed : found) rows.push_back(listed.hash.hex());
  return finish(
      options.common,
      {{"schema", 1},
       {"what", options.what},
       {"reason", options.reason},
       {"records", rows},
       {"withdrawn", withdrawn}},
      fmt::format("{} withdrawn: neither served nor used as seeds again, here or where these records "
                  "are imported\n",
                  plural(withdrawn, "record")));
}

void add_list(CLI::App& db, Action& action) {
  auto options = std::make_shared<ListOptions>();
  CLI::App& command =
      add_db_subcommand(db, action, "list", "show records, kernel by kernel, the fastest first",
                        options->common, [options] { return run_list(*options); });
  command
      .add_option("--workload", options->workload,
                  "only of this kernel: the beginning of its hash in tune --json, or here")
      ->type_name("HASH");
  command.add_option("--status", options->status, "only ok, or one class of failures")
      ->check(CLI::IsMember({"ok", "verify", "compile", "wrong", "crash", "timeout", "resource"}));
  command.add_option("--trust", options->trust, "only foreign, verified or measured_here")
      ->check(CLI::IsMember({"foreign", "verified", "measured_here"}));
  command.add_option("--limit", options->limit, "records to show")
      ->type_name("N")
      ->check(check_whole_number)
      ->capture_default_str();
}

void add_promote(CLI::App& db, Action& action) {
  auto options = std::make_shared<PromoteOptions>();
  CLI::App& command =
      add_db_subcommand(db, action, "promote",
                        "verify and measure records of others on this machine, so that they may be served",
                        options->common, [options] { return run_promote(*options); });
  command.add_option("RECORD", options->records,
                     "beginnings of hashes as db list shows them (default: the fastest foreign ones)");
  command.add_option("--workload", options->workload, "only of this kernel: the beginning of its hash")
      ->type_name("HASH");
  command.add_option("--top", options->top, "schedules of each kernel, the fastest first")
      ->type_name("K")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  add_timing_options(command, options->common);
  command.add_flag("--dry-run", options->dry_run, "say which records would be measured");
  command.footer(
      "Imported records only seed searches. Promotion replays the schedule, compiles it, runs it in a "
      "process\n"
      "of its own, compares the result with the reference and times it; only then it is served. What fails "
      "is\n"
      "recorded as a failure and makes the exit code 1.\n"
      "  tunesmith db import team.jsonl && tunesmith db promote --top 3");
}

void add_retract(CLI::App& db, Action& action) {
  auto options = std::make_shared<RetractOptions>();
  CLI::App& command = add_db_subcommand(db, action, "retract",
                                        "withdraw records: they are never served or used as seeds again",
                                        options->common, [options] { return run_retract(*options); });
  command.add_option("RECORD", options->records, "beginnings of hashes as db list shows them")->required();
  command
      .add_option("--what", options->what,
                  "withdraw the measurement itself, every measurement of its schedule, or of its toolchain")
      ->check(CLI::IsMember({"measurement", "schedule", "toolchain"}))
      ->capture_default_str();
  command.add_option("--reason", options->reason, "why, for those who import it")
      ->type_name("TEXT")
      ->required();
  command.footer(
      "A retraction is a record of its own: it cannot be undone, db export hands it on, and db prune keeps "
      "it.\n"
      "Where others import it, it withdraws what they imported, not what they measured.\n"
      "  tunesmith db retract 3fa9c2d17b54 --reason 'measured while the machine was busy'\n"
      "  tunesmith db retract 3fa9c2d17b54 --what schedule --reason 'miscompiled'");
}

}  // namespace

void add_db_trust_commands(CLI::App& db, Action& action) {
  add_list(db, action);
  add_promote(db, action);
  add_retract(db, action);
}

}  // namespace tunesmith::tools
