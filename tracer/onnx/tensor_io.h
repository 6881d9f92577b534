// TensorProto files (.pb, as in ONNX test data) to host tensors and back.
#pragma once

#include <string>

#include "ir/host_tensor.h"

namespace tunesmith::tracer {

/// Throws a UserError that names the file and what is wrong with it.
ir::HostTensor read_tensor(const std::string& path);
/// The file appears whole or not at all.
void write_tensor(const std::string& path, const ir::HostTensor& tensor, const std::string& name = {});

}  // namespace tunesmith::tracer
