// NumPy's .npy format (versions 1.0 and 2.0) to host tensors and back: little endian, rows first.
//
// A file is "\x93NUMPY", two bytes of version, the length of the header (2 bytes in version 1.0, 4 in 2.0),
// the header, and the elements. The header is a Python dictionary with 'descr', 'fortran_order' and 'shape'.
// Pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "ir/host_tensor.h"

namespace tunesmith::tracer {

/// Throws a UserError that says what is wrong or not supported: another version, Fortran order, big endian
/// elements, an element type without a dtype, and damage of any kind, told before memory is asked for.
ir::HostTensor parse_npy(std::span<const std::byte> bytes);

/// The bytes of a file. Throws a UserError for dtypes that NumPy does not have (bf16, 8-bit floats, integers
/// narrower than a byte).
std::string format_npy(const ir::HostTensor& tensor);

}  // namespace tunesmith::tracer
