// Tensor files: TensorProto (.pb, as in ONNX test data) and NumPy (.npy, by its ending) to host tensors and
// back.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ir/host_tensor.h"

namespace tunesmith::tracer {

/// Throws a UserError that names the file and what is wrong with it.
ir::HostTensor read_tensor(const std::string& path);
/// The file appears whole or not at all. A .npy file keeps no `name`, and not every dtype has one.
void write_tensor(const std::string& path, const ir::HostTensor& tensor, const std::string& name = {});

/// The file "KIND_INDEX.pb" or "KIND_INDEX.npy" of a folder, e.g. input_0.pb. Throws a UserError where there
/// is none or both.
std::string numbered_tensor_path(const std::string& folder, std::string_view kind, std::size_t index);

}  // namespace tunesmith::tracer
