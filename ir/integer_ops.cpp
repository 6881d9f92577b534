#include "ir/integer_ops.h"

#include "ir/support/check.h"

namespace tunesmith::ir {
namespace {

using i64 = std::int64_t;
using u64 = std::uint64_t;

i64 wrap_add(i64 a, i64 b) { return static_cast<i64>(static_cast<u64>(a) + static_cast<u64>(b)); }
i64 wrap_sub(i64 a, i64 b) { return static_cast<i64>(static_cast<u64>(a) - static_cast<u64>(b)); }
i64 wrap_mul(i64 a, i64 b) { return static_cast<i64>(static_cast<u64>(a) * static_cast<u64>(b)); }

bool less(DType dtype, i64 a, i64 b) {
  return is_signed_integer(dtype) ? a < b : static_cast<u64>(a) < static_cast<u64>(b);
}

i64 power(DType dtype, i64 base, i64 exponent) {
  if (is_signed_integer(dtype) && exponent < 0) {
    // The exact result 1 / base^n, truncated.
    if (base == 1) return 1;
    if (base == -1) return exponent % 2 == 0 ? 1 : -1;
    return 0;
  }
  i64 result = 1;
  for (u64 n = static_cast<u64>(exponent); n != 0; n >>= 1) {
    if (n & 1) result = wrap_mul(result, base);
    base = wrap_mul(base, base);
  }
  return result;
}

i64 shift_left(DType dtype, i64 a, i64 amount) {
  const bool all_out = amount < 0 || amount >= bit_width(dtype);
  return all_out ? 0 : static_cast<i64>(static_cast<u64>(a) << amount);
}

i64 shift_right(DType dtype, i64 a, i64 amount) {
  const bool all_out = amount < 0 || amount >= bit_width(dtype);
  if (is_signed_integer(dtype)) return a >> (all_out ? 63 : amount);
  return all_out ? 0 : static_cast<i64>(static_cast<u64>(a) >> amount);
}

/// Quotient and remainder operators. REQUIRES: b != 0.
i64 divide(BinaryOp op, DType dtype, i64 a, i64 b) {
  if (!is_signed_integer(dtype)) {
    const u64 quotient = static_cast<u64>(a) / static_cast<u64>(b);
    const u64 remainder = static_cast<u64>(a) % static_cast<u64>(b);
    return static_cast<i64>(op == BinaryOp::div || op == BinaryOp::floor_div ? quotient : remainder);
  }
  if (b == -1) return op == BinaryOp::div || op == BinaryOp::floor_div ? wrap_sub(0, a) : 0;
  switch (op) {
    case BinaryOp::div: return a / b;
    case BinaryOp::mod: return a % b;
    case BinaryOp::floor_div: return floor_div_i64(a, b);
    case BinaryOp::floor_mod: return floor_mod_i64(a, b);
    default: TS_UNREACHABLE("not a division");
  }
}

}  // namespace

i64 wrap_integer(DType dtype, i64 value) {
  if (dtype == DType::boolean) return value != 0;
  const int bits = bit_width(dtype);
  if (bits == 64) return value;
  const u64 low = static_cast<u64>(value) << (64 - bits);
  if (is_signed_integer(dtype)) return static_cast<i64>(low) >> (64 - bits);
  return static_cast<i64>(low >> (64 - bits));
}

i64 floor_div_i64(i64 a, i64 b) {
  if (b == -1) return wrap_sub(0, a);
  return a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
}

i64 floor_mod_i64(i64 a, i64 b) {
  if (b == -1) return 0;
  const i64 r = a % b;
  return r != 0 && ((r < 0) != (b < 0)) ? r + b : r;
}

std::optional<i64> integer_binary(BinaryOp op, DType dtype, i64 a, i64 b) {
  auto wrapped = [&](i64 value) { return wrap_integer(dtype, value); };
  switch (op) {
    case BinaryOp::add: return wrapped(wrap_add(a, b));
    case BinaryOp::sub: return wrapped(wrap_sub(a, b));
    case BinaryOp::mul: return wrapped(wrap_mul(a, b));
    case BinaryOp::div:
    case BinaryOp::mod:
    case BinaryOp::floor_div:
    case BinaryOp::floor_mod:
      if (b == 0) return std::nullopt;
      return wrapped(divide(op, dtype, a, b));
    case BinaryOp::min: return less(dtype, a, b) ? a : b;
    case BinaryOp::max: return less(dtype, b, a) ? a : b;
    case BinaryOp::pow: return wrapped(power(dtype, a, b));
    case BinaryOp::atan2: return std::nullopt;
    case BinaryOp::eq: return a == b;
    case BinaryOp::ne: return a != b;
    case BinaryOp::lt: return less(dtype, a, b);
    case BinaryOp::le: return !less(dtype, b, a);
    case BinaryOp::gt: return less(dtype, b, a);
    case BinaryOp::ge: return !less(dtype, a, b);
    case BinaryOp::bit_and: return a & b;
    case BinaryOp::bit_or: return a | b;
    case BinaryOp::bit_xor: return a ^ b;
    case BinaryOp::shift_left: return wrapped(shift_left(dtype, a, b));
    case BinaryOp::shift_right: return wrapped(shift_right(dtype, a, b));
  }
  TS_UNREACHABLE("unknown binary operator");
}

}  // namespace tunesmith::ir
