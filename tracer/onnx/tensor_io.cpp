#include "tracer/onnx/tensor_io.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <vector>

#include "ir/support/error.h"
#include "ir/support/whole_file.h"
#include "tracer/npy.h"
#include "tracer/onnx/tensor_proto.h"

namespace tunesmith::tracer {
namespace {

/// Elements narrower than a byte are packed, lowest bits first.
std::string raw_bytes(const ir::HostTensor& tensor) {
  const char* bytes = reinterpret_cast<const char*>(tensor.bytes());
  const int width = ir::bit_width(tensor.dtype());
  if (width >= 8 || tensor.dtype() == ir::DType::boolean) return {bytes, tensor.byte_size()};
  const std::int64_t per_byte = 8 / width;
  std::string packed(static_cast<std::size_t>((tensor.size() + per_byte - 1) / per_byte), '\0');
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    const unsigned value = static_cast<unsigned char>(bytes[i]) & ((1u << width) - 1);
    char& out = packed[static_cast<std::size_t>(i / per_byte)];
    out = static_cast<char>(static_cast<unsigned char>(out) |
                            (value << (width * static_cast<int>(i % per_byte))));
  }
  return packed;
}

bool is_npy(const std::string& path) { return path.ends_with(".npy"); }

ir::HostTensor read_proto(std::ifstream& file) {
  onnx::TensorProto proto;
  if (!proto.ParseFromIstream(&file)) throw_user_error("is not an ONNX tensor (or it is damaged)");
  return tensor_of(proto, "");
}

ir::HostTensor read_npy(std::ifstream& file) {
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return parse_npy(std::as_bytes(std::span(bytes)));
}

std::string proto_bytes(const ir::HostTensor& tensor, const std::string& name) {
  onnx::TensorProto proto;
  proto.set_name(name);
  proto.set_data_type(onnx_type_of(tensor.dtype()));
  for (std::int64_t dim : tensor.shape()) proto.add_dims(dim);
  proto.set_raw_data(raw_bytes(tensor));
  std::string bytes;
  if (!proto.SerializeToString(&bytes))
    throw_user_error("a tensor of {} bytes is too large for a .pb file", tensor.byte_size());
  return bytes;
}

}  // namespace

ir::HostTensor read_tensor(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw_user_error("cannot read '{}'", path);
  try {
    return is_npy(path) ? read_npy(file) : read_proto(file);
  } catch (const UserError& error) {
    throw UserError(fmt::format("'{}': {}", path, error.what()));
  }
}

void write_tensor(const std::string& path, const ir::HostTensor& tensor, const std::string& name) {
  std::string bytes;
  try {
    bytes = is_npy(path) ? format_npy(tensor) : proto_bytes(tensor, name);
  } catch (const UserError& error) {
    throw UserError(fmt::format("cannot write '{}': {}", path, error.what()));
  }
  WholeFile file(path);
  file.stream().write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (const int code = file.commit(); code != 0) throw_user_error("cannot write '{}': {}", path, std::strerror(code));
}

std::string numbered_tensor_path(const std::string& folder, std::string_view kind, std::size_t index) {
  const std::filesystem::path base = std::filesystem::path(folder) / fmt::format("{}_{}", kind, index);
  const std::string proto = base.string() + ".pb", npy = base.string() + ".npy";
  const bool has_proto = std::filesystem::exists(proto), has_npy = std::filesystem::exists(npy);
  if (has_proto && has_npy) throw_user_error("there are both '{}' and '{}'; keep one", proto, npy);
  if (!has_proto && !has_npy) throw_user_error("there is no '{}' and no '{}'", proto, npy);
  return has_proto ? proto : npy;
}

}  // namespace tunesmith::tracer
