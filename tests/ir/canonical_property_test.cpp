#include <gtest/gtest.h>

#include "ir/canonical.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "tests/ir/random_kernel.h"

namespace tunesmith::ir {
namespace {

void check_same_results(const Kernel& kernel, const Kernel& canonical, Rng& rng) {
  const auto inputs = testing::random_inputs(kernel, rng);
  const auto before = interpret(kernel, inputs);
  ASSERT_TRUE(before) << before.error().message << "\n" << print(kernel);
  const auto after = interpret(canonical, testing::reshaped_inputs(canonical, inputs));
  ASSERT_TRUE(after) << after.error().message << "\n" << print(kernel) << print(canonical);
  ASSERT_EQ(before->size(), after->size());
  for (std::size_t i = 0; i < before->size(); ++i)
    ASSERT_TRUE(testing::same_elements((*before)[i], (*after)[i])) << print(kernel) << print(canonical);
}

TEST(CanonicalProperty, KeepsTheMeaningAndIsStable) {
  SCOPED_TRACE(testing::seed_text());
  Rng rng(testing::seed());
  for (int round = 0; round < 1000 && !HasFailure(); ++round) {
    const Kernel kernel = testing::KernelGenerator(rng).run();
    const auto valid = verify(kernel);
    ASSERT_TRUE(valid) << valid.error().message << "\n" << print(kernel);
    const Kernel canonical = canonicalise(kernel);
    const auto still_valid = verify(canonical);
    ASSERT_TRUE(still_valid) << still_valid.error().message << "\n" << print(kernel) << print(canonical);
    ASSERT_NO_FATAL_FAILURE(check_same_results(kernel, canonical, rng));
    ASSERT_EQ(print(canonicalise(canonical)), print(canonical)) << print(kernel);
  }
}

}  // namespace
}  // namespace tunesmith::ir
