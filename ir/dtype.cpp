#include "ir/dtype.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "ir/support/check.h"

namespace tunesmith::ir {
namespace {

enum class Class : std::uint8_t { floating, signed_integer, unsigned_integer, boolean };

struct Row {
  DType dtype;
  std::string_view name;
  Class kind;
  int bytes;
  int bits;
};

using enum DType;
constexpr std::array<Row, dtype_count> table = {{
    {f16, "f16", Class::floating, 2, 16},
    {bf16, "bf16", Class::floating, 2, 16},
    {f32, "f32", Class::floating, 4, 32},
    {f64, "f64", Class::floating, 8, 64},
    {i8, "i8", Class::signed_integer, 1, 8},
    {i16, "i16", Class::signed_integer, 2, 16},
    {i32, "i32", Class::signed_integer, 4, 32},
    {i64, "i64", Class::signed_integer, 8, 64},
    {u8, "u8", Class::unsigned_integer, 1, 8},
    {u16, "u16", Class::unsigned_integer, 2, 16},
    {u32, "u32", Class::unsigned_integer, 4, 32},
    {u64, "u64", Class::unsigned_integer, 8, 64},
    {boolean, "bool", Class::boolean, 1, 1},
    {f8e4m3fn, "f8e4m3fn", Class::floating, 1, 8},
    {f8e4m3fnuz, "f8e4m3fnuz", Class::floating, 1, 8},
    {f8e5m2, "f8e5m2", Class::floating, 1, 8},
    {f8e5m2fnuz, "f8e5m2fnuz", Class::floating, 1, 8},
    {f8e8m0, "f8e8m0", Class::floating, 1, 8},
    {f4e2m1, "f4e2m1", Class::floating, 1, 4},
    {i4, "i4", Class::signed_integer, 1, 4},
    {u4, "u4", Class::unsigned_integer, 1, 4},
    {i2, "i2", Class::signed_integer, 1, 2},
    {u2, "u2", Class::unsigned_integer, 1, 2},
}};
constexpr bool table_in_order() {
  for (std::size_t i = 0; i < table.size(); ++i)
    if (static_cast<std::size_t>(table[i].dtype) != i) return false;
  return true;
}
static_assert(table_in_order());

const Row& row(DType dtype) { return table[static_cast<std::size_t>(dtype)]; }

/// A binary float format of at most 16 bits. The code of a magnitude is exponent field then mantissa
/// field; codes up to `max_code` are finite.
struct MiniFloat {
  int exponent_bits, mantissa_bits, bias;
  bool has_sign;
  unsigned max_code;  // of the largest finite magnitude
  int inf_code;       // -1: no infinity
  int nan_code;       // -1: no NaN; otherwise as a full code, sign included
  bool negative_zero;
};

const MiniFloat* mini_float(DType dtype) {
  static constexpr MiniFloat half{5, 10, 15, true, 0x7bff, 0x7c00, 0x7e00, true};
  static constexpr MiniFloat brain{8, 7, 127, true, 0x7f7f, 0x7f80, 0x7fc0, true};
  static constexpr MiniFloat e4m3fn{4, 3, 7, true, 0x7e, -1, 0x7f, true};
  static constexpr MiniFloat e4m3fnuz{4, 3, 8, true, 0x7f, -1, 0x80, false};
  static constexpr MiniFloat e5m2{5, 2, 15, true, 0x7b, 0x7c, 0x7e, true};
  static constexpr MiniFloat e5m2fnuz{5, 2, 16, true, 0x7f, -1, 0x80, false};
  static constexpr MiniFloat e2m1{2, 1, 1, true, 0x7, -1, -1, true};
  switch (dtype) {
    case f16: return &half;
    case bf16: return &brain;
    case f8e4m3fn: return &e4m3fn;
    case f8e4m3fnuz: return &e4m3fnuz;
    case f8e5m2: return &e5m2;
    case f8e5m2fnuz: return &e5m2fnuz;
    case f4e2m1: return &e2m1;
    default: return nullptr;
  }
}

unsigned sign_bit(const MiniFloat& f) { return 1u << (f.exponent_bits + f.mantissa_bits); }

double decode(const MiniFloat& f, unsigned code) {
  if (static_cast<int>(code) == f.nan_code) return std::numeric_limits<double>::quiet_NaN();
  const unsigned magnitude = code & (sign_bit(f) - 1);
  const double sign = (code & sign_bit(f)) ? -1.0 : 1.0;
  if (static_cast<int>(magnitude) == f.inf_code) return sign * std::numeric_limits<double>::infinity();
  if (magnitude > f.max_code) return std::numeric_limits<double>::quiet_NaN();
  const int exponent = static_cast<int>(magnitude >> f.mantissa_bits);
  const unsigned mantissa = magnitude & ((1u << f.mantissa_bits) - 1);
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - f.bias - f.mantissa_bits);
  return sign * std::ldexp(mantissa + (1u << f.mantissa_bits), exponent - f.bias - f.mantissa_bits);
}

/// `saturate`: overflow and infinity become the largest finite value.
unsigned encode(const MiniFloat& f, double value, bool saturate) {
  const unsigned sign = std::signbit(value) ? sign_bit(f) : 0;
  if (std::isnan(value)) {
    if (f.nan_code < 0) return f.max_code;
    return f.negative_zero ? (sign | static_cast<unsigned>(f.nan_code)) : static_cast<unsigned>(f.nan_code);
  }
  const double magnitude = std::fabs(value);
  if (magnitude == 0) return f.negative_zero ? sign : 0;
  unsigned code = f.max_code + 1;
  if (std::isfinite(magnitude)) {
    const int exponent = std::max(std::ilogb(magnitude), 1 - f.bias);
    const double scaled = std::ldexp(magnitude, f.mantissa_bits - exponent);  // below 2^(mantissa + 1)
    const auto rounded = static_cast<std::int64_t>(std::nearbyint(scaled));
    const std::int64_t full = (static_cast<std::int64_t>(exponent + f.bias - 1) << f.mantissa_bits) + rounded;
    code = full > f.max_code ? f.max_code + 1 : static_cast<unsigned>(full);
  }
  if (code > f.max_code) {
    if (saturate || (f.inf_code < 0 && f.nan_code < 0)) return sign | f.max_code;
    if (f.inf_code >= 0) return sign | static_cast<unsigned>(f.inf_code);
    return f.negative_zero ? (sign | static_cast<unsigned>(f.nan_code)) : static_cast<unsigned>(f.nan_code);
  }
  if (code == 0 && !f.negative_zero) return 0;
  return sign | code;
}

// e8m0: a power of two 2^(code - 127) without sign or zero; 0xff is NaN.
double decode_e8m0(unsigned code) {
  return code == 0xff ? std::numeric_limits<double>::quiet_NaN()
                      : std::ldexp(1.0, static_cast<int>(code) - 127);
}

unsigned encode_e8m0(double value, bool saturate) {
  if (std::isnan(value) || value < 0) return 0xff;
  if (value == 0) return 0;
  if (std::isinf(value)) return saturate ? 0xfe : 0xff;
  int exponent = std::ilogb(value);
  const double fraction = std::ldexp(value, -exponent);  // in [1, 2)
  if (fraction > 1.5 || (fraction == 1.5 && ((exponent + 127) & 1))) ++exponent;
  if (exponent > 127) return saturate ? 0xfe : 0xff;
  return exponent < -127 ? 0 : static_cast<unsigned>(exponent + 127);
}

template <class T>
T read(const void* element) {
  T value;
  std::memcpy(&value, element, sizeof(T));
  return value;
}
template <class T, class V>
void write(void* element, V value) {
  const T narrowed = static_cast<T>(value);
  std::memcpy(element, &narrowed, sizeof(T));
}

/// Truncates and wraps to 64 bits; NaN and infinities give 0.
std::int64_t double_to_integer(DType dtype, double value) {
  if (std::isnan(value)) return 0;
  const double truncated = std::trunc(value);
  const DType range = bit_width(dtype) < 32 ? i32 : dtype;
  const double low = is_signed_integer(range) ? -std::ldexp(1.0, bit_width(range) - 1) : 0;
  const double beyond = std::ldexp(1.0, bit_width(range) - (is_signed_integer(range) ? 1 : 0));
  if (truncated <= low) return range == i64 ? std::numeric_limits<std::int64_t>::min() : static_cast<std::int64_t>(low);
  if (truncated < beyond)
    return range == u64 ? static_cast<std::int64_t>(static_cast<std::uint64_t>(truncated))
                        : static_cast<std::int64_t>(truncated);
  if (range == u64) return -1;
  return range == i64 ? std::numeric_limits<std::int64_t>::max() : static_cast<std::int64_t>(beyond) - 1;
}

}  // namespace

std::string_view to_string(DType dtype) { return row(dtype).name; }

std::optional<DType> dtype_from_string(std::string_view text) {
  for (const Row& r : table)
    if (r.name == text) return r.dtype;
  return std::nullopt;
}

std::size_t size_bytes(DType dtype) { return static_cast<std::size_t>(row(dtype).bytes); }
int bit_width(DType dtype) { return row(dtype).bits; }
bool is_float(DType dtype) { return row(dtype).kind == Class::floating; }
bool is_integer(DType dtype) { return is_signed_integer(dtype) || is_unsigned_integer(dtype); }
bool is_signed_integer(DType dtype) { return row(dtype).kind == Class::signed_integer; }
bool is_unsigned_integer(DType dtype) { return row(dtype).kind == Class::unsigned_integer; }

std::uint16_t f32_to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u)  // NaN: quiet, keeps the top of its payload
    return static_cast<std::uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x1ffu));
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {  // subnormal: adding 0.5 leaves the rounded mantissa in the low bits
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
  }
  const std::uint32_t odd = (magnitude >> 13) & 1u;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
}

float f16_to_f32(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));
  if (magnitude >= 0x0400u) return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000u));
  const float value = static_cast<float>(magnitude) * 0x1p-24f;
  return sign ? -value : value;
}

std::uint16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float bf16_to_f32(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

double load_double(DType dtype, const void* element) {
  switch (dtype) {
    case f32: return read<float>(element);
    case f64: return read<double>(element);
    case f16: return f16_to_f32(read<std::uint16_t>(element));
    case bf16: return bf16_to_f32(read<std::uint16_t>(element));
    case u64: return static_cast<double>(read<std::uint64_t>(element));
    case f8e8m0: return decode_e8m0(read<std::uint8_t>(element));
    default: break;
  }
  if (const MiniFloat* f = mini_float(dtype))
    return decode(*f, read<std::uint8_t>(element) & (2 * sign_bit(*f) - 1));
  return static_cast<double>(load_integer(dtype, element));
}

std::int64_t load_integer(DType dtype, const void* element) {
  switch (dtype) {
    case i8: return read<std::int8_t>(element);
    case i16: return read<std::int16_t>(element);
    case i32: return read<std::int32_t>(element);
    case i64:
    case u64: return read<std::int64_t>(element);
    case u8: return read<std::uint8_t>(element);
    case u16: return read<std::uint16_t>(element);
    case u32: return read<std::uint32_t>(element);
    case boolean: return read<std::uint8_t>(element) != 0;
    case u4: return read<std::uint8_t>(element) & 0xf;
    case u2: return read<std::uint8_t>(element) & 0x3;
    case i4: return static_cast<std::int8_t>(read<std::uint8_t>(element) << 4) >> 4;
    case i2: return static_cast<std::int8_t>(read<std::uint8_t>(element) << 6) >> 6;
    default: TS_UNREACHABLE("load_integer of a float dtype");
  }
}

void store_double(DType dtype, void* element, double value, bool saturate) {
  switch (dtype) {
    case f32: return write<float>(element, value);
    case f64: return write<double>(element, value);
    case f16:
    case bf16: return write<std::uint16_t>(element, encode(*mini_float(dtype), value, false));
    case f8e8m0: return write<std::uint8_t>(element, encode_e8m0(value, saturate));
    case boolean: return write<std::uint8_t>(element, value != 0 ? 1 : 0);
    default: break;
  }
  if (const MiniFloat* f = mini_float(dtype))
    return write<std::uint8_t>(element, encode(*f, value, saturate));
  store_integer(dtype, element, double_to_integer(dtype, value));
}

void store_integer(DType dtype, void* element, std::int64_t value) {
  if (is_float(dtype)) return store_double(dtype, element, static_cast<double>(value));
  if (dtype == boolean) return write<std::uint8_t>(element, value != 0 ? 1 : 0);
  if (bit_width(dtype) < 8) value &= (1 << bit_width(dtype)) - 1;
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(element, &value, size_bytes(dtype));  // the low bytes
}

double highest(DType dtype) {
  if (dtype == f32) return std::numeric_limits<float>::max();
  if (dtype == f64) return std::numeric_limits<double>::max();
  if (dtype == f8e8m0) return 0x1p127;
  if (dtype == boolean) return 1;
  if (const MiniFloat* f = mini_float(dtype)) return decode(*f, f->max_code);
  return std::ldexp(1.0, bit_width(dtype) - (is_signed_integer(dtype) ? 1 : 0)) - 1;
}

double lowest(DType dtype) {
  if (dtype == f8e8m0) return 0x1p-127;
  if (is_float(dtype)) return -highest(dtype);
  return is_signed_integer(dtype) ? -std::ldexp(1.0, bit_width(dtype) - 1) : 0;
}

}  // namespace tunesmith::ir
