// Element types of tensors and scalars, and scalar conversions between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tunesmith::ir {

/// Types narrower than a byte are stored one element a byte. The types after `boolean` (8-bit floats
/// and narrower types) exist for storage and casts; arithmetic on them is done in f32.
enum class DType : std::uint8_t {
  f16,
  bf16,
  f32,
  f64,
  i8,
  i16,
  i32,
  i64,
  u8,
  u16,
  u32,
  u64,
  boolean,
  f8e4m3fn,
  f8e4m3fnuz,
  f8e5m2,
  f8e5m2fnuz,
  f8e8m0,
  f4e2m1,
  i4,
  u4,
  i2,
  u2,
};
inline constexpr int dtype_count = 23;

/// The type of loop variables, extents and indices.
inline constexpr DType index_dtype = DType::i64;

/// Stable text form, e.g. "f32", "i64", "bool", "f8e4m3fn".
std::string_view to_string(DType dtype);
std::optional<DType> dtype_from_string(std::string_view text);

/// Bytes that one stored element takes.
std::size_t size_bytes(DType dtype);
/// Bits of information in an element (4 for i4, 1 for boolean).
int bit_width(DType dtype);

bool is_float(DType dtype);    // any floating type, narrow ones included
bool is_integer(DType dtype);  // signed or unsigned, not boolean
bool is_signed_integer(DType dtype);
bool is_unsigned_integer(DType dtype);

/// Bit patterns of half-width floats; round to nearest even, NaN stays NaN.
std::uint16_t f32_to_f16(float value);
float f16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_bf16(float value);
float bf16_to_f32(std::uint16_t bits);

/// Reads one stored element as a double. 64-bit integers lose precision past 2^53: use
/// load_integer for them.
double load_double(DType dtype, const void* element);
/// Reads one stored integer or boolean element. u64 above 2^63 wraps to a negative value.
std::int64_t load_integer(DType dtype, const void* element);
/// Stores with the type's rounding (nearest even for floats, wrapping for integers after
/// truncation towards zero; boolean is value != 0). `saturate` matters to 8-bit floats only: an
/// overflow becomes the largest finite value rather than infinity or NaN.
void store_double(DType dtype, void* element, double value, bool saturate = true);
void store_integer(DType dtype, void* element, std::int64_t value);

/// Largest finite and lowest finite value, as doubles. For integer types the exact limits (u64 and
/// i64 rounded).
double highest(DType dtype);
double lowest(DType dtype);

}  // namespace tunesmith::ir
