#include "tuner/limits.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/tuner/test_kernels.h"

namespace tunesmith::tuner {
namespace {

/// A roof of round numbers: 100 flops, 10 bytes from memory and 50 bytes from caches of 1 MB in a ns.
Limits round_limits() { return {100, 10, 50, 1'000'000, 1}; }

TEST(Limits, TheHigherRoofBinds) {
  const ir::Kernel compute = matmul_kernel(256, 256, 256);  // 33.6 Mflop, 0.8 MB: in the caches
  EXPECT_DOUBLE_EQ(limit_ns(compute, round_limits()), 2.0 * 256 * 256 * 256 / 100);
  const ir::Kernel memory = matmul_kernel(1024, 1, 1024);  // 2.1 Mflop, 4.2 MB: out of them
  EXPECT_DOUBLE_EQ(limit_ns(memory, round_limits()), ir::argument_bytes(memory) / 10);
  const ir::Kernel cached = matmul_kernel(256, 1, 256);
  EXPECT_DOUBLE_EQ(limit_ns(cached, round_limits()), ir::argument_bytes(cached) / 50);
}

TEST(Limits, WhatIsMeasuredIsPlausible) {
  const auto environment = host_environment(1, nullptr);
  ASSERT_TRUE(environment) << environment.error().message;
  const auto limits = measure_limits(*environment);
  ASSERT_TRUE(limits) << limits.error().message;
  EXPECT_EQ(limits->threads, 1);
  // Ratios of one machine to itself: they hold however busy it is.
  EXPECT_GT(limits->bytes_per_ns, 0);
  EXPECT_GT(limits->cache_bytes_per_ns, limits->bytes_per_ns / 2) << "caches are no slower than memory";
  const double flops_a_byte = limits->flops_per_ns / limits->bytes_per_ns;
  EXPECT_GT(flops_a_byte, 0.1);
  EXPECT_LT(flops_a_byte, 10000);
  EXPECT_GE(limits->cache_bytes, environment->target.l2_bytes);
}

/// A back end that compiles nothing.
class NoBackend final : public codegen::Backend {
 public:
  std::string toolchain() const override { return "none"; }
  Expected<codegen::Object, Error> compile(const ir::LoopNest&) const override {
    return Unexpected(make_error("no compiler today"));
  }
  Expected<std::unique_ptr<codegen::Executable>, Error> load(codegen::Object) const override {
    return Unexpected(make_error("no loader today"));
  }
  Expected<std::string, Error> source(const ir::LoopNest&) const override { return std::string(); }
  Expected<std::string, Error> assembly(const ir::LoopNest&) const override { return std::string(); }
};

TEST(Limits, AFailureNamesTheProbe) {
  Environment environment;
  environment.backend = std::make_shared<NoBackend>();
  const auto limits = measure_limits(environment);
  ASSERT_FALSE(limits);
  EXPECT_EQ(limits.error().message, "the peak probe does not compile: no compiler today");
}

}  // namespace
}  // namespace tunesmith::tuner
