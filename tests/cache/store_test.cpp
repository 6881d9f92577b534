// The look-ups and the life of records in a store.
#include "cache/store.h"

#include <gmock/gmock.h>

#include "test_records.h"

namespace tunesmith::cache {
namespace {

using testing::conditions_of;
using testing::contents;
using ::testing::HasSubstr;
using testing::make_record;
using testing::open_store;
using testing::TemporaryFolder;

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override { store_ = open_store(folder_.file()); }

  void put(std::vector<Record> records) {
    const auto stored = store_->put(records, Durability::on_disk);
    ASSERT_TRUE(stored) << stored.error().message;
  }
  std::string best(const Record& like) {
    const auto found = store_->best(like.workload, conditions_of(like));
    EXPECT_TRUE(found) << found.error().message;
    return found && *found ? (*found)->schedule : "";
  }
  std::optional<Served> serve(const Record& like) {
    const auto found = store_->serve(like.workload, conditions_of(like));
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : std::nullopt;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, GivesBackEveryField) {
  Record r = make_record(std::string("split i\0 32\xff", 12), 123.456789012345678);
  r.mad_ns = 1e-300;
  r.max_error = std::numeric_limits<double>::infinity();
  r.message = std::string("\0x", 2);
  r.status = Status::wrong;
  r.extents = {1, (std::int64_t{1} << 62) + 1};
  put({r});
  const auto all = contents(*store_);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all.begin()->second, r);
}

TEST_F(StoreTest, ReadsSeeWhatWasQueued) {
  const Record r = make_record("a");
  ASSERT_TRUE(store_->put(std::span(&r, 1)));
  EXPECT_EQ(best(r), "a");
}

TEST_F(StoreTest, StoringTwiceKeepsOne) {
  put({make_record("a"), make_record("a")});
  put({make_record("a")});
  EXPECT_EQ(contents(*store_).size(), 1u);
}

TEST_F(StoreTest, BestIsTheFastestOfEqualConditions) {
  Record other_target = make_record("other target", 1), other_chain = make_record("other toolchain", 1),
         other_protocol = make_record("other protocol", 1), failed = make_record("failed", 1),
         foreign = make_record("foreign", 1);
  other_target.target = "another";
  other_chain.toolchain = "another";
  other_protocol.protocol = "another";
  failed.status = Status::wrong;
  foreign.trust = Trust::verified;
  put({make_record("slow", 30), make_record("fast", 10), make_record("middle", 20), other_target, other_chain,
       other_protocol, failed, foreign});
  EXPECT_EQ(best(make_record("")), "fast");
}

TEST_F(StoreTest, BestUsesTheMedianOfASchedulesMeasurements) {
  std::vector<Record> rows = {make_record("steady", 15)};
  for (double ns : {5.0, 20.0, 21.0}) rows.push_back(make_record("one lucky run", ns));
  put(rows);
  EXPECT_EQ(best(make_record("")), "steady");
}

TEST_F(StoreTest, NearTiesAreDecidedByTheScheduleText) {
  Record a = make_record("b", 1000), b = make_record("a", 1002);
  a.mad_ns = b.mad_ns = 10;  // standard error about 6 ns
  put({a, b});
  EXPECT_EQ(best(a), "a");
  Record clearly = make_record("c", 900);
  put({clearly});
  EXPECT_EQ(best(a), "c");
}

TEST_F(StoreTest, ServesAnotherToolchainAsStale) {
  Record old = make_record("old compiler", 10);
  old.toolchain = "language=1.0 llvm=18";
  put({old});
  auto served = serve(make_record(""));
  ASSERT_TRUE(served);
  EXPECT_EQ(served->record.schedule, "old compiler");
  EXPECT_TRUE(served->stale);

  put({make_record("this compiler", 20)});
  served = serve(make_record(""));
  ASSERT_TRUE(served);
  EXPECT_EQ(served->record.schedule, "this compiler");
  EXPECT_FALSE(served->stale);
}

TEST_F(StoreTest, ServesTheSameProtocolBeforeTheSameToolchain) {
  Record other_threads = make_record("two threads", 10), old = make_record("old compiler", 20);
  other_threads.protocol = "timer=steady cache=warm threads=2";
  old.toolchain = "language=1.0 llvm=18";
  put({other_threads});
  EXPECT_EQ(serve(make_record(""))->record.schedule, "two threads");
  put({old});
  EXPECT_EQ(serve(make_record(""))->record.schedule, "old compiler");
}

TEST_F(StoreTest, NeverServesAnotherLanguageOrForeignRecords) {
  Record language = make_record("language 2", 10), foreign = make_record("foreign", 10);
  language.language_major = 2;
  foreign.trust = Trust::foreign;
  put({language, foreign});
  EXPECT_FALSE(serve(make_record("")));
  const std::vector<Digest> hashes = {measurement_hash(foreign)};
  ASSERT_TRUE(store_->promote(hashes, Trust::verified));
  EXPECT_FALSE(serve(make_record("")));
  ASSERT_TRUE(store_->promote(hashes, Trust::measured_here));
  EXPECT_EQ(serve(make_record(""))->record.schedule, "foreign");
  ASSERT_TRUE(store_->promote(hashes, Trust::foreign));
  EXPECT_TRUE(serve(make_record(""))) << "trust is never lowered";
}

TEST_F(StoreTest, RecordsListEverythingTriedForAWorkload) {
  Record failed = make_record("b"), other = make_record("c");
  failed.status = Status::timeout;
  failed.median_ns = 0;
  other.workload = "another";
  put({make_record("a"), failed, other});
  const auto records = store_->records(failed.workload, failed.target_kind, failed.target);
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 2u);
  EXPECT_EQ((*records)[0].schedule, "a");
  EXPECT_EQ((*records)[1].status, Status::timeout);
}

TEST_F(StoreTest, NeighboursComeNearestFirstWithTheirFastestSchedule) {
  std::vector<Record> rows;
  for (std::int64_t n : {16, 128, 300, 1024}) {
    Record r = make_record("n " + std::to_string(n), 10);
    r.workload = "workload " + std::to_string(n);
    r.extents = {n, 64};
    rows.push_back(r);
    r.schedule = "slower";
    r.median_ns = 11;
    rows.push_back(r);
  }
  Record other_family = make_record("other family"), other_kind = make_record("other kind"),
         failed = make_record("failed");
  other_family.workload = "w1";
  other_family.family = "another";
  other_kind.workload = "w2";
  other_kind.target_kind = "cuda";
  failed.workload = "w3";
  failed.status = Status::crash;
  rows.insert(rows.end(), {other_family, other_kind, failed});
  put(rows);

  const std::vector<std::int64_t> extents = {64, 64};
  NeighbourQuery query;
  query.family = rows[0].family;
  query.extents = extents;
  query.target = rows[0].target;
  query.language_major = 1;
  query.limit = 3;
  const auto found = store_->neighbours(query);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), 3u);
  EXPECT_EQ((*found)[0].record.schedule, "n 128");
  EXPECT_EQ((*found)[0].distance, 1.0);
  EXPECT_EQ((*found)[1].record.schedule, "n 16");
  EXPECT_EQ((*found)[1].distance, 4.0);
  EXPECT_EQ((*found)[2].record.schedule, "n 300");
}

TEST_F(StoreTest, ImportedRecordsAreForeignAndOnlySeed) {
  Record r = make_record("theirs", 10);
  const auto added = store_->import_records(std::span(&r, 1));
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(added->added, 1u);
  EXPECT_EQ(contents(*store_).begin()->second.trust, Trust::foreign);
  EXPECT_EQ(best(r), "");
  EXPECT_EQ(store_->import_records(std::span(&r, 1))->present, 1u);

  put({r});
  EXPECT_EQ(best(r), "theirs") << "measured here now";
  EXPECT_EQ(store_->import_records(std::span(&r, 1))->present, 1u);
  EXPECT_EQ(best(r), "theirs") << "an import does not lower trust";
}

TEST_F(StoreTest, RetractionsWithdrawUpToTheirTrust) {
  const Record fast = make_record("fast", 10), slow = make_record("slow", 20);
  put({fast, slow});
  Retraction foreign{schedule_key("fast", 1, 0), "miscompiled", "stranger", 5, Trust::foreign};
  ASSERT_TRUE(store_->retract(std::span(&foreign, 1)));
  EXPECT_EQ(best(fast), "fast") << "a stranger's retraction does not reach what was measured here";
  Retraction ours = foreign;
  ours.trust = Trust::measured_here;
  ASSERT_TRUE(store_->retract(std::span(&ours, 1)));
  EXPECT_EQ(best(fast), "slow");
  EXPECT_EQ(store_->records(fast.workload, "cpu", fast.target)->size(), 1u);
  EXPECT_EQ(contents(*store_).size(), 2u) << "rows stay";
  ASSERT_EQ(store_->retractions()->size(), 1u);
  EXPECT_EQ(store_->retractions()->front(), ours);

  Retraction chain{toolchain_key(slow.toolchain), "bad compiler", "test", 6, Trust::measured_here};
  ASSERT_TRUE(store_->retract(std::span(&chain, 1)));
  EXPECT_EQ(best(fast), "");
}

TEST_F(StoreTest, KeepsOneCostModelPerTargetAndFeatures) {
  const auto bytes = [](std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); };
  ASSERT_TRUE(store_->save_model("cpu", "t", "features 1", bytes("first")));
  ASSERT_TRUE(store_->save_model("cpu", "t", "features 1", bytes("second")));
  ASSERT_TRUE(store_->save_model("cpu", "t", "features 2", bytes("")));
  const auto second = store_->load_model("cpu", "t", "features 1");
  ASSERT_TRUE(second && *second);
  EXPECT_TRUE(std::ranges::equal(**second, bytes("second")));
  EXPECT_TRUE(*store_->load_model("cpu", "t", "features 2"));
  EXPECT_FALSE(*store_->load_model("cpu", "t", "features 3"));
  EXPECT_FALSE(*store_->load_model("cuda", "t", "features 1"));
}

TEST_F(StoreTest, VisitShowsPagesInBothOrdersAndStopsWhenTold) {
  std::vector<Record> rows;
  for (int i = 0; i < 700; ++i) rows.push_back(make_record("schedule " + std::to_string(i)));
  put(rows);
  std::vector<std::string> seen;
  ASSERT_TRUE(store_->visit({}, [&](const Record& r) {
    seen.push_back(r.schedule);
    return true;
  }));
  ASSERT_EQ(seen.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(seen[i], rows[i].schedule);

  Filter by_hash;
  by_hash.by_hash = true;
  std::vector<Digest> hashes;
  ASSERT_TRUE(store_->visit(by_hash, [&](const Record& r) {
    hashes.push_back(measurement_hash(r));
    return true;
  }));
  EXPECT_EQ(hashes.size(), rows.size());
  EXPECT_TRUE(std::ranges::is_sorted(hashes));

  int count = 0;
  ASSERT_TRUE(store_->visit({}, [&](const Record&) { return ++count < 300; }));
  EXPECT_EQ(count, 300);
}

TEST_F(StoreTest, VisitFilters) {
  Record target = make_record("a"), workload = make_record("b"), failed = make_record("c"),
         foreign = make_record("d"), gpu = make_record("e");
  target.target = "other";
  workload.workload = "other";
  failed.status = Status::crash;
  foreign.trust = Trust::foreign;
  gpu.target_kind = "cuda";
  put({target, workload, failed, foreign, gpu});
  const auto schedules = [&](const Filter& filter) {
    std::string text;
    EXPECT_TRUE(store_->visit(filter, [&](const Record& r) {
      text += r.schedule;
      return true;
    }));
    return text;
  };
  Filter by_target, by_kind, by_workload, by_status, by_trust;
  by_target.target_kind = "cpu";
  by_target.target = "other";
  by_kind.target_kind = "cuda";
  by_workload.workload = "other";
  by_status.status = Status::crash;
  by_trust.least_trust = Trust::verified;
  EXPECT_EQ(schedules(by_target), "a");
  EXPECT_EQ(schedules(by_kind), "e");
  EXPECT_EQ(schedules(by_workload), "b");
  EXPECT_EQ(schedules(by_status), "c");
  EXPECT_EQ(schedules(by_trust), "abce");
}

TEST_F(StoreTest, RefusesInvalidRecordsWhole) {
  std::vector<Record> rows = {make_record("good"), make_record("no time", 0)};
  const auto stored = store_->put(rows);
  ASSERT_FALSE(stored);
  EXPECT_THAT(stored.error().message, HasSubstr("without a time"));
  rows[1] = make_record("extent");
  rows[1].extents = {0};
  EXPECT_THAT(store_->put(rows).error().message, HasSubstr("extent 0"));
  rows[1] = make_record("nan");
  rows[1].median_ns = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(store_->put(rows).error().message, HasSubstr("median"));
  EXPECT_TRUE(contents(*store_).empty());
}

TEST_F(StoreTest, LongMessagesAreCutAtACharacter) {
  Record r = make_record("a");
  r.status = Status::compile;
  for (std::size_t i = 0; i < max_message_bytes; ++i) r.message += "ä";
  r.message.insert(0, "x");
  put({r});
  const std::string stored = contents(*store_).begin()->second.message;
  EXPECT_EQ(stored.size(), max_message_bytes - 1);
  EXPECT_TRUE(r.message.starts_with(stored));
}

TEST_F(StoreTest, ReadOnlyStoresRefuseToWriteAndDoNot) {
  put({make_record("a")});
  store_.reset();
  const std::string before = testing::read_file(folder_.file());
  auto reader = open_store(folder_.file(), OpenMode::read_only);
  const Record r = make_record("b");
  EXPECT_THAT(reader->put(std::span(&r, 1)).error().message, HasSubstr("reading only"));
  EXPECT_EQ(reader->find(r.workload, conditions_of(r))->record.schedule, "a");
  reader.reset();
  EXPECT_EQ(testing::read_file(folder_.file()), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1) << "no side files";
}

TEST_F(StoreTest, AReaderSeesWhatAWriterAddsLater) {
  put({make_record("a", 20)});
  store_.reset();
  auto reader = open_store(folder_.file(), OpenMode::read_only);
  const Record r = make_record("b", 10);
  EXPECT_EQ(reader->find(r.workload, conditions_of(r))->record.schedule, "a");
  store_ = open_store(folder_.file());
  put({r});
  EXPECT_EQ(reader->find(r.workload, conditions_of(r))->record.schedule, "b");
  store_.reset();  // writes the log back and removes it
  EXPECT_EQ(reader->find(r.workload, conditions_of(r))->record.schedule, "b");
}

TEST_F(StoreTest, OurFamilyReplacesAForeignOne) {
  Record theirs = make_record("theirs");
  theirs.family = "garbage";
  theirs.extents = {7};
  ASSERT_TRUE(store_->import_records(std::span(&theirs, 1)));
  Record ours = make_record("ours");
  put({ours});
  EXPECT_EQ(contents(*store_).begin()->second.family, ours.family);
  theirs.schedule = "more";
  ASSERT_TRUE(store_->import_records(std::span(&theirs, 1)));
  for (const auto& [hash, record] : contents(*store_)) EXPECT_EQ(record.family, ours.family);
}

}  // namespace
}  // namespace tunesmith::cache
