// Merging and importing are unions of sets: idempotent, commutative, associative; and they meet each other.
#include "cache/merge.h"

#include <gmock/gmock.h>

#include <set>
#include <sstream>

#include "ir/support/env.h"
#include "test_records.h"

namespace tunesmith::cache {
namespace {

using testing::contents;
using testing::open_store;
using testing::TemporaryFolder;

std::uint64_t test_seed() {
  const auto given = env_value("TUNESMITH_SEED");
  return given ? std::stoull(*given) : 20240501;
}

std::set<Digest> hashes(Store& store) {
  std::set<Digest> result;
  for (const auto& [hash, record] : contents(store)) result.insert(hash);
  return result;
}

void fill(Store& store, Rng& rng) {
  std::vector<Record> rows;
  for (std::uint64_t i = rng.below(120); i > 0; --i) rows.push_back(testing::random_record(rng));
  ASSERT_TRUE(store.put(rows));
  const Retraction retraction{schedule_key("split i 1", 1, 0), "why", std::to_string(rng.below(3)), 1,
                              Trust::measured_here};
  ASSERT_TRUE(store.retract(std::span(&retraction, 1)));
}

MergeReport merge(Store& into, const std::string& from) {
  const auto report = merge_database(into, from);
  EXPECT_TRUE(report) << report.error().message;
  return report ? *report : MergeReport{};
}

TEST(MergeProperty, IsTheUnionOfSetsInEveryOrder) {
  const std::uint64_t seed = test_seed();
  SCOPED_TRACE("TUNESMITH_SEED=" + std::to_string(seed));
  Rng rng(seed);
  for (int round = 0; round < 4; ++round) {
    TemporaryFolder folder;
    std::set<Digest> all;
    std::vector<std::string> sources;
    for (int s = 0; s < 3; ++s) {
      sources.push_back(folder.file("source" + std::to_string(s)));
      auto store = open_store(sources.back());
      fill(*store, rng);
      all.merge(hashes(*store));
    }
    auto forward = open_store(folder.file("forward")), backward = open_store(folder.file("backward"));
    for (const std::string& source : sources) merge(*forward, source);
    for (auto source = sources.rbegin(); source != sources.rend(); ++source) merge(*backward, *source);
    EXPECT_EQ(hashes(*forward), all);
    EXPECT_EQ(contents(*forward), contents(*backward));
    EXPECT_EQ(*forward->retractions(), *backward->retractions());

    const auto before = contents(*forward);
    EXPECT_EQ(merge(*forward, sources[0]).added, 0u);
    EXPECT_EQ(contents(*forward), before);

    // A bundle of the union brings nothing new, and makes an empty store equal.
    std::stringstream bundle;
    Filter everything;
    everything.retracted = true;
    ASSERT_TRUE(export_bundle(*forward, everything, bundle));
    auto third = open_store(folder.file("third"));
    ASSERT_TRUE(import_bundle(*third, bundle));
    EXPECT_EQ(contents(*third), before);
  }
}

}  // namespace
}  // namespace tunesmith::cache
