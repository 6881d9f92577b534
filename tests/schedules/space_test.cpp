// The space as the search uses it: candidates, moves, texts, classes, the default.
#include "schedules/space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "schedules/apply.h"
#include "tests/schedules/space_kernels.h"

namespace tunesmith::schedules {
namespace {

using ::testing::HasSubstr;

Space gemm_space(std::int64_t size, int threads = 1) {
  return make_cpu_space(test::matmul({.m = size, .n = size, .k = size}), Machine{}, threads);
}

int differences(const Candidate& a, const Candidate& b) {
  int count = 0;
  for (std::size_t k = 0; k < a.choices.size(); ++k) count += a.choices[k] != b.choices[k];
  return count;
}

TEST(Space, RandomCandidatesAreFeasibleAndFollowTheSeed) {
  const Space space = gemm_space(256, 2);
  EXPECT_GT(space.log10_size(), 5);
  Rng a(7), b(7), c(8);
  std::set<std::uint64_t> seen;
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const Candidate x = space.random_candidate(a);
    EXPECT_TRUE(space.feasible(x));
    EXPECT_EQ(x, space.random_candidate(b));
    differs |= x != space.random_candidate(c);
    seen.insert(hash(x));
  }
  EXPECT_TRUE(differs);
  EXPECT_GT(seen.size(), 80u);
}

TEST(Space, TextNamesSketchAndKnobsAndParsesBack) {
  const Space space = gemm_space(256);
  Rng rng(3);
  for (int i = 0; i < 50; ++i) {
    const Candidate candidate = space.random_candidate(rng);
    const auto parsed = space.from_text(space.to_text(candidate));
    ASSERT_TRUE(parsed) << space.to_text(candidate);
    EXPECT_EQ(*parsed, candidate);
  }
  const std::string text = space.to_text(space.random_candidate(rng, 0));
  EXPECT_TRUE(text.starts_with("tile{nr=")) << text;
  EXPECT_FALSE(space.from_text("tile{nr=16}"));
  EXPECT_FALSE(space.from_text("nothing{}"));
  EXPECT_FALSE(space.from_text(text + "x"));
  EXPECT_FALSE(space.from_text(""));
}

TEST(Space, NeighboursDifferByOneStepOfOneKnob) {
  const Space space = gemm_space(256, 2);
  Rng rng(5);
  for (int i = 0; i < 20; ++i) {
    const Candidate at = space.random_candidate(rng);
    for (const Candidate& next : space.neighbours(at)) {
      EXPECT_TRUE(space.feasible(next));
      EXPECT_EQ(differences(at, next), 1);
    }
    for (std::size_t k = 0; k < at.choices.size(); ++k)
      for (const Candidate& next : space.line(at, k)) {
        EXPECT_TRUE(space.feasible(next));
        EXPECT_EQ(differences(at, next), 1);
        EXPECT_NE(at.choices[k], next.choices[k]);
      }
  }
}

TEST(Space, MutationAndCrossoverStayFeasible) {
  const Space space = gemm_space(256, 2);
  Rng rng(5);
  for (int i = 0; i < 50; ++i) {
    const Candidate a = space.random_candidate(rng), b = space.random_candidate(rng);
    const Candidate m = space.mutate(a, rng);
    EXPECT_TRUE(space.feasible(m));
    EXPECT_NE(m, a);
    const Candidate child = space.crossover(a, b, rng);
    EXPECT_TRUE(space.feasible(child));
    EXPECT_EQ(child.sketch, a.sketch);
  }
}

TEST(Space, RefusesChoicesOutsideItsDomains) {
  const Space space = gemm_space(64);
  Candidate candidate{0, std::vector<std::uint32_t>(space.sketch(0).knobs().size(), 0)};
  candidate.choices[0] = 1000;
  EXPECT_FALSE(space.feasible(candidate));
  candidate.choices.pop_back();
  EXPECT_FALSE(space.feasible(candidate));
  EXPECT_FALSE(space.feasible({99, {}}));
}

TEST(Space, RegisterTilesFitTheRegisterFile) {
  const Space space = gemm_space(512);
  Rng rng(9);
  for (int i = 0; i < 200; ++i) {
    const Candidate candidate = space.random_candidate(rng, 0);
    const auto values = space.values(candidate);
    const auto knobs = space.sketch(candidate).knobs();
    std::int64_t nr = 0, mr = 0;
    for (std::size_t k = 0; k < knobs.size(); ++k) {
      if (knobs[k].name == "nr") nr = values[k];
      if (knobs[k].name == "mr") mr = values[k];
    }
    const std::int64_t vectors = (nr + 15) / 16;
    EXPECT_LE(mr * vectors + (mr > 1 ? vectors : 1) + 1, 32) << space.to_text(candidate);
  }
}

TEST(Space, ClassesDifferInStructureOnly) {
  const Space space = gemm_space(256);
  Rng rng(2);
  const Candidate a = space.random_candidate(rng, 0);
  const auto knobs = space.sketch(a).knobs();
  for (std::size_t k = 0; k < knobs.size(); ++k)
    for (const Candidate& b : space.line(a, k))
      EXPECT_EQ(space.class_of(a) == space.class_of(b), !knobs[k].structural) << knobs[k].name;
}

TEST(Space, RepresentativesAreRankedAndOneAClass) {
  const Space space = gemm_space(128);
  const auto ranked = space.class_representatives(10);
  ASSERT_GE(ranked.size(), 3u);
  std::set<std::uint64_t> classes;
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    EXPECT_TRUE(classes.insert(space.class_of(ranked[i].candidate)).second);
    if (i > 0) {
      EXPECT_GE(ranked[i].cost.time_ns, ranked[i - 1].cost.time_ns);
    }
  }
}

TEST(Space, TheDefaultOfALargeProductIsNearThePeakByTheModel) {
  const Machine machine;
  for (std::int64_t size : {256, 1024}) {
    const Space space = gemm_space(size);
    const Candidate best = space.default_candidate();
    const auto cost = space.analytic(best);
    ASSERT_TRUE(cost);
    const double peak_ns = 2.0 * size * size * size / machine.peak_gflops();
    EXPECT_LT(cost->time_ns, peak_ns / 0.75) << space.to_text(best);
    EXPECT_EQ(cost->spilled_registers, 0) << space.to_text(best);
    EXPECT_TRUE(space.to_text(best).starts_with("tile{"));
  }
}

TEST(Space, MapsThatReadAMapAtSeveralPlacesAreComputedTileByTile) {
  for (bool tiles_first : {true, false}) {
    const Space space = make_cpu_space(test::tile_transform(12, 10, 64, tiles_first), Machine{}, 1);
    const Candidate best = space.default_candidate();
    EXPECT_TRUE(space.to_text(best).starts_with("chain{")) << space.to_text(best);
    const std::string steps = print_schedule(space.to_schedule(best));
    EXPECT_THAT(steps, HasSubstr("compute_at(s0, ")) << "the first stage has no memory of its own size";
    EXPECT_THAT(steps, HasSubstr("unroll(s1.")) << "one side of the choice is left";
  }
  const Space chain = make_cpu_space(test::map_chain(100), Machine{}, 1);
  EXPECT_TRUE(chain.to_text(chain.default_candidate()).starts_with("map")) << "read at one place: nothing to keep";
}

TEST(Space, SketchesForGpusAreFeasibleFromTheFirstChoiceOn) {
  GpuMachine small;  // of a laptop
  small.shared_bytes_per_block = 48 << 10;
  std::vector<test::NamedKernel> kernels = test::family_kernels();
  kernels.push_back({"rows beyond shared memory", test::softmax(2, 60000)});
  for (const GpuMachine& machine : {GpuMachine{}, small})
    for (const test::NamedKernel& named : kernels) {
      SCOPED_TRACE(named.name);
      const Space space = make_cuda_space(named.kernel, machine);
      Rng rng(3);
      for (std::uint32_t s = 0; s < space.sketch_count(); ++s) {
        const auto knobs = space.sketch(s).knobs();
        EXPECT_TRUE(space.feasible({s, std::vector<std::uint32_t>(knobs.size(), 0)})) << space.sketch(s).name();
        for (const Knob& knob : knobs)
          EXPECT_TRUE(knob.structural || std::ranges::is_sorted(knob.domain)) << knob.name;
        EXPECT_TRUE(space.feasible(space.random_candidate(rng, s)));
      }
    }
}

TEST(Space, KernelsWithoutStructureGetThePlainSketch) {
  const Space space = make_cpu_space(test::elementwise(1, 1), Machine{}, 1);
  EXPECT_EQ(space.sketch(0).name(), "plain");
  EXPECT_TRUE(space.to_schedule(space.default_candidate()).empty());
}

}  // namespace
}  // namespace tunesmith::schedules
