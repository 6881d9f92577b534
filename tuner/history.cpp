#include "tuner/history.h"

#include <fmt/format.h>

#include <utility>

#include "ir/canonical.h"
#include "ir/support/log.h"
#include "schedules/version.h"
#include "tuner/features.h"

namespace tunesmith::tuner {
namespace {

constexpr std::string_view target_kind = "cpu";

Measurement measurement_of(const cache::Record& record) {
  return {record.status, record.median_ns, record.mad_ns, record.samples, record.max_error, record.message};
}

std::string model_key(const std::string& name) { return fmt::format("{} features={}", name, feature_version); }

/// A look-up that fails is a miss: the search is only slower without it.
template <class T>
T value_or_empty(Expected<T, Error> result) {
  if (result) return std::move(*result);
  log(LogLevel::warning, "the tuning database cannot be read: {}", result.error().message);
  return {};
}

}  // namespace

History::History(const Environment& environment, Provenance provenance)
    : environment_(environment),
      provenance_(std::move(provenance)),
      target_(environment.target_text()),
      toolchain_(environment.toolchain_text()),
      protocol_(environment.protocol_text()) {}

std::optional<KnownSchedule> History::best(const ir::Kernel& kernel) const {
  if (!environment_.store) return std::nullopt;
  const cache::Conditions conditions{target_kind, target_, toolchain_, protocol_, schedules::language_major};
  const auto served = environment_.store->find(ir::canonical_text(kernel), conditions);
  if (!served) return std::nullopt;
  return KnownSchedule{served->record.schedule, measurement_of(served->record), !served->stale};
}

std::vector<KnownSchedule> History::known(const ir::Kernel& kernel) const {
  std::vector<KnownSchedule> result;
  if (!environment_.store) return result;
  for (const cache::Record& record :
       value_or_empty(environment_.store->records(ir::canonical_text(kernel), target_kind, target_))) {
    const bool same = record.toolchain == toolchain_ && record.protocol == protocol_ &&
                      record.language_major == schedules::language_major &&
                      record.trust == cache::Trust::measured_here;
    if (same) result.push_back({record.schedule, measurement_of(record), true});
  }
  return result;
}

std::vector<std::string> History::seeds(const ir::Kernel& kernel, std::size_t limit) const {
  std::vector<std::string> result;
  if (!environment_.store) return result;
  const ir::Family family = ir::family_of(kernel);
  const cache::NeighbourQuery query{
      family.text, family.extents, target_kind, target_, schedules::language_major, limit};
  for (const cache::Neighbour& neighbour : value_or_empty(environment_.store->neighbours(query)))
    result.push_back(neighbour.record.schedule);
  return result;
}

Expected<void, Error> History::add(const ir::Kernel& kernel, const std::string& schedule,
                                   const Measurement& measurement) {
  if (!environment_.store) return {};
  const ir::Family family = ir::family_of(kernel);
  cache::Record record;
  record.workload = ir::canonical_text(kernel);
  record.family = family.text;
  record.extents = family.extents;
  if (record.extents.size() > cache::max_extents) {  // hints for neighbours only
    record.family.clear();
    record.extents.clear();
  }
  record.target_kind = target_kind;
  record.target = target_;
  record.toolchain = toolchain_;
  record.protocol = protocol_;
  record.schedule = schedule;
  record.language_major = schedules::language_major;
  record.language_minor = schedules::language_minor;
  record.status = measurement.status;
  record.median_ns = measurement.median_ns;
  record.mad_ns = measurement.mad_ns;
  record.samples = measurement.samples;
  record.max_error = measurement.max_error;
  record.message = measurement.message.substr(0, cache::max_message_bytes);
  record.seed = provenance_.seed;
  record.source = provenance_.source;
  record.created_us = cache::now_us();
  return environment_.store->put(std::span(&record, 1));
}

Expected<void, Error> History::flush() {
  if (!environment_.store) return {};
  return environment_.store->flush();
}

std::optional<std::vector<std::byte>> History::load_model(const std::string& name) const {
  if (!environment_.store) return std::nullopt;
  return value_or_empty(environment_.store->load_model(target_kind, target_, model_key(name)));
}

Expected<void, Error> History::save_model(const std::string& name, const std::vector<std::byte>& model) {
  if (!environment_.store) return {};
  return environment_.store->save_model(target_kind, target_, model_key(name), model);
}

}  // namespace tunesmith::tuner
