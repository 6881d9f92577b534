#include "ir/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/ir/random_ir.h"

namespace tunesmith::ir {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double stored(DType dtype, double value, bool saturate = true) {
  std::byte element[8];
  store_double(dtype, element, value, saturate);
  return load_double(dtype, element);
}

TEST(DType, NamesRoundTrip) {
  for (int i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_from_string(to_string(dtype)), dtype);
  }
  EXPECT_FALSE(dtype_from_string("f33"));
}

TEST(DType, LimitsAreStoredExactly) {
  for (int i = 0; i < dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (dtype == DType::i64 || dtype == DType::u64) continue;
    EXPECT_EQ(stored(dtype, highest(dtype)), highest(dtype)) << to_string(dtype);
    EXPECT_EQ(stored(dtype, lowest(dtype)), lowest(dtype)) << to_string(dtype);
  }
  EXPECT_EQ(highest(DType::f16), 65504);
  EXPECT_EQ(highest(DType::f8e4m3fn), 448);
  EXPECT_EQ(highest(DType::f8e4m3fnuz), 240);
  EXPECT_EQ(highest(DType::f8e5m2), 57344);
  EXPECT_EQ(highest(DType::f4e2m1), 6);
  EXPECT_EQ(lowest(DType::i4), -8);
  EXPECT_EQ(highest(DType::u2), 3);
}

/// Every code decodes to a value that encodes to the same code.
TEST(DType, NarrowFloatCodesRoundTrip) {
  for (DType dtype :
       {DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz, DType::f8e8m0, DType::f4e2m1})
    for (unsigned code = 0; code < (1u << bit_width(dtype)); ++code) {
      const auto byte = static_cast<std::uint8_t>(code);
      const double value = load_double(dtype, &byte);
      std::uint8_t back = 0;
      store_double(dtype, &back, value, false);
      if (std::isnan(value))
        EXPECT_TRUE(std::isnan(load_double(dtype, &back))) << to_string(dtype) << " code " << code;
      else
        EXPECT_EQ(back, byte) << to_string(dtype) << " code " << code << " value " << value;
    }
}

/// Every f16 and bf16, through both conversions.
TEST(DType, HalfCodesRoundTrip) {
  for (unsigned code = 0; code < 0x10000; ++code) {
    const auto bits = static_cast<std::uint16_t>(code);
    const float half = f16_to_f32(bits), brain = bf16_to_f32(bits);
    ASSERT_TRUE(std::isnan(half) || f32_to_f16(half) == bits);
    ASSERT_TRUE(std::isnan(brain) || f32_to_bf16(brain) == bits);
    ASSERT_EQ(std::isnan(half), std::isnan(f16_to_f32(f32_to_f16(half))));
    ASSERT_EQ(std::isnan(brain), std::isnan(bf16_to_f32(f32_to_bf16(brain))));
  }
}

/// The two ways to round to half precision agree on random floats, subnormal results included.
TEST(DType, FastAndGeneralRoundingAgree) {
  SCOPED_TRACE(testing::seed_text());
  Rng rng(testing::seed());
  for (int round = 0; round < 200000; ++round) {
    const auto bits = static_cast<std::uint32_t>(rng.next());
    const float value =
        round % 2 ? std::bit_cast<float>(bits)
                  : static_cast<float>(std::ldexp(rng.unit() - 0.5, static_cast<int>(rng.between(-28, 18))));
    if (std::isnan(value)) continue;
    ASSERT_EQ(stored(DType::f16, value), f16_to_f32(f32_to_f16(value))) << value;
    ASSERT_EQ(stored(DType::bf16, value), bf16_to_f32(f32_to_bf16(value))) << value;
  }
}

TEST(DType, RoundsToNearestEven) {
  EXPECT_EQ(stored(DType::f8e4m3fn, 17), 16);  // halfway between 16 and 18
  EXPECT_EQ(stored(DType::f8e4m3fn, 19), 20);  // halfway between 18 and 20
  EXPECT_EQ(stored(DType::f16, 2049), 2048);
  EXPECT_EQ(stored(DType::f16, 2051), 2052);
  EXPECT_EQ(stored(DType::f4e2m1, 2.5), 2);
  EXPECT_EQ(stored(DType::f8e8m0, 3), 2);  // halfway between 2 and 4: the code of 2 is even
  EXPECT_EQ(stored(DType::f8e8m0, 6), 8);
}

TEST(DType, OverflowSaturatesOrNot) {
  EXPECT_EQ(stored(DType::f8e4m3fn, 1e6), 448);
  EXPECT_TRUE(std::isnan(stored(DType::f8e4m3fn, 1e6, false)));
  EXPECT_EQ(stored(DType::f8e5m2, -1e9), -57344);
  EXPECT_EQ(stored(DType::f8e5m2, -1e9, false), -infinity);
  EXPECT_EQ(stored(DType::f16, 1e6), infinity);
  EXPECT_EQ(stored(DType::f4e2m1, -100), -6);
}

TEST(DType, IntegersWrap) {
  EXPECT_EQ(stored(DType::u8, -1), 255);
  EXPECT_EQ(stored(DType::i8, 200.9), -56);
  EXPECT_EQ(stored(DType::i4, 9), -7);
  EXPECT_EQ(stored(DType::boolean, 0.25), 1);
  std::uint64_t big = 0;
  store_double(DType::u64, &big, 0x1p63);
  EXPECT_EQ(big, std::uint64_t{1} << 63);
}

}  // namespace
}  // namespace tunesmith::ir
