// Pruning: what goes, what is spared, and that look-ups answer as before.
#include "cache/prune.h"

#include <gmock/gmock.h>

#include <set>

#include "cache/check.h"
#include "cache/sqlite/database.h"
#include "cache/stats.h"
#include "test_records.h"

namespace tunesmith::cache {
namespace {

using testing::conditions_of;
using testing::contents;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::make_record;
using testing::open_store;
using testing::random_record;
using testing::read_file;
using testing::TemporaryFolder;
using testing::write_file;

class PruneTest : public ::testing::Test {
 protected:
  void put(const std::vector<Record>& records) {
    auto store = open_store(path_);
    const auto stored = store->put(records, Durability::on_disk);
    ASSERT_TRUE(stored) << stored.error().message;
  }
  PruneReport prune(const PruneOptions& options) {
    const auto report = prune_database(path_, options);
    EXPECT_TRUE(report) << report.error().message;
    return report ? *report : PruneReport{};
  }
  std::set<std::string> schedules() {
    std::set<std::string> names;
    auto store = open_store(path_, OpenMode::read_only);
    for (const auto& [hash, record] : contents(*store)) names.insert(record.schedule);
    return names;
  }
  static Record aged(const std::string& schedule, double ns, std::int64_t created_us) {
    Record r = make_record(schedule, ns);
    r.created_us = created_us;
    return r;
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file();
};

TEST_F(PruneTest, KeepsTheFastestSchedulesWithAllTheirMeasurements) {
  Record failed = make_record("failed", 0);
  failed.status = Status::crash;
  put({make_record("a", 10), make_record("a", 14), make_record("b", 20), make_record("c", 30),
       make_record("c", 5), make_record("c", 40), failed});
  PruneOptions options;
  options.keep = 2;
  const PruneReport report = prune(options);
  EXPECT_EQ(schedules(), (std::set<std::string>{"a", "b"})) << "c has one lucky time, its median is 30";
  EXPECT_EQ(report.removed, 4u);
  EXPECT_EQ(report.failures, 1u);
  EXPECT_EQ(report.spared, 3u);
  EXPECT_EQ(report.left, 3u);
  ASSERT_EQ(report.by_workload.size(), 1u);
  EXPECT_EQ(report.by_workload[0].workload, failed.workload);
  EXPECT_EQ(report.by_workload[0].removed, 4u);
  EXPECT_EQ(report.by_workload[0].left, 3u);
  const auto check = check_database(path_);
  ASSERT_TRUE(check && check->whole());
  EXPECT_EQ(check->orphans, 0u) << "texts that nothing uses go too";
}

TEST_F(PruneTest, RanksEveryWorkloadTargetToolchainAndOriginByItself) {
  std::vector<Record> rows;
  const auto kind = [&](const std::string& name, auto&& change) {
    for (const double ns : {10.0, 20.0}) {
      Record r = make_record(fmt::format("{} {}", name, ns), ns);
      change(r);
      rows.push_back(r);
    }
  };
  kind("here", [](Record&) {});
  kind("workload", [](Record& r) { r.workload = "another"; });
  kind("target", [](Record& r) { r.target = "another"; });
  kind("toolchain", [](Record& r) { r.toolchain = "another"; });
  kind("protocol", [](Record& r) { r.protocol = "another"; });
  kind("language", [](Record& r) { r.language_major = 7; });
  kind("foreign", [](Record& r) { r.trust = Trust::foreign; });
  put(rows);
  const PruneReport report = prune({});
  EXPECT_EQ(report.removed, 7u);
  EXPECT_EQ(report.foreign, 1u);
  for (const std::string& schedule : schedules()) EXPECT_THAT(schedule, HasSubstr(" 10"));
  EXPECT_EQ(schedules().size(), 7u);
}

TEST_F(PruneTest, ChoosesByAgeAndSparesTheBest) {
  put({aged("old best", 10, 100), aged("old", 20, 100), aged("old too", 30, 199), aged("new", 40, 200)});
  PruneOptions options;
  options.before_us = 200;
  EXPECT_EQ(prune(options).spared, 1u);
  EXPECT_EQ(schedules(), (std::set<std::string>{"old best", "new"}));
  options.keep = 0;
  EXPECT_EQ(prune(options).removed, 1u);
  EXPECT_EQ(schedules(), std::set<std::string>{"new"});
}

TEST_F(PruneTest, ChoosesByTargetAndItsCostModels) {
  Record other = make_record("other", 10), gpu = make_record("gpu", 10);
  other.target = "another";
  gpu.target_kind = "cuda";
  put({make_record("here", 10), other, gpu});
  const std::vector<std::byte> model(100, std::byte{1});
  ASSERT_TRUE(open_store(path_)->save_model("cpu", "another", "features 1", model));
  ASSERT_TRUE(open_store(path_)->save_model("cpu", other.target, "features 2", model));
  ASSERT_TRUE(open_store(path_)->save_model("cpu", gpu.target, "features 1", model));
  PruneOptions options;
  options.keep = 0;
  options.target_kind = "cpu";
  options.target = "another";
  const PruneReport report = prune(options);
  EXPECT_EQ(report.removed, 1u);
  EXPECT_EQ(report.cost_models, 2u);
  EXPECT_EQ(schedules(), (std::set<std::string>{"here", "gpu"}));
  EXPECT_EQ(database_stats(path_)->cost_models, 1u);
  EXPECT_EQ(database_stats(path_)->by_target.size(), 2u);
  EXPECT_TRUE(check_database(path_)->whole());
}

TEST_F(PruneTest, ADryRunTellsTheSameAndWritesNothing) {
  put({make_record("a", 10), make_record("b", 20), make_record("c", 30)});
  const std::string before = read_file(path_);
  PruneOptions options;
  options.dry_run = true;
  const PruneReport told = prune(options);
  EXPECT_EQ(read_file(path_), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);
  options.dry_run = false;
  const PruneReport done = prune(options);
  EXPECT_EQ(told.removed, 2u);
  EXPECT_EQ(done.removed, told.removed);
  EXPECT_EQ(done.left, told.left);
}

TEST_F(PruneTest, TheFileShrinksAndCanBeUsedOn) {
  std::vector<Record> rows;
  for (int i = 0; i < 3000; ++i)
    rows.push_back(make_record(std::string(400, 'x') + std::to_string(i), 100 + i));
  put(rows);
  auto store = open_store(path_);  // somebody else has it open
  const PruneReport report = prune({});
  EXPECT_EQ(report.left, 1u);
  EXPECT_EQ(report.not_shrunk, "");
  EXPECT_LT(report.bytes_after, report.bytes_before / 4);
  EXPECT_EQ(contents(*store).size(), 1u);
  const Record more = make_record("more", 50);
  ASSERT_TRUE(store->put(std::span(&more, 1), Durability::on_disk));
  EXPECT_EQ((*store->best(more.workload, conditions_of(more)))->schedule, "more");
  store.reset();
  EXPECT_TRUE(check_database(path_)->whole());
}

TEST_F(PruneTest, RetractionsStayAndWithdrawnRecordsAreNotSpared) {
  const Record bad = make_record("bad", 1);
  put({bad, make_record("good", 10)});
  const Retraction retraction{measurement_hash(bad), "mismeasured", "test", 1, Trust::measured_here};
  ASSERT_TRUE(open_store(path_)->retract(std::span(&retraction, 1)));
  EXPECT_EQ(prune({}).removed, 1u);
  EXPECT_EQ(schedules(), std::set<std::string>{"good"});
  auto store = open_store(path_);
  EXPECT_EQ(store->retractions()->size(), 1u);
  ASSERT_TRUE(store->import_records(std::span(&bad, 1)));
  ASSERT_TRUE(store->promote(std::vector{measurement_hash(bad)}, Trust::measured_here));
  EXPECT_EQ((*store->best(bad.workload, conditions_of(bad)))->schedule, "good")
      << "what was withdrawn is never served again, however it comes back";
}

TEST_F(PruneTest, DamagedRowsStayAndHideNoBest) {
  put({make_record("schedule 1", 10), make_record("schedule 2", 20), make_record("schedule 3", 30)});
  std::string file = read_file(path_);
  file[file.find("schedule 1")] = 'S';
  write_file(path_, file);
  const PruneReport report = prune({});
  EXPECT_EQ(report.damaged, 1u);
  EXPECT_EQ(report.removed, 1u);
  EXPECT_EQ(report.left, 2u);
  EXPECT_EQ(schedules(), std::set<std::string>{"schedule 2"}) << "the fastest that can be served";
}

TEST_F(PruneTest, LookUpsAnswerAsBefore) {
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    Rng rng(100 + round);
    path_ = folder_.file(std::to_string(round) + ".db");
    std::vector<Record> rows;
    for (int i = 0; i < 400; ++i) {
      Record r = random_record(rng);
      r.schedule = "schedule " + std::to_string(rng.below(12));
      r.target = "target";
      r.median_ns = 100 + static_cast<double>(rng.below(40));  // near-ties abound
      rows.push_back(r);
    }
    put(rows);
    const auto answers = [&] {
      std::vector<std::string> found;
      auto store = open_store(path_, OpenMode::read_only);
      for (const Record& r : rows) {
        const auto best = store->best(r.workload, conditions_of(r));
        found.push_back(best && *best ? (*best)->schedule : "none");
      }
      return found;
    };
    const auto before = answers();
    const PruneReport report = prune({});
    EXPECT_GT(report.removed, 100u);
    EXPECT_EQ(answers(), before);
    EXPECT_EQ(prune({}).removed, 0u) << "a second time changes nothing";
  }
}

TEST_F(PruneTest, FailuresLoseNothing) {
  EXPECT_THAT(prune_database(path_, {}).error().message, HasSubstr("does not exist"));
  EXPECT_FALSE(std::filesystem::exists(path_));
  put({make_record("a", 10), make_record("b", 20)});
  auto blocker = sqlite::Connection::open(path_, {.access = sqlite::Access::read_write});
  ASSERT_TRUE(blocker && (*blocker)->begin());
  PruneOptions dry;
  dry.dry_run = true;
  EXPECT_EQ(prune(dry).removed, 1u) << "a dry run does not wait for writers";
  (*blocker)->rollback();
  EXPECT_EQ(schedules().size(), 2u);
}

}  // namespace
}  // namespace tunesmith::cache
