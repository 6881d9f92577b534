// The GPU schedule space of every kernel family: the default and random candidates as CUDA text, run by the emulator in three
// thread orders with its race check, against the interpreter; compiled by NVRTC where there is one. A failure prints the seed;
// TUNESMITH_SEED repeats it, TUNESMITH_TEST_COUNT sets how many candidates each family gets.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <set>

#include "codegen/cuda/cubin.h"
#include "codegen/cuda/nvrtc.h"
#include "codegen/cuda/prelude.h"
#include "codegen/cuda/program.h"
#include "ir/interpret.h"
#include "ir/print.h"
#include "ir/support/env.h"
#include "schedules/apply.h"
#include "schedules/gpu_machine.h"
#include "schedules/space.h"
#include "tests/codegen/emulator.h"
#include "tests/schedules/space_kernels.h"

namespace tunesmith::codegen::cuda {
namespace {

using schedules::test::NamedKernel;
using schedules::test::tolerance_of;
using testing::EmulatedModule;

std::uint64_t seed() { return std::stoull(env_value("TUNESMITH_SEED").value_or("20")); }
int candidates() {
  const char* count = std::getenv("TUNESMITH_TEST_COUNT");  // NOLINT(concurrency-mt-unsafe)
  return count != nullptr ? std::atoi(count) : 4;
}

const std::vector<NamedKernel>& families() {
  static const std::vector<NamedKernel> all = schedules::test::family_kernels();
  return all;
}

struct Drawn {
  std::string schedule;
  ir::LoopNest nest;
  CudaProgram program;
};

class CudaSpace : public ::testing::TestWithParam<std::size_t> {
 protected:
  const ir::Kernel& kernel() const { return families()[GetParam()].kernel; }

  /// The default, and different random ones.
  std::vector<Drawn> draw(int count) const {
    const schedules::Space space = schedules::make_cuda_space(kernel(), schedules::GpuMachine{});
    std::vector<schedules::Candidate> chosen{space.default_candidate()};
    Rng rng(seed());
    for (int i = 0; i < count; ++i) chosen.push_back(space.random_candidate(rng));
    std::vector<Drawn> result;
    std::set<std::string> seen;
    for (const schedules::Candidate& candidate : chosen) {
      const schedules::Schedule schedule = space.to_schedule(candidate);
      std::string text = schedules::print_schedule(schedule);
      if (!seen.insert(text).second) continue;
      auto nest = schedules::apply(kernel(), schedule);
      if (!nest && nest.error().code == schedules::ScheduleError::Code::too_much_code) continue;
      EXPECT_TRUE(nest) << schedules::render(kernel(), schedule, nest.error());
      if (!nest) continue;
      auto program = make_program(*nest);
      EXPECT_TRUE(program) << program.error().message << "\n" << space.to_text(candidate) << "\n" << text << ir::print(*nest);
      if (program) result.push_back({std::move(text), std::move(*nest), std::move(*program)});
    }
    return result;
  }

  void expect_equal(const ir::HostTensor& got, const ir::HostTensor& want, const std::string& what) const {
    for (std::int64_t i = 0; i < want.size(); ++i) {
      const double g = ir::is_float(want.dtype()) ? got.at(i) : static_cast<double>(got.int_at(i));
      const double w = ir::is_float(want.dtype()) ? want.at(i) : static_cast<double>(want.int_at(i));
      if (g == w || (std::isnan(g) && std::isnan(w))) continue;
      ASSERT_LE(std::abs(g - w), tolerance_of(want.dtype()) * std::max(1.0, std::abs(w))) << "element " << i << "\n" << what;
    }
  }
};

TEST_P(CudaSpace, ComputesWhatTheKernelMeansInAnyOrderOfThreads) {
  SCOPED_TRACE(::testing::Message() << families()[GetParam()].name << ", TUNESMITH_SEED=" << seed());
  const std::vector<Drawn> drawn = draw(candidates());
  ASSERT_FALSE(drawn.empty());
  std::string source;
  std::vector<EmulatedModule::Function> kernels;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    source += fmt::format("namespace p{} {{\n{}}}\n", i, drawn[i].program.source);
    for (EmulatedModule::Function f : testing::functions(drawn[i].program)) kernels.push_back({fmt::format("p{}::{}", i, f.name), f.parameters});
  }
  const auto module = EmulatedModule::compile(source, kernels);
  ASSERT_TRUE(module) << module.error().message;
  const std::vector<ir::HostTensor> inputs = schedules::test::random_inputs(kernel(), seed());
  const auto want = ir::interpret(kernel(), inputs);
  ASSERT_TRUE(want) << want.error().message;
  std::size_t first = 0;
  for (const Drawn& one : drawn) {
    const std::string what = one.schedule + "\n" + one.program.source;
    // The nest itself, its loops one after another, reads nothing that was not written.
    const auto in_order = ir::interpret(one.nest, inputs);
    ASSERT_TRUE(in_order) << in_order.error().message << "\n" << what;
    for (const testing::ThreadOrder order : testing::thread_orders) {
      const auto got = testing::emulate(one.nest, one.program, *module, inputs, order, seed(), first);
      ASSERT_TRUE(got) << got.error().message << "\n" << what;
      std::size_t output = 0;
      for (const ir::BufferId id : ir::arguments(kernel())) {
        const ir::Buffer& buffer = kernel().buffer(id);
        if (buffer.role != ir::Role::output) continue;
        expect_equal(ir::from_physical(got->at(output), buffer), ir::from_physical(want->at(output), buffer), what);
        if (HasFatalFailure()) return;
        ++output;
      }
    }
    first += testing::functions(one.program).size();
  }
}

TEST_P(CudaSpace, CompilesWithoutSpills) {
  const auto nvrtc = Nvrtc::load();
  if (!nvrtc) GTEST_SKIP() << nvrtc.error().message;
  SCOPED_TRACE(::testing::Message() << families()[GetParam()].name << ", TUNESMITH_SEED=" << seed());
  const std::vector<Drawn> drawn = draw(1);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const char* architecture = i % 2 == 0 ? "sm_80" : "sm_90a";
    const auto cubin = nvrtc->compile(device_prelude() + drawn[i].program.source, architecture);
    ASSERT_TRUE(cubin) << cubin.error().message << "\n" << drawn[i].program.source;
    const auto kernels = read_cubin(cubin->image);
    ASSERT_TRUE(kernels) << kernels.error().message;
    EXPECT_EQ(kernels->size(), testing::functions(drawn[i].program).size());
    for (const CubinKernel& kernel : *kernels) EXPECT_FALSE(kernel.spills()) << architecture << "\n" << drawn[i].program.source;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, CudaSpace, ::testing::Range<std::size_t>(0, families().size()),
                         [](const auto& info) {
                           std::string name = families()[info.param].name;
                           for (char& c : name)
                             if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
                           return name;
                         });

}  // namespace
}  // namespace tunesmith::codegen::cuda
