// print and parse are inverse, on random kernels and nests; and nests mean what their kernels mean.
#include <gtest/gtest.h>

#include "ir/print.h"
#include "ir/simplify.h"
#include "ir/verify.h"
#include "tests/ir/random_nest.h"

namespace tunesmith::ir {
namespace {

void expect_same(const std::vector<HostTensor>& a, const std::vector<HostTensor>& b,
                 const std::string& text) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_TRUE(testing::same_elements(a[i], b[i])) << text;
}

TEST(TextProperty, KernelsRoundTrip) {
  SCOPED_TRACE(testing::seed_text());
  Rng rng(testing::seed() + 10);
  for (int round = 0; round < 1000 && !HasFailure(); ++round) {
    const Kernel kernel = testing::KernelGenerator(rng).run();
    const std::string text = print(kernel);
    const auto parsed = parse_kernel(text);
    ASSERT_TRUE(parsed) << parsed.error().message << "\n" << text;
    ASSERT_EQ(print(*parsed), text);
    const auto inputs = testing::random_inputs(kernel, rng);
    const auto before = interpret(kernel, inputs), after = interpret(*parsed, inputs);
    ASSERT_TRUE(before && after);
    ASSERT_NO_FATAL_FAILURE(expect_same(*before, *after, text));
  }
}

TEST(TextProperty, NestsRoundTripAndKeepTheirMeaning) {
  SCOPED_TRACE(testing::seed_text());
  Rng rng(testing::seed() + 11);
  for (int round = 0; round < 1000 && !HasFailure(); ++round) {
    const Kernel kernel = testing::KernelGenerator(rng).run();
    const LoopNest nest = testing::NestGenerator(kernel, rng).run();
    const std::string text = print(nest);
    const auto valid = verify(nest);
    ASSERT_TRUE(valid) << valid.error().message << "\n" << text;
    const auto parsed = parse_loop_nest(text);
    ASSERT_TRUE(parsed) << parsed.error().message << "\n" << text;
    ASSERT_EQ(print(*parsed), text);
    LoopNest simple = nest;
    simple.body = simplify(nest.body);
    const auto inputs = testing::random_inputs(kernel, rng);
    const auto expected = interpret(kernel, inputs);
    ASSERT_TRUE(expected) << expected.error().message;
    for (const LoopNest* form : {&nest, &*parsed, static_cast<const LoopNest*>(&simple)}) {
      const auto result = interpret(*form, inputs);
      ASSERT_TRUE(result) << result.error().message << "\n" << print(kernel) << print(*form);
      ASSERT_NO_FATAL_FAILURE(expect_same(*expected, *result, print(kernel) + print(*form)));
    }
  }
}

/// Damaged texts give an error or another kernel, never an abort.
TEST(TextProperty, DamagedTextIsRefusedCleanly) {
  SCOPED_TRACE(testing::seed_text());
  Rng rng(testing::seed() + 12);
  static constexpr std::string_view bits[] = {
      "(",   ")",    "[",       "]", ":",  ",",   "1",  "9999999999999999999",
      "f16", "true", "select",  "-", "//", "let", "$0", "stage",
      "\n",  "=",    "1.5:f64", "}"};
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    const Kernel kernel = testing::KernelGenerator(rng).run();
    const bool is_kernel = rng.below(2) == 0;
    std::string text = is_kernel ? print(kernel) : print(testing::NestGenerator(kernel, rng).run());
    for (std::int64_t edits = rng.between(1, 3); edits > 0; --edits) {
      const std::size_t at = rng.below(text.size()), length = rng.below(4);
      text.replace(at, std::min(length, text.size() - at), bits[rng.below(std::size(bits))]);
    }
    if (is_kernel) {
      const auto parsed = parse_kernel(text);
      refused += !parsed;
      ASSERT_TRUE(!parsed || !verify(*parsed) || parse_kernel(print(*parsed))) << text;
    } else {
      const auto parsed = parse_loop_nest(text);
      refused += !parsed;
      ASSERT_TRUE(!parsed || !verify(*parsed) || parse_loop_nest(print(*parsed))) << text;
    }
  }
  EXPECT_GT(refused, 2000);
}

}  // namespace
}  // namespace tunesmith::ir
