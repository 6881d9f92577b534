#include "ir/kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "ir/host_tensor.h"
#include "ir/print.h"
#include "tests/ir/kernels.h"

namespace tunesmith::ir {
namespace {

using ::testing::ElementsAre;

std::vector<std::int64_t> values(const std::vector<Expr>& list) {
  std::vector<std::int64_t> result;
  for (const Expr& e : list) result.push_back(int_value(e));
  return result;
}

TEST(Buffer, BlockedLayout) {
  // NCHW4c with an uneven channel count.
  const Buffer buffer{"x",         DType::f32,    {2, 10, 3, 3},
                      Role::input, Scope::global, {{{0, 0}, {1, 0}, {2, 0}, {3, 0}, {1, 4}}}};
  EXPECT_THAT(values(physical_shape(buffer)), ElementsAre(2, 3, 3, 3, 4));
  const std::vector<Expr> point = {1, 6, 2, 1};
  EXPECT_THAT(values(physical_index(buffer, point)), ElementsAre(1, 1, 2, 1, 2));
  EXPECT_TRUE(is_int(flat_index(buffer, point), (((1 * 3 + 1) * 3 + 2) * 3 + 1) * 4 + 2));
  EXPECT_TRUE(is_int(element_count(buffer), 2 * 3 * 3 * 3 * 4));
  EXPECT_EQ(to_string(buffer.layout), "(0,1,2,3,1:4)");
}

TEST(Buffer, TwoBlocksOfOneDimension) {
  const Buffer buffer{"x", DType::f32, {24}, Role::input, Scope::global, {{{0, 0}, {0, 2}, {0, 4}}}};
  EXPECT_THAT(values(physical_shape(buffer)), ElementsAre(3, 2, 4));
  const std::vector<Expr> point = {15};
  EXPECT_THAT(values(physical_index(buffer, point)), ElementsAre(1, 1, 3));
}

TEST(Buffer, PermutationThatChangesNothingIsRowMajor) {
  EXPECT_TRUE(Layout::permutation(std::vector<std::int32_t>{0, 1, 2}).is_row_major());
  EXPECT_FALSE(Layout::permutation(std::vector<std::int32_t>{1, 0}).is_row_major());
}

TEST(Kernel, ArgumentsInCallingOrder) {
  Kernel kernel = testing::matmul(2, 3, 4);
  const BufferId bias = kernel.add_buffer({"bias", DType::f32, {4}, Role::constant, Scope::global, {}});
  EXPECT_THAT(arguments(kernel), ElementsAre(BufferId{0}, BufferId{1}, bias, BufferId{2}));
  EXPECT_EQ(producer_of(kernel, BufferId{2}), &kernel.stages[0]);
  EXPECT_EQ(producer_of(kernel, bias), nullptr);
}

TEST(Kernel, FlopsAndBytes) {
  EXPECT_EQ(flop_count(testing::matmul(4, 5, 6)), 2 * 4 * 5 * 6);
  EXPECT_EQ(argument_bytes(testing::matmul(4, 5, 6)), 4 * (4 * 5 + 5 * 6 + 4 * 6));
  const auto silu = [](const Expr& x) { return x * unary(UnaryOp::sigmoid, x); };
  EXPECT_EQ(flop_count(testing::elementwise(DType::f32, {10}, silu)), 20);
  const auto twice = [](const Expr& x) { return (x + x) * (x + x); };
  EXPECT_EQ(flop_count(testing::elementwise(DType::f32, {10}, twice)), 20) << "equal parts count once";
  EXPECT_EQ(flop_count(testing::elementwise(DType::i32, {10}, twice)), 0);
  const auto by_data = [](const Expr& x) { return select(x < constant(0, DType::f32), x * x, x + x); };
  EXPECT_EQ(flop_count(testing::elementwise(DType::f32, {10}, by_data)), 10 * (1 + 1 + 2));
  Kernel by_place = testing::elementwise(DType::f32, {10}, [](const Expr& x) { return x; });
  Expr& value = by_place.stages[0].values[0];
  const Expr x = value;
  value = select(var(by_place.stages[0].spatial[0].var) < Expr(3), x * x, x + x + x);
  EXPECT_EQ(flop_count(by_place), 10 * (1 + 2)) << "one side is computed at each point";
}

TEST(Kernel, IdentitiesOfPlainCombiners) {
  auto identity = [](CombinerKind kind, DType dtype) { return plain_combiner(kind, dtype).identity.at(0); };
  EXPECT_EQ(identity(CombinerKind::max, DType::f32).as<FloatImm>()->value,
            -std::numeric_limits<double>::infinity());
  EXPECT_EQ(identity(CombinerKind::min, DType::f16).as<FloatImm>()->value,
            std::numeric_limits<double>::infinity());
  EXPECT_TRUE(is_int(identity(CombinerKind::max, DType::i64), std::numeric_limits<std::int64_t>::min()));
  EXPECT_TRUE(is_int(identity(CombinerKind::min, DType::u8), 255));
  EXPECT_TRUE(is_int(identity(CombinerKind::prod, DType::i32), 1));
}

TEST(HostTensor, CopiesShareUntilWritten) {
  HostTensor a(DType::i16, {2, 2});
  a.set_int(3, 7);
  HostTensor b = a;
  EXPECT_EQ(a.bytes(), b.bytes());
  b.set(3, 9);
  EXPECT_EQ(a.int_at(3), 7);
  EXPECT_EQ(b.int_at(3), 9);
  EXPECT_THAT(a.reshaped({4}).shape(), ElementsAre(4));
  EXPECT_EQ(HostTensor::scalar(DType::f16, 0.5).at(0), 0.5);
  EXPECT_EQ(HostTensor(DType::f32, {0, 3}).size(), 0);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.bytes()) % 64, 0u);
}

}  // namespace
}  // namespace tunesmith::ir
