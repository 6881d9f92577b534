// Every candidate of every kernel family applies and computes what the kernel means.
// A failure prints the seed; TUNESMITH_SEED repeats it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "ir/interpret.h"
#include "ir/verify.h"
#include "schedules/apply.h"
#include "schedules/space.h"
#include "tests/schedules/space_kernels.h"

namespace tunesmith::schedules {
namespace {

using test::NamedKernel;

constexpr int candidates_a_kernel = 50;

std::uint64_t seed() {
  const char* text = std::getenv("TUNESMITH_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 20;
}

std::vector<NamedKernel>& families() {
  static std::vector<NamedKernel> all = test::family_kernels();
  return all;
}

void expect_equal(const std::vector<ir::HostTensor>& expected, const std::vector<ir::HostTensor>& actual) {
  ASSERT_EQ(expected.size(), actual.size());
  for (std::size_t t = 0; t < expected.size(); ++t) {
    ASSERT_EQ(expected[t].size(), actual[t].size());
    for (std::int64_t i = 0; i < expected[t].size(); ++i) {
      if (!ir::is_float(expected[t].dtype())) {
        ASSERT_EQ(expected[t].int_at(i), actual[t].int_at(i)) << "output " << t << " element " << i;
        continue;
      }
      const double a = expected[t].at(i), b = actual[t].at(i);
      ASSERT_LE(std::abs(a - b), 1e-4 * std::max(1.0, std::abs(a)))
          << "output " << t << " element " << i << ": " << a << " " << b;
    }
  }
}

class SpaceFamily : public testing::TestWithParam<std::size_t> {};

TEST_P(SpaceFamily, CandidatesApplyAndComputeTheKernel) {
  const NamedKernel& family = families()[GetParam()];
  const auto inputs = test::random_inputs(family.kernel, seed());
  const auto expected = ir::interpret(family.kernel, inputs);
  ASSERT_TRUE(expected) << expected.error().message;
  for (int threads : {1, 3}) {
    const Space space = make_cpu_space(family.kernel, Machine{}, threads);
    Rng rng(seed());
    for (int i = 0; i < candidates_a_kernel / 2; ++i) {
      const Candidate candidate = space.random_candidate(rng);
      ASSERT_TRUE(space.feasible(candidate));
      const Schedule schedule = space.to_schedule(candidate);
      const auto nest = schedules::apply(family.kernel, schedule);
      ASSERT_TRUE(nest) << "seed " << seed() << ": " << space.to_text(candidate) << "\n"
                        << print_schedule(schedule) << "\n"
                        << render(family.kernel, schedule, nest.error());
      const auto actual = ir::interpret(*nest, inputs);
      ASSERT_TRUE(actual) << "seed " << seed() << ": " << space.to_text(candidate) << "\n"
                          << print_schedule(schedule) << "\n"
                          << actual.error().message;
      expect_equal(*expected, *actual);
      if (HasFatalFailure())
        FAIL() << "seed " << seed() << ": " << space.to_text(candidate) << "\n" << print_schedule(schedule);
    }
  }
}

TEST_P(SpaceFamily, RepresentativesAndDefaultApply) {
  const NamedKernel& family = families()[GetParam()];
  for (int threads : {1, 2}) {
    const Space space = make_cpu_space(family.kernel, Machine{}, threads);
    for (std::uint32_t s = 0; s < space.sketch_count(); ++s) {
      const Candidate first{s, std::vector<std::uint32_t>(space.sketch(s).knobs().size(), 0)};
      EXPECT_TRUE(space.feasible(first)) << space.to_text(first);
    }
    const Candidate best = space.default_candidate();
    EXPECT_TRUE(space.feasible(best));
    EXPECT_TRUE(schedules::apply(family.kernel, space.to_schedule(best)));
    EXPECT_EQ(best, space.default_candidate());
    for (const RankedCandidate& r : space.class_representatives(8)) {
      EXPECT_TRUE(schedules::apply(family.kernel, space.to_schedule(r.candidate)))
          << space.to_text(r.candidate);
      EXPECT_GT(r.cost.time_ns, 0);
    }
  }
}

std::string family_name(const testing::TestParamInfo<std::size_t>& info) {
  return families()[info.param].name;
}
INSTANTIATE_TEST_SUITE_P(Families, SpaceFamily, testing::Range<std::size_t>(0, families().size()),
                         family_name);

}  // namespace
}  // namespace tunesmith::schedules
