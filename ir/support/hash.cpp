#include "ir/support/hash.h"

#include <sodium/crypto_generichash_blake2b.h>

#include "ir/support/check.h"

namespace tunesmith {

std::string Digest::hex() const {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(64);
  for (std::byte b : bytes) {
    text.push_back(digits[std::to_integer<unsigned>(b) >> 4]);
    text.push_back(digits[std::to_integer<unsigned>(b) & 15]);
  }
  return text;
}

std::optional<Digest> Digest::from_hex(std::string_view text) {
  Digest result;
  if (text.size() != 2 * result.bytes.size()) return std::nullopt;
  auto value = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  for (std::size_t i = 0; i < result.bytes.size(); ++i) {
    const int high = value(text[2 * i]);
    const int low = value(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    result.bytes[i] = static_cast<std::byte>(high * 16 + low);
  }
  return result;
}

Digest digest(std::span<const std::byte> bytes) {
  Digest result;
  const int status = crypto_generichash_blake2b(
      reinterpret_cast<unsigned char*>(result.bytes.data()), result.bytes.size(),
      reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), nullptr, 0);
  TS_CHECK(status == 0, "BLAKE2b refused its arguments");
  return result;
}

Digest digest(std::string_view text) { return digest(std::as_bytes(std::span(text.data(), text.size()))); }

CanonicalWriter& CanonicalWriter::u64(std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8)
    data_.push_back(static_cast<std::byte>((value >> shift) & 0xff));
  return *this;
}

CanonicalWriter& CanonicalWriter::text(std::string_view value) {
  return bytes(std::as_bytes(std::span(value.data(), value.size())));
}

CanonicalWriter& CanonicalWriter::bytes(std::span<const std::byte> value) {
  u64(value.size());
  data_.insert(data_.end(), value.begin(), value.end());
  return *this;
}

CanonicalWriter& CanonicalWriter::digest(const Digest& value) { return bytes(value.bytes); }

}  // namespace tunesmith
