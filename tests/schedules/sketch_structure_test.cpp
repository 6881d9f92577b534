// What the rules see of kernels: strides, reuse, groups.
#include "schedules/sketch_structure.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "schedules/sketch_tile_plan.h"
#include "tests/schedules/space_kernels.h"

namespace tunesmith::schedules {
namespace {

TEST(SketchStructure, MatmulStridesAndReuse) {
  const ir::Kernel kernel = test::matmul({.m = 4, .n = 8, .k = 16});
  const KernelInfo info = analyse(kernel);
  const StageInfo& s = info.stages[0];
  ASSERT_EQ(s.loads.size(), 2u);
  EXPECT_EQ(s.loads[0].strides, (std::vector<std::int64_t>{16, 0, 1}));
  EXPECT_EQ(s.loads[1].strides, (std::vector<std::int64_t>{0, 1, 8}));
  EXPECT_EQ(s.unit_axis(), 1u);
  EXPECT_TRUE(s.has_reuse(0));
  EXPECT_TRUE(s.is_contraction());
  EXPECT_EQ(s.slots, 1);
}

TEST(SketchStructure, BlockedLayoutsAreIrregularWithTheirFirstStep) {
  ir::Kernel kernel = test::elementwise(4, 32);
  kernel.buffers[0].layout.order = {{1, 0}, {0, 0}, {1, 16}};
  const KernelInfo info = analyse(kernel);
  const AccessInfo& x = info.stages[0].loads[0];
  EXPECT_EQ(x.strides[0], 16);
  EXPECT_TRUE(x.irregular[1]);
  EXPECT_EQ(x.strides[1], 1);
}

TEST(SketchStructure, EpiloguesFollowTheirReduction) {
  const ir::Kernel kernel = test::matmul({.m = 4, .n = 8, .k = 16, .bias_relu = true});
  const KernelInfo info = analyse(kernel);
  ASSERT_EQ(info.groups.size(), 1u);
  EXPECT_EQ(info.groups[0].anchor, 0u);
  EXPECT_EQ(info.groups[0].epilogue, (std::vector<std::size_t>{1, 2}));
}

TEST(SketchStructure, AxesThatPickASideAreTold) {
  const ir::Kernel kernel = test::tile_transform(3, 2, 16, true);
  const KernelInfo info = analyse(kernel);
  EXPECT_EQ(info.stages[0].picks, (std::vector<bool>{false, false, true, false, false}));
  EXPECT_EQ(info.stages[1].picks, (std::vector<bool>{false, false, false, true, false}));
  const auto& choice = *info.stages[1].stage->values[0].as<ir::Select>();
  EXPECT_EQ(picked_by(choice, info.stages[1].axes[3].var), 0);
  EXPECT_EQ(picked_by(choice, info.stages[1].axes[2].var), std::nullopt);
  const ir::Kernel padded = test::pad2d(7, 13, 2);
  EXPECT_FALSE(std::ranges::count(analyse(padded).stages[0].picks, true)) << "ranges pick no side";
}

TEST(SketchStructure, PaddingIsAPrologue) {
  const ir::Kernel kernel =
      test::conv2d({.c = 2, .h = 4, .w = 4, .k = 2, .r = 3, .s = 3, .pad = 1, .pad_stage = true});
  const KernelInfo info = analyse(kernel);
  ASSERT_EQ(info.groups.size(), 1u);
  EXPECT_EQ(info.groups[0].anchor, 1u);
  EXPECT_EQ(info.groups[0].prologue, (std::vector<std::size_t>{0}));
}

TEST(SketchStructure, SoftmaxAndLayerNormAreRows) {
  for (const ir::Kernel& kernel : {test::softmax(4, 32), test::layer_norm(4, 32)}) {
    const KernelInfo info = analyse(kernel);
    ASSERT_EQ(info.groups.size(), 1u) << kernel.name;
    EXPECT_EQ(info.groups[0].row_axes, 1u);
    EXPECT_EQ(info.groups[0].anchor, kernel.stages.size() - 1);
  }
}

TEST(SketchStructure, EveryStageIsInOneGroup) {
  for (const auto& family : test::family_kernels()) {
    const KernelInfo info = analyse(family.kernel);
    std::vector<int> seen(info.stages.size(), 0);
    for (const StageGroup& group : info.groups) {
      ++seen[group.anchor];
      for (std::size_t s : group.epilogue) ++seen[s];
      for (std::size_t s : group.prologue) ++seen[s];
    }
    for (int count : seen) EXPECT_EQ(count, 1) << family.name;
  }
}

struct Parts {
  const char* name;
  ir::Kernel kernel;
  std::size_t vector;
  std::optional<std::size_t> primary, secondary;
};

TEST(SketchTilePlan, AxesPlayTheirParts) {
  const Parts cases[] = {
      {"matmul", test::matmul({.m = 32, .n = 32, .k = 32}), 1, 0, {}},
      {"batched", test::matmul({.m = 32, .n = 32, .k = 32, .batch = 4}), 2, 1, {}},
      {"conv nchw", test::conv2d({.c = 8, .h = 18, .w = 18, .k = 32, .r = 3, .s = 3}), 3, 1, 2},
      {"conv nhwc", test::conv2d({.c = 8, .h = 18, .w = 18, .k = 32, .r = 3, .s = 3, .nhwc = true}), 3, 2, 1},
      {"depthwise nhwc", test::depthwise({.c = 32, .h = 18, .w = 18, .r = 3, .s = 3, .nhwc = true}), 3, 2, 1},
      {"outer sum", test::reduction({20, 30}, {true, false}, ir::CombinerKind::sum), 0, {}, {}},
  };
  for (const Parts& c : cases) {
    const KernelInfo info = analyse(c.kernel);
    const auto plan = TilePlan::make(info.stages[0], Machine{}, 1, PackScope::all);
    ASSERT_TRUE(plan) << c.name;
    EXPECT_EQ(plan->vector_axis(), c.vector) << c.name;
    EXPECT_EQ(plan->primary(), c.primary) << c.name;
    EXPECT_EQ(plan->secondary(), c.secondary) << c.name;
  }
}

TEST(SketchTilePlan, TheModelPrefersGoodTiles) {
  const ir::Kernel kernel = test::matmul({.m = 512, .n = 512, .k = 512});
  const KernelInfo info = analyse(kernel);
  const StageInfo& s = info.stages[0];
  auto time = [&](std::int64_t mr, std::int64_t nr, PackKind pack) {
    TilePoint p;
    p.vector_axis = 1;
    p.tile = {mr, nr, 1};
    p.block = {512, 512, 256};
    p.outer = {0, 1};
    p.inner = {1, 0};
    p.reduce = {2};
    p.pack = {pack, pack};
    return estimate_tile_ns(s, p, Machine{}, 1);
  };
  const double peak_ns = 2.0 * 512 * 512 * 512 / Machine{}.peak_gflops();
  EXPECT_LT(time(12, 32, PackKind::local), 1.25 * peak_ns);
  EXPECT_LT(time(12, 32, PackKind::local), time(2, 16, PackKind::local));
  EXPECT_LT(time(6, 64, PackKind::local), time(1, 64, PackKind::local));
}

}  // namespace
}  // namespace tunesmith::schedules
