#include <algorithm>
#include <cmath>

#include "ir/integer_ops.h"
#include "ir/support/check.h"
#include "ir/support/error.h"
#include "tracer/ops/infer.h"
#include "tracer/ops/names.h"
#include "tracer/ops/reference.h"
#include "tracer/ops/reference_util.h"

namespace tunesmith::tracer {
namespace {

using ir::BinaryOp;
using ir::UnaryOp;

double unary_of(UnaryOp op, double x) {
  switch (op) {
    case UnaryOp::neg: return -x;
    case UnaryOp::abs: return std::abs(x);
    case UnaryOp::sign: return std::isnan(x) ? x : x > 0 ? 1 : x < 0 ? -1 : 0;
    case UnaryOp::floor: return std::floor(x);
    case UnaryOp::ceil: return std::ceil(x);
    case UnaryOp::round_even: return std::nearbyint(x);
    case UnaryOp::trunc: return std::trunc(x);
    case UnaryOp::sqrt: return std::sqrt(x);
    case UnaryOp::rsqrt: return 1 / std::sqrt(x);
    case UnaryOp::reciprocal: return 1 / x;
    case UnaryOp::exp: return std::exp(x);
    case UnaryOp::exp2: return std::exp2(x);
    case UnaryOp::expm1: return std::expm1(x);
    case UnaryOp::log: return std::log(x);
    case UnaryOp::log2: return std::log2(x);
    case UnaryOp::log1p: return std::log1p(x);
    case UnaryOp::sin: return std::sin(x);
    case UnaryOp::cos: return std::cos(x);
    case UnaryOp::tan: return std::tan(x);
    case UnaryOp::asin: return std::asin(x);
    case UnaryOp::acos: return std::acos(x);
    case UnaryOp::atan: return std::atan(x);
    case UnaryOp::sinh: return std::sinh(x);
    case UnaryOp::cosh: return std::cosh(x);
    case UnaryOp::asinh: return std::asinh(x);
    case UnaryOp::acosh: return std::acosh(x);
    case UnaryOp::atanh: return std::atanh(x);
    case UnaryOp::tanh: return std::tanh(x);
    case UnaryOp::sigmoid: return 1 / (1 + std::exp(-x));
    case UnaryOp::erf: return std::erf(x);
    case UnaryOp::is_nan: return std::isnan(x) ? 1 : 0;
    case UnaryOp::is_inf: return std::isinf(x) ? 1 : 0;
    case UnaryOp::logical_not: return x == 0 ? 1 : 0;
    case UnaryOp::bit_not: break;
  }
  TS_UNREACHABLE("unary operation on floats");
}

double binary_of(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::add: return a + b;
    case BinaryOp::sub: return a - b;
    case BinaryOp::mul: return a * b;
    case BinaryOp::div: return a / b;
    case BinaryOp::mod: return std::fmod(a, b);
    case BinaryOp::floor_div: return std::floor(a / b);
    case BinaryOp::floor_mod: {
      const double rest = std::fmod(a, b);
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
    case BinaryOp::min: return a < b ? a : b;
    case BinaryOp::max: return a > b ? a : b;
    case BinaryOp::pow: return std::pow(a, b);
    case BinaryOp::atan2: return std::atan2(a, b);
    case BinaryOp::eq: return a == b;
    case BinaryOp::ne: return a != b;
    case BinaryOp::lt: return a < b;
    case BinaryOp::le: return a <= b;
    case BinaryOp::gt: return a > b;
    case BinaryOp::ge: return a >= b;
    default: TS_UNREACHABLE("binary operation on floats");
  }
}

/// What integers give is stated once, for the IR and for here.
std::int64_t binary_of(BinaryOp op, DType dtype, std::int64_t a, std::int64_t b) {
  const auto result = ir::integer_binary(op, dtype, a, b);
  if (!result) throw_user_error("integer division by zero");
  return *result;
}

HostTensor output_of(std::vector<TensorType> types) { return {types[0].dtype, to_ints(types[0].shape)}; }

}  // namespace

Tensors reference_unary(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor& x = inputs[0];
  const UnaryOp op = unary_from_name(attributes.get_text("op"));
  HostTensor out = output_of(infer_unary(types_of(inputs), attributes));
  for (std::int64_t i = 0; i < x.size(); ++i) {
    if (ir::is_float(x.dtype())) {
      out.set(i, unary_of(op, x.at(i)));
      continue;
    }
    const std::int64_t value = x.int_at(i);
    const bool negative = value < 0 && !ir::is_unsigned_integer(x.dtype());
    switch (op) {
      case UnaryOp::neg: out.set_int(i, static_cast<std::int64_t>(-static_cast<std::uint64_t>(value))); break;
      case UnaryOp::abs:
        out.set_int(i, negative ? static_cast<std::int64_t>(-static_cast<std::uint64_t>(value)) : value);
        break;
      case UnaryOp::sign: out.set_int(i, value == 0 ? 0 : negative ? -1 : 1); break;
      case UnaryOp::logical_not: out.set_int(i, value == 0); break;
      case UnaryOp::bit_not: out.set_int(i, ~value); break;
      default: TS_UNREACHABLE("unary operation on integers");
    }
  }
  return {out};
}

Tensors reference_binary(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor &a = inputs[0], &b = inputs[1];
  const BinaryOp op = binary_from_name(attributes.get_text("op"));
  HostTensor out = output_of(infer_binary(types_of(inputs), attributes));
  const Extents a_strides = broadcast_strides(a.shape(), out.shape());
  const Extents b_strides = broadcast_strides(b.shape(), out.shape());
  for_each_index(out.shape(), [&](std::span<const std::int64_t> index, std::int64_t flat) {
    const std::int64_t i = flat_of(index, a_strides), j = flat_of(index, b_strides);
    if (ir::is_float(a.dtype()))
      out.set(flat, binary_of(op, a.at(i), b.at(j)));
    else
      out.set_int(flat, binary_of(op, a.dtype(), a.int_at(i), b.int_at(j)));
  });
  return {out};
}

Tensors reference_where(std::span<const HostTensor> inputs, const Attributes& attributes) {
  HostTensor out = output_of(infer_where(types_of(inputs), attributes));
  Extents strides[3];
  for (int k = 0; k < 3; ++k)
    strides[k] = broadcast_strides(inputs[static_cast<std::size_t>(k)].shape(), out.shape());
  for_each_index(out.shape(), [&](std::span<const std::int64_t> index, std::int64_t flat) {
    const std::size_t side = inputs[0].int_at(flat_of(index, strides[0])) != 0 ? 1 : 2;
    copy_element(out, flat, inputs[side], flat_of(index, strides[side]));
  });
  return {out};
}

Tensors reference_cast(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor& x = inputs[0];
  HostTensor out = output_of(infer_cast(types_of(inputs), attributes));
  const bool saturate = attributes.get_int_or("saturate", 1) != 0;
  const bool integers = !ir::is_float(x.dtype()) && !ir::is_float(out.dtype());
  const std::size_t size = ir::size_bytes(out.dtype());
  std::byte* bytes = out.mutable_bytes();
  for (std::int64_t i = 0; i < x.size(); ++i) {
    void* element = bytes + static_cast<std::size_t>(i) * size;
    if (integers)
      ir::store_integer(out.dtype(), element, x.int_at(i));
    else
      ir::store_double(out.dtype(), element, x.at(i), saturate);
  }
  return {out};
}

Tensors reference_bit_cast(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const DType to = *ir::dtype_from_string(attributes.get_text("to"));
  const HostTensor& x = inputs[0];
  return {HostTensor::from_bytes(to, x.shape(), std::span(x.bytes(), x.byte_size()))};
}

}  // namespace tunesmith::tracer
