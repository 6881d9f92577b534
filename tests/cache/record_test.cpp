// Records: keys, hashes and what is valid.
#include "cache/record.h"

#include <gmock/gmock.h>

#include <functional>
#include <set>

#include "test_records.h"

namespace tunesmith::cache {
namespace {

using testing::make_record;

TEST(Record, NamesOfStatusesComeBack) {
  for (std::size_t i = 0; i < status_count; ++i)
    EXPECT_EQ(status_from_string(to_string(static_cast<Status>(i))), static_cast<Status>(i));
  EXPECT_FALSE(status_from_string("fine"));
}

TEST(Record, KeysOfDifferentKindsDiffer) {
  const std::set<Digest> keys = {workload_key("x"),   family_key("x"),    toolchain_key("x"),
                                 protocol_key("x"),   source_key("x"),    schedule_key("x", 0, 0),
                                 target_key("x", ""), target_key("", "x")};
  EXPECT_EQ(keys.size(), 8u);
}

TEST(Record, KeyDependsOnLanguageVersion) {
  EXPECT_NE(schedule_key("x", 1, 0), schedule_key("x", 1, 1));
  EXPECT_NE(schedule_key("x", 1, 0), schedule_key("x", 0, 1));
}

TEST(Record, HashCoversEveryFieldButTrustAndTheFamily) {
  const std::vector<std::function<void(Record&)>> changes = {
      [](Record& r) { r.workload += "x"; },
      [](Record& r) { r.target_kind = "cuda"; },
      [](Record& r) { r.target += "x"; },
      [](Record& r) { r.toolchain += "x"; },
      [](Record& r) { r.protocol += "x"; },
      [](Record& r) { r.schedule += "x"; },
      [](Record& r) { r.language_major = 9; },
      [](Record& r) { r.language_minor = 9; },
      [](Record& r) { r.status = Status::wrong; },
      [](Record& r) { r.median_ns *= 1.0000000000000002; },
      [](Record& r) { r.mad_ns = 1; },
      [](Record& r) { ++r.samples; },
      [](Record& r) { r.max_error = 1; },
      [](Record& r) { r.message = "x"; },
      [](Record& r) { r.seed += "x"; },
      [](Record& r) { r.source += "x"; },
      [](Record& r) { ++r.created_us; }};
  std::set<Digest> hashes = {measurement_hash(make_record("a"))};
  for (const auto& change : changes) {
    Record r = make_record("a");
    change(r);
    EXPECT_TRUE(hashes.insert(measurement_hash(r)).second);
  }
  Record same = make_record("a");
  same.trust = Trust::foreign;
  same.family = "another";
  same.mad_ns = -0.0;
  EXPECT_EQ(measurement_hash(same), measurement_hash(make_record("a")));
}

TEST(Record, ValidationNamesTheField) {
  const auto message = [](const std::function<void(Record&)>& change) {
    Record r = make_record("a");
    change(r);
    const auto valid = validate(r);
    return valid ? std::string("valid") : valid.error().message;
  };
  using ::testing::HasSubstr;
  EXPECT_EQ(message([](Record&) {}), "valid");
  EXPECT_EQ(message([](Record& r) { r.max_error = std::numeric_limits<double>::infinity(); }), "valid");
  EXPECT_THAT(message([](Record& r) { r.workload.clear(); }), HasSubstr("workload is empty"));
  EXPECT_THAT(message([](Record& r) { r.schedule.resize(max_payload_bytes + 1); }),
              HasSubstr("schedule has"));
  EXPECT_THAT(message([](Record& r) { r.extents.assign(max_extents + 1, 1); }), HasSubstr("extents"));
  EXPECT_THAT(message([](Record& r) { r.mad_ns = -1; }), HasSubstr("deviation"));
  EXPECT_THAT(message([](Record& r) { r.max_error = std::nan(""); }), HasSubstr("largest error"));
  EXPECT_THAT(message([](Record& r) { r.samples = -1; }), HasSubstr("samples"));
  EXPECT_THAT(message([](Record& r) { r.status = static_cast<Status>(9); }), HasSubstr("status 9"));
  EXPECT_THAT(message([](Record& r) { r.language_major = -1; }), HasSubstr("language -1.0"));
}

}  // namespace
}  // namespace tunesmith::cache
