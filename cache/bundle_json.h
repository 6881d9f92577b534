// The lines of a bundle as text and back. Internal to the cache room.
//
// Invariants: write_line of an equal value gives equal bytes; parse_line(write_line(x)) == x but for trust.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "cache/record.h"

namespace tunesmith::cache {

inline constexpr int bundle_version = 1;

struct BundleHeader {
  int version = bundle_version;
};

struct BundleEnd {
  std::size_t lines = 0;
  Digest digest;
};

using BundleLine = std::variant<BundleHeader, Record, Retraction, BundleEnd>;

/// Without the line break.
std::string write_line(const BundleLine& line);

/// The error says what is wrong with the line. Records and retractions are checked against the hash that they
/// carry, and come as foreign.
Expected<BundleLine, Error> parse_line(std::string_view text);

/// Digest of the lines up to and with `line`, from the digest of those before it.
Digest chain_digest(const Digest& before, std::string_view line);

}  // namespace tunesmith::cache
