#include "tuner/pretrain.h"

#include <algorithm>
#include <limits>

#include "ir/support/hash.h"
#include "ir/support/log.h"
#include "schedules/analytic.h"
#include "schedules/version.h"
#include "tuner/replay.h"
#include "tuner/statistics.h"

namespace tunesmith::tuner {
namespace {

constexpr double past_weight = 0.5;
constexpr std::size_t most_records = 200000;  // that are looked at

/// Newest last, of one protocol.
std::vector<cache::Record> past_records(const Environment& environment) {
  std::vector<cache::Record> records;
  cache::Filter filter;
  filter.target_kind = "cpu";
  const std::string protocol = environment.protocol_text(), target = environment.target_text();
  const std::string toolchain = environment.toolchain_text();
  const auto visited = environment.store->visit(filter, [&](const cache::Record& record) {
    if (record.language_major != schedules::language_major || record.protocol != protocol) return true;
    // Failures are of one machine and compiler.
    const bool counts = record.status == cache::Status::ok
                            ? record.median_ns > 0
                            : record.target == target && record.toolchain == toolchain;
    if (counts) records.push_back(record);
    return records.size() < most_records;
  });
  if (!visited) log(LogLevel::warning, "the tuning database cannot be read: {}", visited.error().message);
  return records;
}

}  // namespace

std::map<std::string, double> rank_agreement(std::span<const cache::Record> records, const std::string& target) {
  using Key = std::pair<std::string_view, std::string_view>;  // workload, schedule
  std::map<Key, double> here;
  for (const cache::Record& record : records)
    if (record.target == target && record.status == cache::Status::ok) here[{record.workload, record.schedule}] = record.median_ns;
  struct Pairs {
    std::vector<double> here, there;
  };
  std::map<std::string, std::map<std::string_view, Pairs>> shared;  // by target, then workload
  for (const cache::Record& record : records) {
    if (record.target == target || record.status != cache::Status::ok) continue;
    auto& workloads = shared[record.target];
    const auto it = here.find({record.workload, record.schedule});
    if (it == here.end()) continue;
    workloads[record.workload].here.push_back(it->second);
    workloads[record.workload].there.push_back(record.median_ns);
  }
  std::map<std::string, double> agreement;
  for (const auto& [other, workloads] : shared) {
    double sum = 0, count = 0;
    for (const auto& [workload, pairs] : workloads) {
      const auto size = static_cast<double>(pairs.here.size());
      if (size < 2) continue;
      sum += size * rank_correlation(pairs.here, pairs.there);
      count += size;
    }
    agreement[other] = count >= least_shared ? std::clamp(sum / count, 0.0, 1.0) : unknown_agreement;
  }
  return agreement;
}

std::vector<TrainingRow> past_rows(const Environment& environment, const CostModel& model, std::size_t limit) {
  std::vector<TrainingRow> rows;
  if (!environment.store) return rows;
  std::vector<cache::Record> records = past_records(environment);
  const std::string target = environment.target_text();
  const std::map<std::string, double> agreement = rank_agreement(records, target);
  std::map<std::pair<std::string_view, std::string_view>, double> best;  // by workload and target
  for (const cache::Record& record : records) {
    if (record.status != cache::Status::ok) continue;
    double& ns = best.try_emplace({record.workload, record.target}, record.median_ns).first->second;
    ns = std::min(ns, record.median_ns);
  }
  std::vector<const cache::Record*> order;
  for (auto it = records.rbegin(); it != records.rend(); ++it) order.push_back(&*it);
  std::ranges::stable_partition(order, [&](const cache::Record* record) { return record->target == target; });

  const schedules::Machine machine = environment.machine();
  for (const cache::Record* record : order) {
    if (rows.size() >= limit) break;
    const double trusted = record->target == target ? 1 : agreement.at(record->target);
    if (trusted == 0) continue;
    const auto replayed = replay(*record);
    if (!replayed || !replayed->nest) continue;
    const schedules::AnalyticCost cost = schedules::analytic_cost(*replayed->nest, machine, environment.threads);
    TrainingRow row;
    const std::uint64_t kernel = hash64(record->target == target ? record->workload : record->workload + record->target);
    row.sample = {model.features(*replayed->nest, cost, machine, environment.threads), cost.time_ns, kernel};
    const bool ok = record->status == cache::Status::ok;
    row.ns = ok ? record->median_ns : std::numeric_limits<double>::infinity();
    row.relative_speed = ok ? best.at({record->workload, record->target}) / record->median_ns : 0;
    row.weight = past_weight * trusted;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace tunesmith::tuner
