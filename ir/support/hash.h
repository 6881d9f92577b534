// Two hashes with different duties.
//
// - Digest / CanonicalWriter: BLAKE2b-256 over canonical bytes (explicit little-endian,
//   length-prefixed). The identity of workloads, targets, schedules and records; equal on every
//   compiler and machine, stored in databases.
// - mix64 / combine64: cheap in-memory hashing for tables. Never stored.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tunesmith {

/// A BLAKE2b-256 digest.
struct Digest {
  std::array<std::byte, 32> bytes{};

  auto operator<=>(const Digest&) const = default;
  /// 64 lower-case hexadecimal digits.
  std::string hex() const;
  static std::optional<Digest> from_hex(std::string_view text);
};

/// Digest of raw bytes.
Digest digest(std::span<const std::byte> bytes);
Digest digest(std::string_view text);

/// Builds the canonical bytes of a key. Integers are 8 bytes little-endian; texts and lists carry
/// their length first, so that no two different sequences of calls give the same bytes.
class CanonicalWriter {
 public:
  CanonicalWriter& u64(std::uint64_t value);
  CanonicalWriter& i64(std::int64_t value) { return u64(static_cast<std::uint64_t>(value)); }
  CanonicalWriter& text(std::string_view value);
  CanonicalWriter& bytes(std::span<const std::byte> value);
  CanonicalWriter& digest(const Digest& value);

  std::span<const std::byte> data() const { return data_; }
  Digest finish() const { return tunesmith::digest(std::span<const std::byte>(data_)); }

 private:
  std::vector<std::byte> data_;
};

/// Finaliser of splitmix64: a bijection with good avalanche.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

constexpr std::uint64_t combine64(std::uint64_t seed, std::uint64_t value) {
  return mix64(seed * 0x9e3779b97f4a7c15ull + value + 0x632be59bd9b4e019ull);
}

/// In-memory hash of a text (FNV-1a, mixed). Equal on every machine, but never stored.
constexpr std::uint64_t hash64(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325ull;
  for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return mix64(h);
}

}  // namespace tunesmith
