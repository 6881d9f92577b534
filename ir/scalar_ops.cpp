#include "ir/scalar_ops.h"

#include <cmath>

#include "ir/integer_ops.h"
#include "ir/support/check.h"

namespace tunesmith::ir {
namespace {

Scalar from_double(double value) {
  Scalar s;
  s.f = value;
  return s;
}
Scalar from_integer(std::int64_t value) {
  Scalar s;
  s.i = value;
  return s;
}

double floor_mod_double(double a, double b) {
  const double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

// All are computed in double: for f32 the basic operations then round to exactly what f32 arithmetic
// gives, and the others to within one unit of the true value.
double float_unary(UnaryOp op, double x) {
  switch (op) {
    case UnaryOp::neg: return -x;
    case UnaryOp::abs: return std::fabs(x);
    case UnaryOp::sign: return x > 0 ? 1.0 : x < 0 ? -1.0 : x;
    case UnaryOp::floor: return std::floor(x);
    case UnaryOp::ceil: return std::ceil(x);
    case UnaryOp::round_even: return std::nearbyint(x);
    case UnaryOp::trunc: return std::trunc(x);
    case UnaryOp::sqrt: return std::sqrt(x);
    case UnaryOp::rsqrt: return 1.0 / std::sqrt(x);
    case UnaryOp::reciprocal: return 1.0 / x;
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
    case UnaryOp::sigmoid: return 1.0 / (1.0 + std::exp(-x));
    case UnaryOp::erf: return std::erf(x);
    case UnaryOp::is_nan:
    case UnaryOp::is_inf:
    case UnaryOp::logical_not:
    case UnaryOp::bit_not: break;
  }
  TS_UNREACHABLE("a unary operator that has no float result");
}

double float_arithmetic(BinaryOp op, DType dtype, double a, double b) {
  switch (op) {
    case BinaryOp::add: return a + b;
    case BinaryOp::sub: return a - b;
    case BinaryOp::mul: return a * b;
    case BinaryOp::div: return a / b;
    case BinaryOp::mod: return std::fmod(a, b);
    case BinaryOp::floor_div: return std::floor(round_to(dtype, a / b));
    case BinaryOp::floor_mod: return floor_mod_double(a, b);
    case BinaryOp::min: return a < b ? a : b;
    case BinaryOp::max: return a > b ? a : b;
    case BinaryOp::pow: return std::pow(a, b);
    case BinaryOp::atan2: return std::atan2(a, b);
    default: TS_UNREACHABLE("a binary operator that has no float result");
  }
}

bool float_compare(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::eq: return a == b;
    case BinaryOp::ne: return a != b;
    case BinaryOp::lt: return a < b;
    case BinaryOp::le: return a <= b;
    case BinaryOp::gt: return a > b;
    case BinaryOp::ge: return a >= b;
    default: TS_UNREACHABLE("not a comparison");
  }
}

}  // namespace

double round_to(DType dtype, double value) {
  switch (dtype) {
    case DType::f64: return value;
    case DType::f32: return static_cast<float>(value);
    case DType::f16: return f16_to_f32(f32_to_f16(static_cast<float>(value)));
    case DType::bf16: return bf16_to_f32(f32_to_bf16(static_cast<float>(value)));
    default: {
      std::byte element[8];
      store_double(dtype, element, static_cast<float>(value));
      return load_double(dtype, element);
    }
  }
}

std::optional<Scalar> scalar_binary(BinaryOp op, DType dtype, Scalar a, Scalar b) {
  if (!is_float(dtype)) {
    const auto value = integer_binary(op, dtype, a.i, b.i);
    return value ? std::optional(from_integer(*value)) : std::nullopt;
  }
  if (is_comparison(op)) return from_integer(float_compare(op, a.f, b.f));
  return from_double(round_to(dtype, float_arithmetic(op, dtype, a.f, b.f)));
}

Scalar scalar_unary(UnaryOp op, DType dtype, Scalar a) {
  if (is_float(dtype)) {
    if (op == UnaryOp::is_nan) return from_integer(std::isnan(a.f));
    if (op == UnaryOp::is_inf) return from_integer(std::isinf(a.f));
    return from_double(round_to(dtype, float_unary(op, a.f)));
  }
  const bool negative = is_signed_integer(dtype) && a.i < 0;
  const auto negated = static_cast<std::int64_t>(-static_cast<std::uint64_t>(a.i));
  switch (op) {
    case UnaryOp::neg: return from_integer(wrap_integer(dtype, negated));
    case UnaryOp::abs: return from_integer(negative ? wrap_integer(dtype, negated) : a.i);
    case UnaryOp::sign: return from_integer(negative ? -1 : a.i != 0);
    case UnaryOp::bit_not: return from_integer(wrap_integer(dtype, ~a.i));
    case UnaryOp::logical_not: return from_integer(!a.i);
    case UnaryOp::is_nan:
    case UnaryOp::is_inf: return from_integer(0);
    case UnaryOp::floor:
    case UnaryOp::ceil:
    case UnaryOp::round_even:
    case UnaryOp::trunc: return a;
    default: TS_UNREACHABLE("a unary operator that integers do not have");
  }
}

Scalar scalar_cast(DType to, DType from, Scalar a) {
  if (is_float(from) && is_float(to)) return from_double(round_to(to, a.f));
  if (is_float(from)) {
    std::byte element[8];
    store_double(to, element, a.f);
    return from_integer(load_integer(to, element));
  }
  if (!is_float(to)) return from_integer(wrap_integer(to, a.i));
  const bool huge = from == DType::u64 && a.i < 0;
  if (to == DType::f64)
    return from_double(huge ? static_cast<double>(static_cast<std::uint64_t>(a.i))
                            : static_cast<double>(a.i));
  return from_double(
      round_to(to, huge ? static_cast<float>(static_cast<std::uint64_t>(a.i)) : static_cast<float>(a.i)));
}

Scalar scalar_bit_cast(DType to, DType from, Scalar a) {
  std::byte element[8];
  if (is_float(from))
    store_double(from, element, a.f);
  else
    store_integer(from, element, a.i);
  return is_float(to) ? from_double(load_double(to, element)) : from_integer(load_integer(to, element));
}

bool has_operator(UnaryOp op, DType dtype) {
  switch (op) {
    case UnaryOp::neg:
    case UnaryOp::abs:
    case UnaryOp::sign:
    case UnaryOp::floor:
    case UnaryOp::ceil:
    case UnaryOp::round_even:
    case UnaryOp::trunc:
    case UnaryOp::is_nan:
    case UnaryOp::is_inf: return dtype != DType::boolean;
    case UnaryOp::logical_not: return dtype == DType::boolean;
    case UnaryOp::bit_not: return is_integer(dtype);
    default: return is_float(dtype);
  }
}

bool has_operator(BinaryOp op, DType dtype) {
  switch (op) {
    case BinaryOp::bit_and:
    case BinaryOp::bit_or:
    case BinaryOp::bit_xor: return !is_float(dtype);
    case BinaryOp::shift_left:
    case BinaryOp::shift_right: return is_integer(dtype);
    case BinaryOp::atan2: return is_float(dtype);
    case BinaryOp::eq:
    case BinaryOp::ne:
    case BinaryOp::lt:
    case BinaryOp::le:
    case BinaryOp::gt:
    case BinaryOp::ge:
    case BinaryOp::min:
    case BinaryOp::max: return true;
    default: return dtype != DType::boolean;
  }
}

}  // namespace tunesmith::ir
