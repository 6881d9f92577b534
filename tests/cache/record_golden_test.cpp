// Keys and hashes are stored in databases: these vectors must never change. They were computed by an
// independent program (Python's hashlib) from the definition of the canonical bytes.
#include "cache/record.h"

#include "test_records.h"

namespace tunesmith::cache {
namespace {

TEST(KeyVectors, AreStable) {
  EXPECT_EQ(workload_key("canon 1\n").hex(),
            "6f234f0f246085ec7ed0cc67edc36cad45f8950b791bb60f2e8f27bb592cab4c");
  EXPECT_EQ(family_key("canon 1\n").hex(),
            "d3b8e690e527c2b2b4706a0b7cd1cd6897a020d80dad34fe77270a7d216e3f04");
  EXPECT_EQ(target_key("cpu", "zen4").hex(),
            "64c3096dffc75e854f267d3e31a5abf48e96c8bb48c3d45d3c8ddd5153af6469");
  EXPECT_EQ(toolchain_key("llvm=19").hex(),
            "02b6c3be1cf5c9b106bea3581b5c6d32745fc6c1fc311a6614bcae8465c587ea");
  EXPECT_EQ(protocol_key("threads=1").hex(),
            "80e1cca319b74b6211e6aa252342b457b425d42eeb81c0749498459c46dc97e4");
  EXPECT_EQ(schedule_key("split i 32", 1, 0).hex(),
            "b4baddde8cbd558040d4de4985c8a4df968fa704410c9fedb2009b0dc4c9b456");
  EXPECT_EQ(source_key("host").hex(), "6322dedbee545c90f731bcc7690d23b8baad8e808ccc7cf8b4835a7aa2db2e10");
  EXPECT_EQ(workload_key(std::string_view("\0\xff", 2)).hex(),
            "37a82c215ffb3ab9c042680503be618fe94e61bb9e8da5eac0f2282501e3215c");
  EXPECT_EQ(measurement_hash(testing::make_record("split i 32")).hex(),
            "83314dc2ef3eb58a2f7f671cf4364491f6024f60e0427813eafc2c5ed84b0008");
  EXPECT_EQ(retraction_hash({workload_key(""), "why", "who", 1, Trust::foreign}).hex(),
            "24aab5fb433ff6e6e6d74e462e9ca37cba7ff046659462e5972c503bf38d28e9");
}

}  // namespace
}  // namespace tunesmith::cache
