#include "tracer/onnx/tensor_proto.h"

#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "ir/support/check.h"
#include "ir/support/error.h"

namespace tunesmith::tracer {
namespace {

using ir::DType;
using ir::HostTensor;

struct TypePair {
  std::int32_t onnx;
  DType dtype;
};
// Numbers of TensorProto.DataType; those past 16 are newer than some versions of the schema.
constexpr TypePair type_pairs[] = {
    {1, DType::f32},         {2, DType::u8},        {3, DType::i8},          {4, DType::u16},
    {5, DType::i16},         {6, DType::i32},       {7, DType::i64},         {9, DType::boolean},
    {10, DType::f16},        {11, DType::f64},      {12, DType::u32},        {13, DType::u64},
    {16, DType::bf16},       {17, DType::f8e4m3fn}, {18, DType::f8e4m3fnuz}, {19, DType::f8e5m2},
    {20, DType::f8e5m2fnuz}, {21, DType::u4},       {22, DType::i4},         {23, DType::f4e2m1},
    {24, DType::f8e8m0},     {25, DType::u2},       {26, DType::i2},
};

std::string name_of(const onnx::TensorProto& proto) {
  return proto.name().empty() ? "a tensor" : "tensor '" + proto.name() + "'";
}

/// Elements narrower than a byte lie packed in a file, lowest bits first; here each takes a byte.
void unpack(DType dtype, std::span<const std::byte> packed, HostTensor& tensor) {
  const int width = ir::bit_width(dtype);
  const int per_byte = 8 / width;
  std::byte* out = tensor.mutable_bytes();
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    const auto byte = std::to_integer<unsigned>(packed[static_cast<std::size_t>(i / per_byte)]);
    unsigned value = (byte >> (width * static_cast<int>(i % per_byte))) & ((1u << width) - 1);
    if (ir::is_signed_integer(dtype) && (value >> (width - 1)) != 0) value |= ~((1u << width) - 1);
    out[i] = static_cast<std::byte>(value & 0xff);
  }
}

bool is_packed(DType dtype) { return ir::bit_width(dtype) < 8 && dtype != DType::boolean; }

std::size_t file_bytes(DType dtype, std::int64_t count) {
  if (!is_packed(dtype)) return static_cast<std::size_t>(count) * ir::size_bytes(dtype);
  const int per_byte = 8 / ir::bit_width(dtype);
  return static_cast<std::size_t>((count + per_byte - 1) / per_byte);
}

std::uint64_t whole_number(const onnx::TensorProto& proto, const std::string& key, const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    throw_user_error("{}: external data has {} '{}', which is not a whole number", name_of(proto), key, text);
  return value;
}

std::string read_external(const onnx::TensorProto& proto, const std::string& folder, std::size_t expected) {
  std::string location;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") offset = whole_number(proto, entry.key(), entry.value());
    if (entry.key() == "length") length = whole_number(proto, entry.key(), entry.value());
  }
  const std::filesystem::path relative(location);
  bool escapes = location.empty() || relative.is_absolute();
  for (const auto& part : relative) escapes = escapes || part == "..";
  if (folder.empty() || escapes)
    throw_user_error("{}: external data '{}' does not lie in the model's folder", name_of(proto), location);
  const std::filesystem::path path = std::filesystem::path(folder) / relative;
  std::error_code error;
  const auto real = std::filesystem::weakly_canonical(path, error)
                        .lexically_relative(std::filesystem::weakly_canonical(folder, error));
  if (error || real.empty() || *real.begin() == "..")  // a link may lead out
    throw_user_error("{}: external data '{}' does not lie in the model's folder", name_of(proto), location);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw_user_error("{}: cannot read external data {}", name_of(proto), path.string());
  if (length && *length != expected)
    throw_user_error("{}: external data has {} bytes, the shape needs {}", name_of(proto), *length, expected);
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error || size < expected || offset > size - expected)  // told before memory is asked for
    throw_user_error("{}: {} is too short: {} bytes from {} on are needed", name_of(proto), path.string(),
                     expected, offset);
  std::string bytes(expected, '\0');
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(bytes.data(), static_cast<std::streamsize>(expected));
  if (static_cast<std::size_t>(file.gcount()) != expected)
    throw_user_error("{}: cannot read {} bytes of {}", name_of(proto), expected, path.string());
  return bytes;
}

template <class Field>
void require_count(const onnx::TensorProto& proto, const Field& field, std::int64_t count) {
  if (field.size() != count)
    throw_user_error("{}: has {} values, the shape needs {}", name_of(proto), field.size(), count);
}

void fill_from_fields(const onnx::TensorProto& proto, HostTensor& tensor) {
  const DType dtype = tensor.dtype();
  if (dtype == DType::f32) {
    require_count(proto, proto.float_data(), tensor.size());
    for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, proto.float_data(static_cast<int>(i)));
  } else if (dtype == DType::f64) {
    require_count(proto, proto.double_data(), tensor.size());
    for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, proto.double_data(static_cast<int>(i)));
  } else if (dtype == DType::i64) {
    require_count(proto, proto.int64_data(), tensor.size());
    for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set_int(i, proto.int64_data(static_cast<int>(i)));
  } else if (dtype == DType::u64 || dtype == DType::u32) {
    require_count(proto, proto.uint64_data(), tensor.size());
    for (std::int64_t i = 0; i < tensor.size(); ++i)
      tensor.set_int(i, static_cast<std::int64_t>(proto.uint64_data(static_cast<int>(i))));
  } else if (is_packed(dtype)) {
    require_count(proto, proto.int32_data(), static_cast<std::int64_t>(file_bytes(dtype, tensor.size())));
    std::vector<std::byte> packed;
    for (std::int32_t value : proto.int32_data()) packed.push_back(static_cast<std::byte>(value & 0xff));
    unpack(dtype, packed, tensor);
  } else {  // bits of the narrow floats, values of the small integers
    require_count(proto, proto.int32_data(), tensor.size());
    const std::size_t size = ir::size_bytes(dtype);
    std::byte* out = tensor.mutable_bytes();
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      const std::int32_t value = proto.int32_data(static_cast<int>(i));
      std::memcpy(out + static_cast<std::size_t>(i) * size, &value, size);
    }
  }
}

}  // namespace

DType dtype_of(std::int32_t onnx_type) {
  for (const TypePair& pair : type_pairs)
    if (pair.onnx == onnx_type) return pair.dtype;
  throw_user_error(
      "element type {} of ONNX is not supported (strings, complex numbers and later additions are not)",
      onnx_type);
}

std::int32_t onnx_type_of(DType dtype) {
  for (const TypePair& pair : type_pairs)
    if (pair.dtype == dtype) return pair.onnx;
  TS_UNREACHABLE("dtype without an ONNX element type");
}

HostTensor tensor_of(const onnx::TensorProto& proto, const std::string& folder) {
  std::vector<std::int64_t> shape;
  std::int64_t count = 1;
  for (std::int64_t dim : proto.dims()) {
    if (dim < 0 || (dim > 0 && count > most_elements / dim))
      throw_user_error("{}: dimension {} is out of range", name_of(proto), dim);
    count *= dim;
    shape.push_back(dim);
  }
  const DType dtype = dtype_of(proto.data_type());
  const std::size_t expected = file_bytes(dtype, count);
  const bool external = proto.data_location() == onnx::TensorProto_DataLocation_EXTERNAL;
  std::string bytes;
  if (external)
    bytes = read_external(proto, folder, expected);
  else if (proto.has_raw_data()) {
    bytes = proto.raw_data();
    if (bytes.size() != expected)
      throw_user_error("{}: has {} bytes, the shape needs {}", name_of(proto), bytes.size(), expected);
  } else if (count > 0) {
    const std::int64_t stored = proto.float_data_size() + proto.double_data_size() + proto.int32_data_size() +
                                proto.int64_data_size() + proto.uint64_data_size();
    const std::int64_t needed = is_packed(dtype) ? static_cast<std::int64_t>(expected) : count;
    if (stored == 0) throw_user_error("{}: has no data, the shape needs {} elements", name_of(proto), count);
    if (stored != needed)  // told before memory is asked for
      throw_user_error("{}: has {} values, the shape needs {}", name_of(proto), stored, needed);
  }
  HostTensor tensor(dtype, shape);
  const auto raw = std::as_bytes(std::span(bytes.data(), bytes.size()));
  if (!external && !proto.has_raw_data())
    fill_from_fields(proto, tensor);
  else if (is_packed(dtype))
    unpack(dtype, raw, tensor);
  else if (!raw.empty())
    std::memcpy(tensor.mutable_bytes(), raw.data(), raw.size());
  return tensor;
}

}  // namespace tunesmith::tracer
