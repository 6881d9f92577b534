// TensorProto to HostTensor. Internal to tracer/onnx: includes protobuf.
#pragma once

#include <onnx.pb.h>

#include <cstdint>
#include <string>

#include "ir/host_tensor.h"

namespace tunesmith::tracer {

/// The dtype of an ONNX element type. Throws a UserError that names it when it has none (strings, complex
/// numbers).
ir::DType dtype_of(std::int32_t onnx_type);
std::int32_t onnx_type_of(ir::DType dtype);

/// The most elements that a tensor may have: products of an extent and an attribute fit into 63 bits.
inline constexpr std::int64_t most_elements = std::int64_t{1} << 32;

/// `folder`: where external data lies; empty: none is allowed. Throws a UserError that names the tensor.
ir::HostTensor tensor_of(const onnx::TensorProto& proto, const std::string& folder);

}  // namespace tunesmith::tracer
