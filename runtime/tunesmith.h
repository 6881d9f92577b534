// Tunesmith for C++ callers: the one header to include.
#pragma once

#include "runtime/compiled_model.h"
#include "runtime/jit.h"
#include "tracer/onnx/import.h"
#include "tracer/tensor.h"

namespace tunesmith {

// Functions of tensors (relu, matmul, softmax, …) are found by argument-dependent look-up; see
// tracer/tensor.h.
using tracer::Graph;
using tracer::import_onnx;

}  // namespace tunesmith
