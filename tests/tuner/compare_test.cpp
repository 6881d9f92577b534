#include "tuner/compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/tuner/test_kernels.h"

namespace tunesmith::tuner {
namespace {

ir::HostTensor floats(std::initializer_list<double> values) {
  ir::HostTensor tensor(ir::DType::f32, {static_cast<std::int64_t>(values.size())});
  std::int64_t i = 0;
  for (double value : values) tensor.set(i++, value);
  return tensor;
}

TEST(Compare, AcceptsRoundingAndRefusesErrors) {
  const ir::HostTensor want = floats({1, -2, 3});
  EXPECT_FALSE(compare(floats({1.000001, -2, 3}), want, 1e-5).mismatch);
  const Comparison wrong = compare(floats({1, -2.5, 3}), want, 1e-5);
  ASSERT_TRUE(wrong.mismatch);
  EXPECT_NE(wrong.mismatch->find("element 1"), std::string::npos) << *wrong.mismatch;
  EXPECT_GT(wrong.max_error, 0.05);
}

TEST(Compare, NanMatchesNanOnly) {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(compare(floats({nan, inf}), floats({nan, inf}), 1e-5).mismatch);
  EXPECT_TRUE(compare(floats({nan, 1}), floats({1, 1}), 1e-5).mismatch);
  EXPECT_TRUE(compare(floats({-inf, 1}), floats({inf, 1}), 1e-5).mismatch);
}

TEST(Compare, IntegersMustBeEqual) {
  ir::HostTensor a(ir::DType::i32, {2}), b(ir::DType::i32, {2});
  a.set_int(1, 7);
  b.set_int(1, 8);
  EXPECT_TRUE(compare(a, b, 1.0).mismatch);
  EXPECT_FALSE(compare(a, a, 0).mismatch);
}

TEST(Compare, AResultWithoutValuesIsRefusedForEveryType) {
  for (const ir::DType dtype : {ir::DType::f64, ir::DType::f32, ir::DType::f16, ir::DType::bf16})
    for (const std::int64_t k : {4, 64, 4096, 1 << 20}) {
      ir::HostTensor want(dtype, {64}), zeros(dtype, {64});
      for (std::int64_t i = 0; i < 64; ++i) want.set(i, static_cast<double>(i % 7) - 3);
      EXPECT_TRUE(compare(zeros, want, error_budget(matmul_kernel(4, 4, k), dtype)).mismatch)
          << ir::to_string(dtype) << " " << k;
    }
}

TEST(Compare, TheBudgetGrowsWithTheReduction) {
  EXPECT_GT(error_budget(matmul_kernel(4, 4, 1024), ir::DType::f32),
            error_budget(matmul_kernel(4, 4, 16), ir::DType::f32));
  EXPECT_EQ(error_budget(matmul_kernel(4, 4, 16), ir::DType::i32), 0);
}

}  // namespace
}  // namespace tunesmith::tuner
