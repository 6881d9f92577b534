// Comparison of a candidate's outputs with the reference.
#pragma once

#include <optional>
#include <string>

#include "ir/host_tensor.h"
#include "ir/kernel.h"

namespace tunesmith::tuner {

/// How far an output of `kernel` may be from the reference: |got - want| <= relative * (|want| + rms(want)), with
/// `relative` a few units in the last place of the output, and of f32 (f64 for f64) times the square root of the longest
/// reduction, as narrower floats are summed in f32. Never more than 0.1.
/// Integers and booleans must be equal.
double error_budget(const ir::Kernel& kernel, ir::DType dtype);

struct Comparison {
  double max_error = 0;                 // largest |got - want| / (|want| + rms(want))
  std::optional<std::string> mismatch;  // first element outside of the budget, in words
};
/// REQUIRES: equal dtypes and element counts. NaN equals NaN; infinities must match in sign.
Comparison compare(const ir::HostTensor& got, const ir::HostTensor& want, double budget);

}  // namespace tunesmith::tuner
