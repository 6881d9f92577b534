// The db commands as a user meets them: what was measured, where it came from, what is believed, what goes.
#include "tests/tools/cli_testing.h"

namespace tunesmith::tools::testing {
namespace {

class Db : public Cli {
 protected:
  void tune(const std::string& name = "tuning.db", const std::string& more = "--trials 6") const {
    const Result tuned = run("tune " + small + " --threads 1 " + more + " " + db(name));
    ASSERT_EQ(tuned.code, 0) << tuned.err;
  }
  /// tuning.db's records as another machine would get them, in other.db.
  void share() const {
    ASSERT_EQ(run("db export " + path("bundle.jsonl") + " " + db()).code, 0);
    ASSERT_EQ(run("db import " + path("bundle.jsonl") + " " + db("other.db")).code, 0);
  }
  std::vector<Json> list(const std::string& name = "tuning.db", const std::string& more = "") const {
    return json("db list --limit 1000 " + more + " " + db(name))["records"];
  }
  /// What `run` would use: "tuned", "stale" or "default".
  std::string served(const std::string& name = "tuning.db") const {
    const Json kernels = json("run " + small + " --threads 1 " + db(name))["kernels"];
    return kernels.size() == 1 ? kernels.begin().key() : kernels.dump();
  }
  static std::string short_hash(const Json& record) {
    return record["record"].get<std::string>().substr(0, 16);
  }
};

TEST_F(Db, HelpTeachesByExample) {
  EXPECT_NE(run("db --help").out.find("tunesmith db promote"), std::string::npos);
  for (const char* command : {"prune", "backup", "promote", "retract"}) {
    const Result help = run(std::string("db ") + command + " --help");
    EXPECT_EQ(help.code, 0);
    EXPECT_NE(help.out.find(std::string("tunesmith db ") + command), std::string::npos) << help.out;
    EXPECT_NE(help.out.find("--json"), std::string::npos);
  }
}

TEST_F(Db, RecordsSayWhereTheyComeFrom) {
  tune("tuning.db", "--trials 4 --seed 77");
  const std::vector<Json> records = list();
  ASSERT_GE(records.size(), 2u);
  for (const Json& record : records) {
    EXPECT_EQ(record["seed"], "guided seed=77");
    EXPECT_EQ(record["source"], "tune");
    EXPECT_EQ(record["trust"], "measured_here");
    EXPECT_FALSE(record["withdrawn"]);
  }
}

TEST_F(Db, ListShowsTheFastestFirstAndFilters) {
  tune();
  const std::vector<Json> records = list("tuning.db", "--status ok");
  for (std::size_t i = 1; i < records.size(); ++i)
    EXPECT_LE(records[i - 1]["median_ns"], records[i]["median_ns"]);
  EXPECT_EQ(json("db list --limit 1 " + db())["records"].size(), 1u);
  EXPECT_TRUE(list("tuning.db", "--trust foreign").empty());
  const std::string workload = records[0]["workload"];
  EXPECT_EQ(list("tuning.db", "--workload " + workload.substr(0, 10)).size(), list().size());
  EXPECT_TRUE(list("tuning.db", "--workload 0000000000").empty());
  expect_refused("db list --workload xyz " + db(), "'xyz'");
  EXPECT_NE(run("db list " + db()).out.find(short_hash(records[0]).substr(0, 12)), std::string::npos);
}

TEST_F(Db, PromotedRecordsAreMeasuredHereAndServed) {
  tune();
  share();
  EXPECT_EQ(served("other.db"), "default") << "what was not measured here is not served";
  const Json told = json("db promote --threads 1 --dry-run " + db("other.db"));
  EXPECT_EQ(told["chosen"], 1);
  EXPECT_EQ(served("other.db"), "default") << "a dry run measures nothing";

  const Json done = json("db promote --threads 1 " + db("other.db"));
  EXPECT_EQ(done["promoted"], 1);
  EXPECT_EQ(done["records"][0]["outcome"], "promoted");
  EXPECT_EQ(done["records"][0]["record"], told["records"][0]["record"]);
  EXPECT_EQ(served("other.db"), "tuned");
  const std::vector<Json> here = list("other.db", "--trust measured_here");
  ASSERT_EQ(here.size(), 1u);
  EXPECT_EQ(here[0]["source"], "import");
  EXPECT_EQ(here[0]["seed"], "record=" + done["records"][0]["record"].get<std::string>());
  EXPECT_EQ(list("other.db", "--trust verified").size(), 1u);

  const Json again = json("db promote --threads 1 " + db("other.db"));
  EXPECT_EQ(again["records"][0]["outcome"], "known") << "nothing is measured twice";
  expect_refused("db promote " + short_hash(here[0]) + " " + db("other.db"),
                 short_hash(here[0]).substr(0, 12));
}

TEST_F(Db, PromotionTakesTheRecordsThatAreNamed) {
  tune();
  share();
  const std::vector<Json> records = list("other.db", "--status ok");
  ASSERT_GE(records.size(), 3u);
  const Json done = json("db promote --threads 1 " + short_hash(records[2]) + " " + db("other.db"));
  ASSERT_EQ(done["records"].size(), 1u);
  EXPECT_EQ(done["records"][0]["record"], records[2]["record"]);
  EXPECT_EQ(json("db promote --threads 1 --top 2 " + db("other.db"))["chosen"], 2);
  expect_refused("db promote 0123456789abcdef " + db("other.db"), "0123456789abcdef");
  expect_refused("db promote nonsense " + db("other.db"), "nonsense");
  expect_refused("db promote " + db("missing.db") + " --dry-run", "missing.db");
}

TEST_F(Db, RetractedRecordsAreNeverServedAgain) {
  tune();
  const std::vector<Json> records = list("tuning.db", "--status ok");
  const std::string best = short_hash(records[0]);
  const Json done = json("db retract " + best + " --reason 'a busy machine' " + db());
  EXPECT_EQ(done["withdrawn"], 1);
  EXPECT_TRUE(list()[0]["withdrawn"]);
  EXPECT_EQ(served(), "tuned") << "by the next best";
  EXPECT_EQ(json("db retract " + best + " --reason again " + db())["withdrawn"], 0);

  // Neither promotion nor another import brings it back, here or elsewhere.
  expect_refused("db promote " + best + " " + db(), best.substr(0, 12));
  share();
  EXPECT_EQ(json("db import " + path("bundle.jsonl") + " " + db())["added"], 0);
  EXPECT_TRUE(list()[0]["withdrawn"]);
  for (const Json& record : list("other.db"))
    EXPECT_EQ(record["withdrawn"], record["record"] == records[0]["record"]) << record;

  EXPECT_EQ(json("db retract " + best + " --what toolchain --reason 'a bad compiler' " + db())["withdrawn"],
            records.size() - 1);
  EXPECT_EQ(served(), "default");
  expect_refused("db retract " + best + " " + db(), "--reason");
  expect_refused("db retract " + best + " --reason x --what everything " + db(), "everything");
  expect_refused("db retract " + best + " --reason x " + db("missing.db"), "missing.db");
}

TEST_F(Db, WhatWasTunedForEmptyCachesIsServedThere) {
  tune("tuning.db", "--trials 3 --cold");
  for (const Json& record : list()) EXPECT_NE(record["protocol"].get<std::string>().find("cache=cold"), std::string::npos);
  EXPECT_EQ(served(), "stale") << "better than nothing";
  EXPECT_EQ(json("run " + small + " --threads 1 --cold " + db())["kernels"].begin().key(), "tuned");
  share();
  EXPECT_EQ(json("db promote --threads 1 --cold " + db("other.db"))["promoted"], 1);
  EXPECT_EQ(json("run " + small + " --threads 1 --cold " + db("other.db"))["kernels"].begin().key(), "tuned");
}

TEST_F(Db, PruneSaysWhatGoesAndSparesTheBest) {
  tune("tuning.db", "--trials 8");
  const std::vector<Json> before = list();
  const Json told = json("db prune --keep 2 --dry-run " + db());
  EXPECT_EQ(list(), before) << "a dry run changes nothing";
  const Json done = json("db prune --keep 2 " + db());
  EXPECT_EQ(done["removed"], told["removed"]);
  EXPECT_EQ(done["left"], before.size() - told["removed"].get<std::size_t>());
  EXPECT_GE(done["left"], 2);
  ASSERT_EQ(done["by_workload"].size(), 1u);
  EXPECT_EQ(done["by_workload"][0]["workload"], before[0]["workload"]);
  EXPECT_EQ(list()[0], before[0]);
  EXPECT_EQ(served(), "tuned");
  EXPECT_EQ(run("db check " + db()).code, 0);

  EXPECT_EQ(json("db prune --older-than 30d " + db())["removed"], 0);
  // On a noisy machine more than one cannot be told from the fastest.
  const Json old = json("db prune --older-than 0.000001s --dry-run " + db());
  EXPECT_GE(old["spared"], 1);
  EXPECT_EQ(old["left"], old["spared"]);
  EXPECT_EQ(old["removed"].get<int>() + old["left"].get<int>(), done["left"].get<int>());
  const std::string target = before[0]["target"];
  EXPECT_EQ(json("db prune --target " + target.substr(0, 8) + " --keep 0 " + db())["left"], 0);
  EXPECT_EQ(served(), "default");
}

TEST_F(Db, PruneRefusesWhatItDoesNotUnderstand) {
  tune();
  expect_refused("db prune " + db(), "--older-than");
  expect_refused("db prune --older-than soon " + db(), "'soon'");
  expect_refused("db prune --keep few " + db(), "few");
  expect_refused("db prune --target 00000000 " + db(), "00000000");
  expect_refused("db prune --target here " + db(), "here");
  expect_refused("db prune --keep 1 " + db("missing.db"), "missing.db");
}

TEST_F(Db, BackupIsACompleteDatabase) {
  tune();
  const Json done = json("db backup " + path("backup.db") + " " + db());
  EXPECT_EQ(done["bytes"], fs::file_size(path("backup.db")));
  EXPECT_EQ(done["measurements"], list().size());
  EXPECT_EQ(list("backup.db"), list());
  EXPECT_EQ(run("db check " + db("backup.db")).code, 0);
  EXPECT_EQ(served("backup.db"), "tuned");
  const std::string before = read_file(path("backup.db"));
  expect_refused("db backup " + path("backup.db") + " " + db(), "exists already");
  EXPECT_EQ(read_file(path("backup.db")), before);
  expect_refused("db backup " + path("other.db") + " " + db("missing.db"), "missing.db");
}

}  // namespace
}  // namespace tunesmith::tools::testing
