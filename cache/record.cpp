#include "cache/record.h"

#include <array>
#include <bit>
#include <chrono>
#include <cmath>

namespace tunesmith::cache {
namespace {

constexpr std::array<std::string_view, status_count> status_names = {"ok",    "verify",  "compile", "wrong",
                                                                     "crash", "timeout", "resource"};
constexpr std::array<std::string_view, 3> trust_names = {"foreign", "verified", "measured_here"};

CanonicalWriter in_domain(std::string_view domain) {
  CanonicalWriter writer;
  writer.text("tunesmith").text(domain);
  return writer;
}

/// A double as its bits; the two zeros are one number.
std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value); }

bool is_time(double value) { return std::isfinite(value) && value >= 0; }

Expected<void, Error> check_sizes(const Record& r) {
  struct Payload {
    std::string_view name;
    const std::string& value;
    std::size_t limit;
  };
  const std::array payloads = {
      Payload{"workload", r.workload, max_payload_bytes},
      Payload{"family", r.family, max_payload_bytes},
      Payload{"target kind", r.target_kind, 64},
      Payload{"target", r.target, max_payload_bytes},
      Payload{"toolchain", r.toolchain, max_payload_bytes},
      Payload{"protocol", r.protocol, max_payload_bytes},
      Payload{"schedule", r.schedule, max_payload_bytes},
      Payload{"message", r.message, max_message_bytes},
      Payload{"seed", r.seed, max_message_bytes},
      Payload{"source", r.source, max_message_bytes},
  };
  for (const Payload& p : payloads)
    if (p.value.size() > p.limit)
      return Unexpected(
          make_error("record: the {} has {} bytes; at most {} are stored", p.name, p.value.size(), p.limit));
  if (r.workload.empty()) return Unexpected(Error{"record: the workload is empty"});
  if (r.target_kind.empty()) return Unexpected(Error{"record: the target kind is empty"});
  if (r.extents.size() > max_extents)
    return Unexpected(make_error("record: {} extents; at most {} are stored", r.extents.size(), max_extents));
  for (std::int64_t extent : r.extents)
    if (extent < 1) return Unexpected(make_error("record: extent {} is not positive", extent));
  return {};
}

}  // namespace

std::string_view to_string(Status status) { return status_names[static_cast<std::size_t>(status)]; }

std::optional<Status> status_from_string(std::string_view name) {
  for (std::size_t i = 0; i < status_count; ++i)
    if (status_names[i] == name) return static_cast<Status>(i);
  return std::nullopt;
}

std::string_view to_string(Trust trust) { return trust_names[static_cast<std::size_t>(trust)]; }

Expected<void, Error> validate(const Record& r) {
  if (auto sizes = check_sizes(r); !sizes) return sizes;
  if (static_cast<std::size_t>(r.status) >= status_count)
    return Unexpected(make_error("record: status {} is unknown", static_cast<int>(r.status)));
  if (static_cast<std::size_t>(r.trust) >= trust_names.size())
    return Unexpected(make_error("record: trust {} is unknown", static_cast<int>(r.trust)));
  if (!is_time(r.median_ns)) return Unexpected(make_error("record: a median of {} ns", r.median_ns));
  if (!is_time(r.mad_ns)) return Unexpected(make_error("record: a deviation of {} ns", r.mad_ns));
  if (std::isnan(r.max_error) || r.max_error < 0)
    return Unexpected(make_error("record: a largest error of {}", r.max_error));
  if (r.samples < 0) return Unexpected(make_error("record: {} samples", r.samples));
  if (r.status == Status::ok && r.median_ns == 0)
    return Unexpected(Error{"record: status ok without a time"});
  if (r.language_major < 0 || r.language_minor < 0)
    return Unexpected(make_error("record: schedule language {}.{}", r.language_major, r.language_minor));
  return {};
}

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Digest workload_key(std::string_view workload) { return in_domain("workload").text(workload).finish(); }

Digest family_key(std::string_view family) { return in_domain("family").text(family).finish(); }

Digest target_key(std::string_view kind, std::string_view target) {
  return in_domain("target").text(kind).text(target).finish();
}

Digest toolchain_key(std::string_view toolchain) { return in_domain("toolchain").text(toolchain).finish(); }

Digest protocol_key(std::string_view protocol) { return in_domain("protocol").text(protocol).finish(); }

Digest schedule_key(std::string_view schedule, int language_major, int language_minor) {
  return in_domain("schedule").i64(language_major).i64(language_minor).text(schedule).finish();
}

Digest source_key(std::string_view source) { return in_domain("source").text(source).finish(); }

Digest measurement_hash(const Record& r) {
  return in_domain("measurement")
      .digest(workload_key(r.workload))
      .digest(target_key(r.target_kind, r.target))
      .digest(toolchain_key(r.toolchain))
      .digest(protocol_key(r.protocol))
      .digest(schedule_key(r.schedule, r.language_major, r.language_minor))
      .digest(source_key(r.source))
      .text(to_string(r.status))
      .u64(bits(r.median_ns))
      .u64(bits(r.mad_ns))
      .i64(r.samples)
      .u64(bits(r.max_error))
      .text(r.message)
      .text(r.seed)
      .i64(r.created_us)
      .finish();
}

Digest retraction_hash(const Retraction& r) {
  return in_domain("retraction").digest(r.subject).text(r.reason).text(r.source).i64(r.created_us).finish();
}

}  // namespace tunesmith::cache
