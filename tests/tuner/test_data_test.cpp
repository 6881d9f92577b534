#include "tuner/test_data.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "ir/buffer.h"
#include "ir/interpret.h"
#include "ir/print.h"
#include "tests/tuner/test_kernels.h"

namespace tunesmith::tuner {
namespace {

using ir::DType;
using ir::Expr;

bool equal(const ir::HostTensor& a, const ir::HostTensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.bytes(), b.bytes(), a.byte_size()) == 0;
}

/// The index input of a gather: the only integer one.
ir::HostTensor index_input(const ir::Kernel& kernel) {
  for (const ir::HostTensor& input : make_inputs(kernel, 7))
    if (!ir::is_float(input.dtype())) return input;
  ADD_FAILURE() << "no index";
  return {};
}

std::set<std::int64_t> values_of(const ir::HostTensor& tensor) {
  std::set<std::int64_t> values;
  for (std::int64_t i = 0; i < tensor.size(); ++i) values.insert(tensor.int_at(i));
  return values;
}

TEST(TestData, AwkwardFloatsAreOfEveryKind) {
  std::int64_t zeros = 0, denormals = 0, negative = 0, large = 0, count = 0;
  for (const ir::HostTensor& input : make_inputs(matmul_kernel(40, 60, 80), 1, Values::awkward))
    for (std::int64_t i = 0; i < input.size(); ++i, ++count) {
      const double value = input.at(i), magnitude = std::abs(value);
      zeros += value == 0;
      denormals += std::fpclassify(static_cast<float>(value)) == FP_SUBNORMAL;
      negative += value < 0;
      large += magnitude > 16;
      ASSERT_LE(magnitude, 192);
      ASSERT_FALSE(magnitude > 48 && magnitude < 128) << "where exponentials begin to overflow";
    }
  for (const std::int64_t kind : {zeros, denormals, negative, large}) {
    EXPECT_GT(kind, count / 50);
    EXPECT_LT(kind, count * 2 / 3);
  }
}

TEST(TestData, SumsOfProductsDoNotDependOnValues) {
  EXPECT_FALSE(depends_on_values(matmul_kernel(2, 3, 4)));
  ir::Kernel maximum = matmul_kernel(2, 3, 4);
  maximum.stages[0].combiner = ir::plain_combiner(ir::CombinerKind::max, DType::f32);
  EXPECT_TRUE(depends_on_values(maximum));
  ir::Kernel quotient = matmul_kernel(2, 3, 4);
  quotient.stages[0].values = {quotient.stages[0].values[0] / ir::constant(3, DType::f32)};
  EXPECT_TRUE(depends_on_values(quotient));
}

TEST(TestData, FloatsAreSmallAndNeverZero) {
  for (const ir::HostTensor& input : make_inputs(matmul_kernel(20, 30, 40), 1))
    for (std::int64_t i = 0; i < input.size(); ++i) {
      EXPECT_NE(input.at(i), 0);
      EXPECT_LE(std::abs(input.at(i)), 1);
    }
}

TEST(TestData, OneSeedOneData) {
  const ir::Kernel kernel = matmul_kernel(5, 6, 7);
  const auto a = make_inputs(kernel, 1), b = make_inputs(kernel, 1), c = make_inputs(kernel, 2);
  ASSERT_EQ(a.size(), 2u);
  EXPECT_TRUE(equal(a[0], b[0]) && equal(a[1], b[1]));
  EXPECT_FALSE(equal(a[0], c[0]));
}

TEST(TestData, IntegersMayDivide) {
  for (const DType dtype : {DType::i8, DType::i32, DType::u64})
    for (const ir::HostTensor& input : make_inputs(matmul_kernel(20, 30, 4, dtype), 1)) {
      const std::set<std::int64_t> values = values_of(input);
      EXPECT_GE(*values.begin(), 1);
      EXPECT_LE(*values.rbegin(), 8);
      EXPECT_GT(values.size(), 4u);
    }
}

TEST(TestData, IndicesAreSpreadOverWhatTheyIndex) {
  const std::int64_t rows = 37;
  auto direct = [](const Expr& element) { return ir::cast(ir::index_dtype, element); };
  auto wrapped = [&](const Expr& element) {
    const Expr index = ir::cast(ir::index_dtype, element);
    return ir::select(index < Expr(0), index + rows, index);
  };
  for (const ir::Kernel& kernel :
       {gather_kernel(rows, 200, 4, DType::i32, direct), gather_kernel(rows, 200, 4, DType::i64, wrapped)}) {
    const std::set<std::int64_t> values = values_of(index_input(kernel));
    EXPECT_GE(*values.begin(), 0);
    EXPECT_LT(*values.rbegin(), rows);
    EXPECT_GT(values.size(), 20u) << "a candidate that reads other rows must be found out";
    EXPECT_TRUE(ir::interpret(kernel, make_inputs(kernel, 3)));
  }
}

TEST(TestData, NarrowIndicesStayInTheirRange) {
  auto direct = [](const Expr& element) { return ir::cast(ir::index_dtype, element); };
  const std::set<std::int64_t> values =
      values_of(index_input(gather_kernel(1000, 300, 2, DType::i8, direct)));
  EXPECT_GE(*values.begin(), 0);
  EXPECT_LE(*values.rbegin(), 127);
}

TEST(TestData, DataBesideComputedIndicesStaysData) {
  const auto kernel = ir::parse_kernel(
      "kernel k strict {\n  input a: i32[8]\n  input d: i32[16]\n  temp t: i32[8]\n  output o: i32[8]\n"
      "  stage t: t[i:8] = a[i] * 2:i32\n  stage o: o[j:8] = d[i64(t[j])]\n}");
  ASSERT_TRUE(kernel) << kernel.error().message;
  const auto inputs = make_inputs(*kernel, 3);
  EXPECT_EQ(values_of(inputs[0]), std::set<std::int64_t>{0});
  EXPECT_GT(values_of(inputs[1]).size(), 4u);
  EXPECT_TRUE(ir::interpret(*kernel, inputs));
}

TEST(TestData, ComputedIndicesAreZero) {
  auto doubled = [](const Expr& element) { return ir::cast(ir::index_dtype, element) * 2; };
  const ir::Kernel kernel = gather_kernel(5, 40, 3, DType::i32, doubled);
  EXPECT_EQ(values_of(index_input(kernel)), std::set<std::int64_t>{0});
  EXPECT_TRUE(ir::interpret(kernel, make_inputs(kernel, 3)));
}

}  // namespace
}  // namespace tunesmith::tuner
