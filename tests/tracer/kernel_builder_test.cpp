#include "tracer/kernel_builder.h"

#include <gmock/gmock.h>

#include "ir/interpret.h"
#include "ir/print.h"

namespace tunesmith::tracer {
namespace {

using namespace ir;
using testing::ElementsAre;

HostTensor counting(DType dtype, std::vector<std::int64_t> shape) {
  HostTensor tensor(dtype, std::move(shape));
  for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, static_cast<double>(i));
  return tensor;
}

std::vector<double> run(const Kernel& kernel, std::vector<HostTensor> inputs, std::size_t output = 0) {
  auto result = interpret(kernel, inputs);
  EXPECT_TRUE(result.has_value()) << result.error().message;
  std::vector<double> values;
  for (std::int64_t i = 0; i < (*result)[output].size(); ++i) values.push_back((*result)[output].at(i));
  return values;
}

TEST(KernelBuilder, InlinesViewsAndStoresOutputs) {
  KernelBuilder b("k");
  const TensorView x = b.input("x", DType::f32, {3}, false);
  const TensorView twice{DType::f32, {3}, [x](auto i) { return x(i) + x(i); }};
  b.output("y", {DType::f32, {3}, [twice](auto i) { return twice(i) * twice(i); }});
  const Kernel kernel = std::move(b).finish();
  EXPECT_EQ(kernel.stages.size(), 1u) << print(kernel);
  EXPECT_THAT(run(kernel, {counting(DType::f32, {3})}), ElementsAre(0, 4, 16));
}

TEST(KernelBuilder, ReductionWritesTheOutputDirectly) {
  KernelBuilder b("k");
  const TensorView x = b.input("x", DType::f32, {2, 3}, false);
  b.output("y", b.reduce("sum", DType::f32, {2}, {3}, CombinerKind::sum, [&](auto i, auto r) {
    return x(std::vector<Expr>{i[0], r[0]});
  }));
  const Kernel kernel = std::move(b).finish();
  EXPECT_EQ(kernel.stages.size(), 1u);
  EXPECT_EQ(kernel.buffers.size(), 2u);
  EXPECT_THAT(run(kernel, {counting(DType::f32, {2, 3})}), ElementsAre(3, 12));
}

TEST(KernelBuilder, OutputsComeInTheOrderOfTheirDeclaration) {
  KernelBuilder b("k");
  const TensorView x = b.input("x", DType::f32, {2}, false);
  const TensorView first = b.map("first", DType::f32, {2}, [&](auto i) { return x(i) + float_imm(1); });
  const TensorView second = b.map("second", DType::f32, {2}, [&](auto i) { return first(i) * float_imm(2); });
  b.output("second", second);
  b.output("first", first);
  const Kernel kernel = std::move(b).finish();
  EXPECT_THAT(run(kernel, {counting(DType::f32, {2})}, 0), ElementsAre(2, 4));
  EXPECT_THAT(run(kernel, {counting(DType::f32, {2})}, 1), ElementsAre(1, 2));
}

TEST(KernelBuilder, AnInputAsOutputIsCopied) {
  KernelBuilder b("k");
  b.output("y", b.input("x", DType::f32, {2}, false));
  EXPECT_THAT(run(std::move(b).finish(), {counting(DType::f32, {2})}), ElementsAre(0, 1));
}

TEST(KernelBuilder, UnreadStagesAreDropped) {
  KernelBuilder b("k");
  const TensorView x = b.input("x", DType::f32, {2}, false);
  b.map("unread", DType::f32, {2}, [&](auto i) { return x(i) + float_imm(1); });
  b.output("y", {DType::f32, {2}, [x](auto i) { return x(i) * x(i); }});
  const Kernel kernel = std::move(b).finish();
  EXPECT_EQ(kernel.stages.size(), 1u);
  EXPECT_EQ(kernel.buffers.size(), 2u);
}

TEST(KernelBuilder, MemoisedViewsShareTheirExpression) {
  KernelBuilder b("k");
  const TensorView x = b.input("x", DType::f32, {2}, false);
  TensorView chain = x;
  for (int step = 0; step < 40; ++step)
    chain = memoised({DType::f32, {2}, [chain](auto i) { return chain(i) + chain(i); }});
  b.output("y", chain);
  const Kernel kernel = std::move(b).finish();  // 2^40 nodes otherwise
  EXPECT_EQ(kernel.stages.size(), 1u);
}

TEST(KernelBuilder, StagesWalkTheAxisOrder) {
  KernelBuilder b("k");
  b.set_axis_order({0, 2, 1});
  const TensorView x =
      b.input("x", DType::f32, {1, 2, 3}, false, Layout::permutation(std::vector<std::int32_t>{0, 2, 1}));
  b.output("y", {DType::f32, {1, 2, 3}, [x](auto i) { return x(i) + float_imm(1); }},
           Layout::permutation(std::vector<std::int32_t>{0, 2, 1}));
  const Kernel kernel = std::move(b).finish();
  for (const Buffer& buffer : kernel.buffers) {
    EXPECT_TRUE(buffer.layout.is_row_major());
    EXPECT_TRUE(is_int(buffer.shape[1], 3)) << print(kernel);
  }
  EXPECT_THAT(run(kernel, {counting(DType::f32, {1, 3, 2})}), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(KernelBuilder, OutputInAnotherMemoryOrderThanTheStage) {
  KernelBuilder b("k");
  b.set_axis_order({0, 2, 1});
  const TensorView x = b.input("x", DType::f32, {1, 2, 3}, false);
  b.output("y", {DType::f32, {1, 2, 3}, [x](auto i) { return x(i) + float_imm(1); }});
  const Kernel kernel = std::move(b).finish();
  EXPECT_FALSE(kernel.buffers.back().layout.is_row_major()) << print(kernel);
  EXPECT_THAT(run(kernel, {counting(DType::f32, {1, 2, 3})}), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(KernelBuilder, SplitAxisKeepsTheBytes) {
  KernelBuilder b("k");
  const std::vector<std::int64_t> shape{2, 6};
  const TensorView x = b.input("x", DType::f32, shape, false);
  b.split_axis(shape, 1, 3);
  const TensorView sum =
      b.reduce("sum", DType::f32, shape, {2}, CombinerKind::sum, [&](auto i, auto) { return x(i); });
  b.output("y", {DType::f32, shape, [sum](auto i) { return sum(i) + float_imm(1); }});
  const Kernel kernel = std::move(b).finish();
  EXPECT_EQ(kernel.stages[0].spatial.size(), 3u);
  EXPECT_EQ(kernel.stages[1].spatial.size(), 3u) << print(kernel);
  EXPECT_THAT(run(kernel, {counting(DType::f32, shape)}),
              ElementsAre(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23));
}

TEST(KernelBuilder, TransposeOfAStageIsWrittenByTheStage) {
  KernelBuilder b("k");
  const TensorView x = b.input("x", DType::f32, {2, 3}, false);
  const TensorView sum =
      b.reduce("sum", DType::f32, {2, 3}, {2}, CombinerKind::sum, [&](auto i, auto) { return x(i); });
  const TensorView turned{DType::f32, {3, 2}, [sum](auto i) { return sum(std::vector<Expr>{i[1], i[0]}); }};
  b.output("y", turned, {}, Layout::permutation(std::vector<std::int32_t>{1, 0}));
  const Kernel kernel = std::move(b).finish();
  EXPECT_EQ(kernel.stages.size(), 1u) << print(kernel);
  EXPECT_THAT(run(kernel, {counting(DType::f32, {2, 3})}), ElementsAre(0, 6, 2, 8, 4, 10));
}

TEST(KernelBuilder, StageNamesAreUnique) {
  KernelBuilder b("k");
  TensorView x = b.input("x", DType::f32, {2}, false);
  for (int i = 0; i < 3; ++i) x = b.map("step", DType::f32, {2}, [&](auto at) { return x(at) + x(at); });
  b.output("y", x);
  const Kernel kernel = std::move(b).finish();
  EXPECT_EQ(kernel.stages[0].name, "step");
  EXPECT_EQ(kernel.stages[1].name, "step.1");
  EXPECT_EQ(kernel.stages[2].name, "step.2");
}

}  // namespace
}  // namespace tunesmith::tracer
