// The names that generated CUDA text uses. Nothing of the CUDA toolkit is included: the run-time compiler needs no header.
//
// The prelude has two parts: what depends on where the text runs (memory, barriers, conversions that have an instruction), and
// arithmetic, which is the same everywhere. The emulator of the tests has a first part of its own.
#pragma once

#include <string>

namespace tunesmith::codegen::cuda {

/// For the run-time compiler: the first part, then arithmetic.
std::string device_prelude();
/// Arithmetic alone. Needs TS_FN, ts_half and ts_bfloat.
const char* arithmetic_prelude();

}  // namespace tunesmith::codegen::cuda
