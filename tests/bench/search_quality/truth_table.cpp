#include "tests/bench/search_quality/truth_table.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "ir/support/whole_file.h"
#include "schedules/apply.h"
#include "tuner/statistics.h"

namespace tunesmith::bench {
namespace {

using Json = nlohmann::json;
constexpr int enough = 3;  // measurements of the fastest

}  // namespace

TruthTable::TruthTable(std::string path, const ir::Kernel& kernel, const tuner::Environment& environment,
                       tuner::Measurer& measurer)
    : path_(std::move(path)), environment_(environment), measurer_(measurer) {
  if (auto ready = measurer_.begin_kernel(kernel); !ready) throw UserError(ready.error().message);
  std::ifstream file(path_);
  if (!file) return;
  const Json json = Json::parse(file, nullptr, false);
  if (!json.is_object()) throw_user_error("'{}' is no table of an earlier run", path_);
  for (const auto& [schedule, entry] : json.items())
    entries_[schedule] = {entry["ns"].is_null() ? std::numeric_limits<double>::infinity() : entry["ns"].get<double>(),
                          entry["seconds"], entry["measurements"]};
}

TruthTable::Entry TruthTable::measure(const ir::LoopNest& nest) {
  const auto start = std::chrono::steady_clock::now();
  Entry entry{std::numeric_limits<double>::infinity(), 0, 1};
  if (const auto object = environment_.backend->compile(nest)) {
    const auto measurement = measurer_.measure(*object);
    if (!measurement) throw UserError(measurement.error().message);
    if (measurement->ok()) entry.ns = measurement->median_ns;
  }
  entry.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return entry;
}

const TruthTable::Entry& TruthTable::at(const std::string& schedule, const ir::LoopNest& nest) {
  const auto it = entries_.find(schedule);
  return it != entries_.end() ? it->second : entries_.emplace(schedule, measure(nest)).first->second;
}

void TruthTable::confirm_best(const ir::Kernel& kernel) {
  for (;;) {
    const auto best = std::ranges::min_element(entries_, {}, [](const auto& entry) { return entry.second.ns; });
    if (best == entries_.end() || best->second.measurements >= enough) return;
    const auto nest = schedules::apply(kernel, schedules::parse_schedule(best->first).value());
    std::vector<double> times = {best->second.ns};
    while (times.size() < enough) times.push_back(measure(nest.value()).ns);
    best->second.ns = tuner::median(times);
    best->second.measurements = enough;
  }
}

double TruthTable::best_ns() const {
  double best = std::numeric_limits<double>::infinity();
  for (const auto& [schedule, entry] : entries_) best = std::min(best, entry.ns);
  return best;
}

void TruthTable::save() const {
  Json json = Json::object();
  for (const auto& [schedule, entry] : entries_)
    json[schedule] = {{"ns", std::isfinite(entry.ns) ? Json(entry.ns) : Json()},
                      {"seconds", entry.seconds},
                      {"measurements", entry.measurements}};
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path());
  WholeFile file(path_);
  file.stream() << json.dump(1) << '\n';
  file.commit();
}

}  // namespace tunesmith::bench
