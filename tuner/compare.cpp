#include "tuner/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ir/support/check.h"

namespace tunesmith::tuner {
namespace {

double epsilon_of(ir::DType dtype) {
  switch (dtype) {
    case ir::DType::f64: return 0x1p-52;
    case ir::DType::f32: return 0x1p-23;
    case ir::DType::f16: return 0x1p-10;
    case ir::DType::bf16: return 0x1p-7;
    default: return 0;
  }
}

constexpr double largest_budget = 0.1;  // a result without any of its values is off by a half or more

double root_mean_square(const ir::HostTensor& tensor) {
  double sum = 0;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    const double value = tensor.at(i);
    if (!std::isfinite(value)) continue;
    sum += value * value;
    ++count;
  }
  return count > 0 ? std::sqrt(sum / static_cast<double>(count)) : 0;
}

}  // namespace

double error_budget(const ir::Kernel& kernel, ir::DType dtype) {
  if (!ir::is_float(dtype)) return 0;
  double longest = 1;
  ir::DType sums = ir::DType::f32;  // narrower floats are computed in f32, and rounded when they are stored
  for (const ir::Buffer& buffer : kernel.buffers)
    if (buffer.dtype == ir::DType::f64) sums = dtype == ir::DType::f64 ? ir::DType::f64 : sums;
  for (const ir::Stage& stage : kernel.stages) {
    double points = 1;
    for (const ir::Axis& axis : stage.reduce) points *= static_cast<double>(ir::int_value(axis.extent));
    longest = std::max(longest, points);
  }
  constexpr double of_result = 4, of_sum = 8;  // units in the last place
  const double budget = of_result * epsilon_of(dtype) + of_sum * epsilon_of(sums) * std::sqrt(longest);
  return std::min(budget, largest_budget);
}

Comparison compare(const ir::HostTensor& got, const ir::HostTensor& want, double budget) {
  TS_CHECK(got.size() == want.size() && got.dtype() == want.dtype(), "tensors of different types");
  Comparison result;
  const bool exact = !ir::is_float(want.dtype());
  const double scale = exact ? 0 : root_mean_square(want);
  auto report = [&](std::int64_t i) {
    if (!result.mismatch)
      result.mismatch = fmt::format("element {} is {}, the reference is {}", i, got.at(i), want.at(i));
  };
  for (std::int64_t i = 0; i < want.size(); ++i) {
    if (exact) {
      if (got.int_at(i) == want.int_at(i)) continue;
      result.max_error = 1;
      report(i);
      continue;
    }
    const double g = got.at(i);
    const double w = want.at(i);
    if (g == w || (std::isnan(g) && std::isnan(w))) continue;
    const double error = std::abs(g - w) / (std::abs(w) + scale);
    if (!(error <= budget)) report(i);
    result.max_error = std::isnan(error) ? INFINITY : std::max(result.max_error, error);
  }
  return result;
}

}  // namespace tunesmith::tuner
