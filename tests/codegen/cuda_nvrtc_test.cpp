// The run-time compiler, and what its machine code says of itself. Skipped where there is no NVRTC.
#include "codegen/cuda/nvrtc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <thread>

#include "codegen/cuda/cubin.h"
#include "ir/support/rng.h"

namespace tunesmith::codegen::cuda {
namespace {

using ::testing::HasSubstr;

const char* const reverse_source = R"(
extern "C" __global__ void reverse(float* x, int n) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  if (n > 0) x[threadIdx.x] = tile[63 - threadIdx.x] * 2;
}
extern "C" __global__ void copy4(const float4* x, float4* y) { y[threadIdx.x] = x[threadIdx.x]; }
extern "C" __global__ void indexed(const int* at, float* y) {
  float values[32];
  for (int i = 0; i < 32; ++i) values[at[i] & 31] = i;
  y[threadIdx.x] = values[at[threadIdx.x] & 31];
}
)";

class NvrtcTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = Nvrtc::load();
    if (!loaded) GTEST_SKIP() << loaded.error().message;
    nvrtc_.emplace(std::move(*loaded));
  }
  std::vector<CubinKernel> facts(const std::string& source, std::string_view architecture = "sm_90") const {
    const auto cubin = nvrtc_->compile(source, architecture);
    EXPECT_TRUE(cubin) << cubin.error().message;
    const auto kernels = cubin ? read_cubin(cubin->image) : Expected<std::vector<CubinKernel>, Error>(Unexpected(Error{}));
    EXPECT_TRUE(kernels) << kernels.error().message;
    return kernels ? *kernels : std::vector<CubinKernel>{};
  }

  std::optional<Nvrtc> nvrtc_;
};

TEST_F(NvrtcTest, TellsWhatItIs) {
  EXPECT_GE(std::stod(nvrtc_->version()), 12);
  EXPECT_FALSE(nvrtc_->path().empty());
  EXPECT_THAT(nvrtc_->architectures(), ::testing::Contains(90));
  EXPECT_THAT(nvrtc_->toolchain(), HasSubstr("nvrtc=" + nvrtc_->version()));
}

TEST_F(NvrtcTest, CompilesForEveryArchitectureInUse) {
  const std::vector<int> known = nvrtc_->architectures();
  for (const auto& [capability, architecture] : {std::pair(80, "sm_80"), {86, "sm_86"}, {89, "sm_89"}, {90, "sm_90"},
                                                  {90, "sm_90a"}, {100, "sm_100"}, {120, "sm_120"}}) {
    if (std::ranges::find(known, capability) == known.end()) continue;
    EXPECT_EQ(facts(reverse_source, architecture).size(), 3u) << architecture;
  }
}

TEST_F(NvrtcTest, FactsOfKernels) {
  const std::vector<CubinKernel> kernels = facts(reverse_source);
  ASSERT_EQ(kernels.size(), 3u);
  const CubinKernel &copy = kernels[0], &indexed = kernels[1], &reverse = kernels[2];
  EXPECT_EQ(copy.name, "copy4");
  EXPECT_EQ(copy.wide_count(Opcode::global_load), 1);
  EXPECT_EQ(copy.wide_count(Opcode::global_store), 1);
  EXPECT_EQ(copy.static_shared_bytes, 0);
  EXPECT_FALSE(copy.spills());
  EXPECT_EQ(indexed.name, "indexed");
  EXPECT_TRUE(indexed.spills()) << "an array that is indexed lives in local memory";
  EXPECT_GE(indexed.stack_bytes, 128);
  EXPECT_EQ(reverse.name, "reverse");
  EXPECT_EQ(reverse.static_shared_bytes, 256 + 1024);
  EXPECT_GE(reverse.registers, 4);
  EXPECT_LE(reverse.registers, 32);
  EXPECT_GE(reverse.count(Opcode::barrier), 1);
  EXPECT_EQ(reverse.count(Opcode::shared_load), 1);
  EXPECT_EQ(reverse.count(Opcode::shared_store), 1);
  EXPECT_EQ(reverse.wide_count(Opcode::global_load), 0);
  EXPECT_GT(reverse.instructions, 10);
}

TEST_F(NvrtcTest, TensorCoresShow) {
  const std::vector<CubinKernel> kernels = facts(R"(
extern "C" __global__ void product(const unsigned* a, const unsigned* b, float* c) {
  float d[4] = {c[threadIdx.x], c[32 + threadIdx.x], c[64 + threadIdx.x], c[96 + threadIdx.x]};
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  for (int i = 0; i < 4; ++i) c[32 * i + threadIdx.x] = i % 2 ? __shfl_xor_sync(~0u, d[i], 1) : __shfl_sync(~0u, d[i], a[5]);
}
)", "sm_80");
  ASSERT_EQ(kernels.size(), 1u);
  EXPECT_EQ(kernels[0].count(Opcode::hmma), 1);
  EXPECT_EQ(kernels[0].count(Opcode::shuffle), 4);
}

TEST_F(NvrtcTest, OperandsOfAnyFormCount) {
  const std::vector<CubinKernel> kernels = facts(R"(
extern "C" __global__ void products(float* x, float k) {
  const float a = x[threadIdx.x];
  x[threadIdx.x] = a * x[1] + x[2];
  x[threadIdx.x + 32] = a * k + x[3];
  x[threadIdx.x + 64] = a * 2.5f + x[4];
}
)", "sm_80");
  ASSERT_EQ(kernels.size(), 1u);
  EXPECT_EQ(kernels[0].count(Opcode::ffma), 3) << "of registers, with a parameter, with a number";
}

TEST_F(NvrtcTest, ErrorsHoldTheCompilersWords) {
  const auto wrong = nvrtc_->compile("extern \"C\" __global__ void f() { undeclared = 1; }", "sm_90");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("undeclared"));
  const auto unknown = nvrtc_->compile("", "sm_11");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message, HasSubstr("sm_11"));
}

TEST_F(NvrtcTest, SeveralThreadsCompileAtOnce) {
  std::vector<std::vector<std::byte>> images(6);
  {
    std::vector<std::jthread> threads;
    for (auto& image : images)
      threads.emplace_back([&] {
        if (auto cubin = nvrtc_->compile(reverse_source, "sm_86")) image = std::move(cubin->image);
      });
  }
  EXPECT_FALSE(images[0].empty());
  for (const auto& image : images) EXPECT_EQ(image, images[0]) << "the same source gives the same code";
}

TEST_F(NvrtcTest, DamagedCubinsAreRefused) {
  const auto cubin = nvrtc_->compile(reverse_source, "sm_90");
  ASSERT_TRUE(cubin);
  for (std::size_t size = 0; size < cubin->image.size() / 2; size += 97) {
    const auto kernels = read_cubin(std::span(cubin->image).first(size));
    EXPECT_FALSE(kernels) << "cut at " << size;
  }
  Rng rng(1);
  for (int i = 0; i < 2000; ++i) {  // no read outside, whatever it holds
    std::vector<std::byte> changed = cubin->image;
    for (int b = 0; b < 4; ++b) changed[rng.below(changed.size())] = static_cast<std::byte>(rng.below(256));
    (void)read_cubin(changed);
  }
}

TEST(Nvrtc, SaysWhereItLooked) {
  ::setenv("TUNESMITH_NVRTC", "/nowhere/libnvrtc.so", 1);
  const auto missing = Nvrtc::load();
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("/nowhere/libnvrtc.so"));
  EXPECT_THAT(missing.error().message, HasSubstr("install"));
  ::setenv("TUNESMITH_NVRTC", "libc.so.6", 1);
  const auto other = Nvrtc::load();
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("nvrtcVersion"));
  ::unsetenv("TUNESMITH_NVRTC");
}

}  // namespace
}  // namespace tunesmith::codegen::cuda
