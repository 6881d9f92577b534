// The schedule spaces of every kernel family through the compiler: the default and random candidates compute
// what the kernel means, on one and two threads. A failure prints the seed; TUNESMITH_SEED repeats it.
#include <algorithm>
#include <cmath>

#include "ir/interpret.h"
#include "ir/support/env.h"
#include "schedules/apply.h"
#include "schedules/space.h"
#include "tests/codegen/run_nest.h"
#include "tests/schedules/space_kernels.h"

namespace tunesmith::codegen {
namespace {

using schedules::test::NamedKernel;
using schedules::test::tolerance_of;

constexpr int random_candidates = 6;  // for each number of threads

std::uint64_t seed() { return std::stoull(env_value("TUNESMITH_SEED").value_or("20")); }

const std::vector<NamedKernel>& families() {
  static const std::vector<NamedKernel> all = schedules::test::family_kernels();
  return all;
}

/// The machine that the code is for, so that candidates use its vectors and registers.
schedules::Machine machine() {
  const CpuTarget target = host_cpu_target();
  schedules::Machine machine;
  machine.cores = 2;
  machine.vector_bytes = target.vector_bytes;
  machine.vector_registers = target.vector_registers;
  machine.l1_bytes = target.l1_bytes;
  machine.l2_bytes = target.l2_bytes;
  return machine;
}

/// Empty where the outputs agree, by logical elements: the padding of a blocked layout is nobody's business.
std::string difference(const ir::Kernel& kernel, const std::vector<ir::HostTensor>& got,
                       const std::vector<ir::HostTensor>& want) {
  std::size_t output = 0;
  for (const ir::BufferId id : ir::arguments(kernel)) {
    const ir::Buffer& buffer = kernel.buffer(id);
    if (buffer.role != ir::Role::output) continue;
    const ir::HostTensor g = ir::from_physical(got.at(output), buffer);
    const ir::HostTensor w = ir::from_physical(want.at(output), buffer);
    for (std::int64_t i = 0; i < w.size(); ++i) {
      const bool equal =
          ir::is_float(w.dtype())
              ? std::abs(g.at(i) - w.at(i)) <= tolerance_of(w.dtype()) * std::max(1.0, std::abs(w.at(i)))
              : g.int_at(i) == w.int_at(i);
      if (!equal) return fmt::format("output {} element {}: {} instead of {}", output, i, g.at(i), w.at(i));
    }
    ++output;
  }
  return {};
}

class SpaceKernels : public ::testing::TestWithParam<std::size_t> {};

TEST_P(SpaceKernels, CompiledCandidatesComputeTheKernel) {
  const ir::Kernel& kernel = families()[GetParam()].kernel;
  const auto inputs = schedules::test::random_inputs(kernel, seed());
  const auto want = ir::interpret(kernel, inputs);
  ASSERT_TRUE(want) << want.error().message;
  for (const int threads : {1, 2}) {
    const schedules::Space space = schedules::make_cpu_space(kernel, machine(), threads);
    Rng rng(seed());
    std::vector<schedules::Candidate> candidates = {space.default_candidate()};
    for (int i = 0; i < random_candidates; ++i) candidates.push_back(space.random_candidate(rng));
    for (const schedules::Candidate& candidate : candidates) {
      SCOPED_TRACE(fmt::format("TUNESMITH_SEED={}, {} threads: {}\n{}", seed(), threads,
                               space.to_text(candidate),
                               schedules::print_schedule(space.to_schedule(candidate))));
      const auto nest = schedules::apply(kernel, space.to_schedule(candidate));
      ASSERT_TRUE(nest) << schedules::render(kernel, space.to_schedule(candidate), nest.error());
      const auto got = run_nest(*nest, inputs, threads);
      ASSERT_TRUE(got) << got.error().message;
      ASSERT_EQ(difference(kernel, *got, *want), "");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, SpaceKernels, ::testing::Range<std::size_t>(0, families().size()),
                         [](const auto& info) { return families()[info.param].name; });

}  // namespace
}  // namespace tunesmith::codegen
