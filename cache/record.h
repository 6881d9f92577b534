// Record: one measurement with everything that identifies it, and the keys under which it is stored.
//
// Invariants: payloads (workload, family, target, toolchain, protocol, schedule, source, seed, message) are
// opaque byte strings. Keys are BLAKE2b-256 over canonical bytes with a domain word, so that keys of
// different kinds never coincide. A measurement's hash covers every field but trust, which is this database's
// own opinion of the record, and family and extents, which follow from the workload.
//
// Thread safety: values and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/support/error.h"
#include "ir/support/expected.h"
#include "ir/support/hash.h"

namespace tunesmith::cache {

/// What became of a candidate. Failures are stored too, so that they are not tried again. The numbers
/// are stored: never reuse one.
enum class Status : std::uint8_t {
  ok = 0,
  verify = 1,    // the schedule is not legal for the kernel
  compile = 2,   // code generation failed
  wrong = 3,     // the output differs from the reference
  crash = 4,     // the worker died
  timeout = 5,   // compiling or running took too long
  resource = 6,  // out of memory
};
inline constexpr std::size_t status_count = 7;

std::string_view to_string(Status status);
std::optional<Status> status_from_string(std::string_view name);

/// How far a record is believed. Only what was measured here is served; the rest seeds searches.
enum class Trust : std::uint8_t { foreign = 0, verified = 1, measured_here = 2 };

std::string_view to_string(Trust trust);

struct Record {
  std::string workload;               // canonical kernel text: its identity
  std::string family;                 // the same with extents as symbols; a hint for neighbours
  std::vector<std::int64_t> extents;  // of the family's symbols, each at least 1
  std::string target_kind = "cpu";    // which targets may exchange seeds
  std::string target;
  std::string toolchain;
  std::string protocol;  // how time was taken: timer, warm or cold cache, threads
  std::string schedule;
  int language_major = 0;  // of the schedule's text
  int language_minor = 0;
  Status status = Status::ok;
  double median_ns = 0;  // 0 for failures without a time
  double mad_ns = 0;     // median absolute deviation
  std::int32_t samples = 0;
  double max_error = 0;  // infinity where the output is not comparable
  std::string message;   // of a failure, at most max_message_bytes
  std::string seed;      // what proposed the schedule: "STRATEGY seed=N" or "record=HASH" of a promotion
  std::string source;    // who measured: tune, jit, import (a foreign schedule, promoted)
  std::int64_t created_us = 0;  // since 1970, UTC
  Trust trust = Trust::measured_here;

  bool operator==(const Record&) const = default;
};

inline constexpr std::size_t max_payload_bytes = std::size_t{1} << 20;  // of each text of a record
inline constexpr std::size_t max_message_bytes = 1024;
inline constexpr std::size_t max_extents = 64;

/// Checks sizes and numbers: times finite and not negative, an ok record has a time, extents positive.
/// The error names the field.
Expected<void, Error> validate(const Record& record);

/// Microseconds since 1970, UTC: the created_us of a record made now.
std::int64_t now_us();

Digest workload_key(std::string_view workload);
Digest family_key(std::string_view family);
Digest target_key(std::string_view kind, std::string_view target);
Digest toolchain_key(std::string_view toolchain);
Digest protocol_key(std::string_view protocol);
Digest schedule_key(std::string_view schedule, int language_major, int language_minor);
Digest source_key(std::string_view source);
/// Identity of the measurement; equal for equal records on every machine and compiler.
Digest measurement_hash(const Record& record);

/// Withdraws what its subject names: a measurement (its hash), or every measurement of a schedule, toolchain
/// or source (their keys). It acts on records of at most its own trust: a stranger's retraction cannot
/// withdraw what was measured here.
struct Retraction {
  Digest subject;
  std::string reason;
  std::string source;
  std::int64_t created_us = 0;
  Trust trust = Trust::measured_here;

  bool operator==(const Retraction&) const = default;
};

/// Identity of the retraction (all fields but trust).
Digest retraction_hash(const Retraction& retraction);

}  // namespace tunesmith::cache
