#include "tracer/onnx/tensor_io.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ir/support/error.h"
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

}  // namespace

ir::HostTensor read_tensor(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw_user_error("cannot read '{}'", path);
  onnx::TensorProto proto;
  if (!proto.ParseFromIstream(&file)) throw_user_error("'{}' is not an ONNX tensor (or it is damaged)", path);
  try {
    return tensor_of(proto, "");
  } catch (const UserError& error) {
    throw UserError(fmt::format("'{}': {}", path, error.what()));
  }
}

void write_tensor(const std::string& path, const ir::HostTensor& tensor, const std::string& name) {
  onnx::TensorProto proto;
  proto.set_name(name);
  proto.set_data_type(onnx_type_of(tensor.dtype()));
  for (std::int64_t dim : tensor.shape()) proto.add_dims(dim);
  proto.set_raw_data(raw_bytes(tensor));
  const std::string partial = fmt::format("{}.partial.{}", path, ::getpid());
  bool written = false;
  {
    std::ofstream file(partial, std::ios::binary);
    written = file && proto.SerializeToOstream(&file) && file.flush();
  }
  std::error_code error;
  if (written) std::filesystem::rename(partial, path, error);
  if (written && !error) return;
  std::filesystem::remove(partial, error);
  throw_user_error("cannot write '{}': is the folder there, writable and not full?", path);
}

}  // namespace tunesmith::tracer
