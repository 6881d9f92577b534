#include "codegen/executable.h"

#include <algorithm>
#include <cstring>

namespace tunesmith::codegen {
namespace {

constexpr std::uint32_t object_magic = 0x4a424f54;  // "TOBJ"
constexpr std::uint32_t object_version = 1;

class Writer {
 public:
  void number(std::int64_t value) {
    for (int shift = 0; shift < 64; shift += 8)
      out.push_back(static_cast<std::byte>((value >> shift) & 0xff));
  }
  void bytes(std::span<const std::byte> value) {
    number(static_cast<std::int64_t>(value.size()));
    out.insert(out.end(), value.begin(), value.end());
  }
  std::vector<std::byte> out;
};

/// Every read is checked; after a failed one all further reads give zero and `ok` stays false.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> data) : data_(data) {}
  std::int64_t number() {
    if (!take(8)) return 0;
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value |= std::to_integer<std::uint64_t>(data_[at_ - 8 + i]) << (8 * i);
    return static_cast<std::int64_t>(value);
  }
  std::span<const std::byte> bytes() {
    const std::int64_t size = number();
    if (size < 0 || !take(static_cast<std::size_t>(size))) return {};
    return data_.subspan(at_ - static_cast<std::size_t>(size), static_cast<std::size_t>(size));
  }
  bool ok = true;
  bool at_end() const { return at_ == data_.size(); }

 private:
  bool take(std::size_t size) {
    if (!ok || size > data_.size() - at_) return ok = false;
    at_ += size;
    return true;
  }
  std::span<const std::byte> data_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<std::byte> Object::serialise() const {
  Writer writer;
  writer.number(object_magic);
  writer.number(object_version);
  writer.bytes(std::as_bytes(std::span(symbol.data(), symbol.size())));
  writer.number(has_prepare ? 1 : 0);
  writer.number(workspace_bytes);
  writer.number(thread_scratch_bytes);
  writer.number(argument_count);
  writer.number(prepared_count);
  writer.number(static_cast<std::int64_t>(argument_bytes.size()));
  for (std::int64_t bytes : argument_bytes) writer.number(bytes);
  writer.bytes(code);
  return std::move(writer.out);
}

Expected<Object, Error> Object::deserialise(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  if (reader.number() != object_magic || reader.number() != object_version)
    return Unexpected(make_error("not a compiled kernel of this version"));
  Object object;
  const auto symbol = reader.bytes();
  object.symbol.assign(reinterpret_cast<const char*>(symbol.data()), symbol.size());
  object.has_prepare = reader.number() != 0;
  object.workspace_bytes = reader.number();
  object.thread_scratch_bytes = reader.number();
  object.argument_count = static_cast<std::int32_t>(reader.number());
  object.prepared_count = static_cast<std::int32_t>(reader.number());
  const std::int64_t count = reader.number();
  if (count < 0 || static_cast<std::size_t>(count) > bytes.size()) reader.ok = false;
  for (std::int64_t i = 0; reader.ok && i < count; ++i) object.argument_bytes.push_back(reader.number());
  const auto code = reader.bytes();
  object.code.assign(code.begin(), code.end());
  const bool sane = reader.ok && reader.at_end() && object.argument_count == count &&
                    std::ranges::all_of(object.argument_bytes, [](std::int64_t n) { return n >= 0; }) &&
                    object.workspace_bytes >= 0 && object.thread_scratch_bytes >= 0 && object.prepared_count >= 0 && object.prepared_count <= object.argument_count;
  if (!sane) return Unexpected(make_error("the compiled kernel is damaged"));
  return object;
}

}  // namespace tunesmith::codegen
