// Random tensors and comparison for the property tests of the tracer.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "ir/host_tensor.h"
#include "ir/support/env.h"
#include "ir/support/rng.h"
#include "tests/tracer/names.h"

namespace tunesmith::tracer::testing {

/// TUNESMITH_SEED gives a failing seed back.
inline std::uint64_t first_seed(std::uint64_t otherwise) {
  const auto text = env_value("TUNESMITH_SEED");
  return text ? std::stoull(*text) : otherwise;
}

/// Floats in [low, high) in steps that narrow types hold; integers from the same range.
inline ir::HostTensor random_tensor(Rng& rng, ir::DType dtype, std::vector<std::int64_t> shape,
                                    double low = -2, double high = 2) {
  ir::HostTensor tensor(dtype, std::move(shape));
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    double value = low + (high - low) * std::floor(rng.unit() * 256) / 256;
    if (dtype == ir::DType::f8e8m0) value = std::abs(value);  // has no sign
    if (dtype == ir::DType::boolean)
      tensor.set_int(i, static_cast<std::int64_t>(rng.below(2)));
    else if (ir::is_float(dtype))
      tensor.set(i, value);
    else
      tensor.set_int(i, static_cast<std::int64_t>(std::floor(value)));
  }
  return tensor;
}

/// Empty where all elements agree; else the first that does not.
inline std::string difference(const ir::HostTensor& got, const ir::HostTensor& want, double tolerance) {
  if (got.dtype() != want.dtype()) return "different dtypes";
  if (got.shape() != want.shape()) return "different shapes";
  for (std::int64_t i = 0; i < got.size(); ++i) {
    const double a = got.at(i), b = want.at(i);
    if (std::isnan(a) && std::isnan(b)) continue;
    if (a == b) continue;
    if (!(std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b))))
      return fmt::format("element {}: {} instead of {}", i, a, b);
  }
  return {};
}

}  // namespace tunesmith::tracer::testing
