// The text form of schedules.
#include <gtest/gtest.h>

#include "tests/schedules/schedule_testing.h"

namespace tunesmith::schedules::testing {
namespace {

TEST(ScheduleText, EveryStepReadsBack) {
  const LoopId loop = axis_loop(2, 1).inner().outer();
  ir::Layout layout;
  layout.order = {{1, 0}, {0, 0}, {1, 16}};
  const Schedule schedule = {
      Split{axis_loop(0, 0), 64, Tail::mask},
      Split{axis_loop(0, 1), 16, Tail::overlap},
      Pad{0, 1, 16},
      Prefetch{ir::BufferId{2}, 1, 4096},
      Fuse{loop, fused_loop(2, 3)},
      Reorder{{loop, axis_loop(2, 0)}},
      Reorder{{}},
      Annotate{fused_loop(0, 1).outer(), ir::LoopKind::parallel},
      Annotate{loop, ir::LoopKind::vectorize},
      Annotate{loop, ir::LoopKind::unroll},
      Annotate{loop, ir::LoopKind::thread_x},
      ComputeAt{1, loop, ir::Scope::registers},
      ComputeInline{4},
      ReverseComputeAt{3, loop},
      StageBuffer{ir::BufferId{7}, 2, std::nullopt, ir::Scope::global, {}},
      StageBuffer{ir::BufferId{0}, 2, loop, ir::Scope::local, layout},
      Accumulate{2, loop, ir::Scope::local},
      Rfactor{0, 2, 16},
      Streaming{5},
  };
  const std::string text = print_schedule(schedule);
  EXPECT_EQ(text.substr(0, text.find("; reorder")),
            "split(s0.a0, 64, mask); split(s0.a1, 16, overlap); pad(s0, a1, 16); prefetch(b2, s1, 4096); "
            "fuse(s2.a1.1.0, s2.f3)");
  const auto again = parse_schedule(text);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(*again, schedule);
}

TEST(ScheduleText, SpacesAndNewLinesDoNotMatter) {
  EXPECT_EQ(parsed(" split( s0.a0 ,4,peel )\n;\nunroll(s0.a0.1);"),
            parsed("split(s0.a0, 4, peel); unroll(s0.a0.1)"));
  EXPECT_TRUE(parsed("").empty());
}

std::string problem(std::string_view text) {
  const auto schedule = parse_schedule(text);
  return schedule ? "" : schedule.error().message;
}

TEST(ScheduleText, ErrorsNameTheStepAndWhatIsExpected) {
  EXPECT_EQ(problem("split(s0.a0, 4, peel); split(s0.a1, x, peel)"),
            "schedule step 1 'split(s0.a1, x, peel)': expected a number at 'x, peel)' (offset 36)");
  EXPECT_NE(problem("split(s0.b1, 4, peel)").find("expected 'a'"), std::string::npos);
  EXPECT_NE(problem("split(s0.a1, 4, chop)").find("peel, mask or overlap"), std::string::npos);
  EXPECT_NE(problem("explode(s0.a1)").find("name of a step"), std::string::npos);
  EXPECT_NE(problem("unroll(s0.a1.2)").find("0 or 1"), std::string::npos);
  EXPECT_NE(problem("unroll(s0.a1) unroll(s0.a0)").find("';'"), std::string::npos);
  EXPECT_NE(problem("compute_at(s0, s1.a0, stack)").find("registers"), std::string::npos);
  EXPECT_NE(problem("split(s0.a99999999999, 4, peel)").find("a number"), std::string::npos);
}

}  // namespace
}  // namespace tunesmith::schedules::testing
