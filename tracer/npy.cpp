#include "tracer/npy.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "ir/support/error.h"

namespace tunesmith::tracer {
namespace {

using ir::DType;
using ir::HostTensor;

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t alignment = 64;  // of the elements in a file

struct TypeName {
  std::string_view descr;
  DType dtype;
};
constexpr TypeName type_names[] = {
    {"|b1", DType::boolean}, {"|i1", DType::i8},  {"|u1", DType::u8},  {"<i2", DType::i16},
    {"<u2", DType::u16},     {"<i4", DType::i32}, {"<u4", DType::u32}, {"<i8", DType::i64},
    {"<u8", DType::u64},     {"<f2", DType::f16}, {"<f4", DType::f32}, {"<f8", DType::f64},
};

DType dtype_of_descr(std::string_view descr) {
  for (const TypeName& name : type_names) {
    const bool one_byte = name.descr[0] == '|';  // whose byte order may say anything
    if (descr == name.descr || (one_byte && descr.size() == 3 && descr.substr(1) == name.descr.substr(1)))
      return name.dtype;
  }
  if (descr.starts_with('>'))
    throw_user_error("elements '{}' are big endian; accepted: little endian", descr);
  throw_user_error("element type '{}' is not supported; accepted: b1, i1 to i8, u1 to u8, f2, f4, f8", descr);
}

struct Header {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
};

/// Reads the dictionary of the header; keys in any order, each once.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : rest_(text) {}

  Header read() {
    std::optional<std::string> descr;
    std::optional<bool> fortran_order;
    std::optional<std::vector<std::int64_t>> shape;
    expect('{');
    while (!take('}')) {
      const std::string key = text();
      expect(':');
      if (key == "descr" && !descr)
        descr = type();
      else if (key == "fortran_order" && !fortran_order)
        fortran_order = truth();
      else if (key == "shape" && !shape)
        shape = tuple();
      else
        throw_user_error("the header has the entry '{}' twice, or it is unknown", key);
      if (take(',')) continue;
      expect('}');
      break;
    }
    skip_space();
    if (!rest_.empty()) damaged();
    if (!descr || !fortran_order || !shape)
      throw_user_error("the header lacks 'descr', 'fortran_order' or 'shape'");
    if (*fortran_order) throw_user_error("the elements are in Fortran order; accepted: C order");
    return {dtype_of_descr(*descr), std::move(*shape)};
  }

 private:
  [[noreturn]] static void damaged() { throw_user_error("the header is damaged"); }

  void skip_space() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n')) rest_.remove_prefix(1);
  }
  bool take(char c) {
    skip_space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take(c)) damaged();
  }

  std::string text() {
    skip_space();
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) damaged();
    const std::size_t end = rest_.find(rest_[0], 1);
    if (end == std::string_view::npos) damaged();
    std::string result(rest_.substr(1, end - 1));
    for (const char c : result)
      if (c < ' ' || c > '~') damaged();
    rest_.remove_prefix(end + 1);
    return result;
  }

  std::string type() {
    skip_space();
    if (rest_.starts_with('[')) throw_user_error("the elements are records; accepted: numbers and booleans");
    return text();
  }

  bool truth() {
    skip_space();
    for (const bool value : {false, true})
      if (const std::string_view word = value ? "True" : "False"; rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return value;
      }
    damaged();
  }

  std::vector<std::int64_t> tuple() {
    constexpr std::size_t most_axes = 64;
    std::vector<std::int64_t> extents;
    expect('(');
    while (!take(')')) {
      skip_space();
      std::int64_t extent = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      if (error != std::errc{} || extent < 0) damaged();
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      extents.push_back(extent);
      if (extents.size() > most_axes) throw_user_error("more than {} axes are not supported", most_axes);
      if (take(',')) continue;
      expect(')');
      if (extents.size() == 1) damaged();  // (3) is a number, (3,) a shape
      break;
    }
    return extents;
  }

  std::string_view rest_;
};

std::uint64_t little_endian(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return value;
}

/// Throws unless exactly the elements of `header` follow.
void require_size(const Header& header, std::size_t given) {
  constexpr std::int64_t most = std::int64_t{1} << 48;
  std::int64_t count = 1;
  bool empty = false, fits = true;
  for (const std::int64_t extent : header.shape) {
    empty = empty || extent == 0;
    fits = fits && extent <= most && (extent == 0 || count <= most / extent);
    if (fits && extent > 0) count *= extent;
  }
  if (!fits) throw_user_error("the shape is larger than any memory holds");
  const std::uint64_t expected = empty ? 0 : static_cast<std::uint64_t>(count) * ir::size_bytes(header.dtype);
  if (given != expected) throw_user_error("has {} bytes of elements, the shape needs {}", given, expected);
}

}  // namespace

HostTensor parse_npy(std::span<const std::byte> bytes) {
  if (bytes.size() < magic.size() || std::memcmp(bytes.data(), magic.data(), magic.size()) != 0)
    throw_user_error("is not a .npy file");
  if (bytes.size() < magic.size() + 2) throw_user_error("is cut short");
  const auto major = std::to_integer<int>(bytes[6]), minor = std::to_integer<int>(bytes[7]);
  if ((major != 1 && major != 2) || minor != 0)
    throw_user_error("has format version {}.{}; accepted: 1.0, 2.0", major, minor);
  const std::size_t width = major == 1 ? 2 : 4;
  auto rest = bytes.subspan(magic.size() + 2);
  if (rest.size() < width || rest.size() - width < little_endian(rest.first(width)))
    throw_user_error("is cut short");
  const std::size_t length = little_endian(rest.first(width));
  const Header header = HeaderReader({reinterpret_cast<const char*>(rest.data()) + width, length}).read();
  const auto elements = rest.subspan(width + length);
  require_size(header, elements.size());
  if (header.dtype == DType::boolean)
    for (const std::byte element : elements)
      if (std::to_integer<int>(element) > 1)
        throw_user_error("has a truth value of {}; accepted: 0, 1", std::to_integer<int>(element));
  return HostTensor::from_bytes(header.dtype, header.shape, elements);
}

std::string format_npy(const HostTensor& tensor) {
  std::string_view descr;
  for (const TypeName& name : type_names)
    if (name.dtype == tensor.dtype()) descr = name.descr;
  if (descr.empty())
    throw_user_error("{} has no element type in .npy files; write a .pb file", ir::to_string(tensor.dtype()));
  std::string shape;
  for (const std::int64_t extent : tensor.shape()) shape += fmt::format("{}, ", extent);
  if (tensor.rank() > 1) shape.resize(shape.size() - 2);
  if (tensor.rank() == 1) shape.pop_back();
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, shape);
  const std::size_t ahead = magic.size() + 4;  // of the header in version 1.0
  header.append(alignment - 1 - (ahead + header.size()) % alignment, ' ');
  header += '\n';
  std::string file(magic);
  file += {'\1', '\0', static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  file += header;
  return file.append(reinterpret_cast<const char*>(tensor.bytes()), tensor.byte_size());
}

}  // namespace tunesmith::tracer
