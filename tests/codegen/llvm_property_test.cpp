// Random loop nests: compiled code against the interpreter.
#include <gtest/gtest.h>

#include <cmath>

#include "ir/interpret.h"
#include "ir/print.h"
#include "ir/support/env.h"
#include "tests/codegen/run_nest.h"
#include "tests/ir/random_nest.h"

namespace tunesmith::codegen {
namespace {

/// Fused multiply-adds and polynomials round differently: a few units of the f32 result.
bool close(const ir::HostTensor& got, const ir::HostTensor& want) {
  for (std::int64_t i = 0; i < want.size(); ++i) {
    if (!ir::is_float(want.dtype())) {
      if (got.int_at(i) != want.int_at(i)) return false;
      continue;
    }
    const double g = got.at(i), w = want.at(i);
    if (g == w || (std::isnan(g) && std::isnan(w))) continue;
    const double epsilon = want.dtype() == ir::DType::f16    ? 2e-2
                           : want.dtype() == ir::DType::bf16 ? 1e-1
                                                             : 1e-3;
    if (!(std::abs(g - w) <= epsilon * (1 + std::abs(w)))) return false;
  }
  return true;
}

TEST(LlvmBackend, RandomNestsComputeWhatTheInterpreterComputes) {
  const std::uint64_t seed = std::stoull(env_value("TUNESMITH_SEED").value_or("11"));
  SCOPED_TRACE(testing::Message() << "TUNESMITH_SEED=" << seed);
  Rng rng(seed);
  int compared = 0, refused = 0;
  for (int round = 0; round < 150; ++round) {
    const ir::Kernel kernel = ir::testing::KernelGenerator(rng).run();
    const ir::LoopNest nest = ir::testing::NestGenerator(kernel, rng).run();
    const auto inputs = ir::testing::random_inputs(kernel, rng);
    const auto want = ir::interpret(nest, inputs);
    if (!want) continue;
    const auto got = run_nest(nest, inputs, 1 + static_cast<int>(rng.below(2)));
    if (!got) {  // shapes of vectorized loops that the generator makes and the back end refuses, with a
                 // reason
      EXPECT_FALSE(got.error().message.empty());
      EXPECT_EQ(got.error().message.find("the compiled kernel"), std::string::npos) << got.error().message;
      ++refused;
      continue;
    }
    ++compared;
    std::size_t i = 0;
    for (const ir::BufferId id : nest.arguments) {
      const ir::Buffer& buffer = nest.buffer(id);
      if (buffer.role != ir::Role::output) continue;
      // The padding of a blocked layout is nobody's business.
      ASSERT_TRUE(close(ir::from_physical((*got)[i], buffer), ir::from_physical((*want)[i], buffer)))
          << "output " << i << " of\n"
          << ir::print(nest);
      ++i;
    }
  }
  EXPECT_GE(compared, 40) << refused << " were refused";
}

}  // namespace
}  // namespace tunesmith::codegen
