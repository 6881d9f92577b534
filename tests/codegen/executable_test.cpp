#include "codegen/executable.h"

#include <gtest/gtest.h>

#include "codegen/target.h"

namespace tunesmith::codegen {
namespace {

Object sample() {
  Object object;
  object.code = {std::byte{1}, std::byte{2}, std::byte{3}};
  object.symbol = "kernel";
  object.has_prepare = true;
  object.workspace_bytes = 64;
  object.thread_scratch_bytes = 128;
  object.argument_bytes = {4, 8, 16};
  object.argument_count = 3;
  object.prepared_count = 1;
  return object;
}

TEST(Object, SurvivesSerialisation) {
  const auto back = Object::deserialise(sample().serialise());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->code, sample().code);
  EXPECT_EQ(back->symbol, "kernel");
  EXPECT_TRUE(back->has_prepare);
  EXPECT_EQ(back->argument_bytes, sample().argument_bytes);
  EXPECT_EQ(back->prepared_count, 1);
}

TEST(Object, EveryTruncationIsRefused) {
  const std::vector<std::byte> bytes = sample().serialise();
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(Object::deserialise(std::span(bytes).first(size))) << size;
}

TEST(Object, DamageNeverCrashes) {
  const std::vector<std::byte> bytes = sample().serialise();
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::vector<std::byte> damaged = bytes;
    damaged[at] ^= std::byte{0xff};
    (void)Object::deserialise(damaged);
  }
}

TEST(CpuTarget, DescribesThisMachine) {
  const CpuTarget target = host_cpu_target();
  EXPECT_FALSE(target.microarchitecture.empty());
  EXPECT_GE(target.cores, 1);
  EXPECT_GE(target.l1_bytes, 8 << 10);
  EXPECT_GE(target.lanes(4), 4);
  EXPECT_EQ(to_string(target), to_string(host_cpu_target()));
}

}  // namespace
}  // namespace tunesmith::codegen
