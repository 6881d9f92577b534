// Several tuning processes on one database, and one that is killed: nothing is lost, nothing repeated.
#include <csignal>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "ir/support/rng.h"
#include "tests/tools/cli_testing.h"

namespace tunesmith::tools::testing {
namespace {

/// TUNESMITH_SEED and TUNESMITH_TEST_COUNT, where they are given.
std::pair<std::uint64_t, std::size_t> seed_and_count(std::size_t usual_count) {
  const char* seed = std::getenv("TUNESMITH_SEED");
  const char* count = std::getenv("TUNESMITH_TEST_COUNT");
  return {seed != nullptr ? std::strtoull(seed, nullptr, 10) : 1,
          count != nullptr ? std::strtoull(count, nullptr, 10) : usual_count};
}

class TuneProcesses : public Cli {
 protected:
  /// Starts `tunesmith tune` on the test's database.
  pid_t start(const std::vector<std::string>& more) const {
    const pid_t child = fork();
    if (child != 0) return child;
    std::vector<std::string> words = {program(), "tune", "--db", path("tuning.db"), "--threads", "1"};
    words.insert(words.end(), operators().begin(), operators().end());
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    for (const int stream : {1, 2}) {
      if (std::freopen(path("log").c_str(), "a", stream == 1 ? stdout : stderr) == nullptr) _exit(126);
    }
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  /// Enough kernels for a session that is not over soon.
  static const std::vector<std::string>& operators() {
    static const std::vector<std::string> list = {"matmul:m=48,n=64,k=32",  "matmul:m=96,n=80,k=112",
                                                  "matmul:m=7,n=300,k=41",  "softmax:rows=64,cols=1000",
                                                  "matmul:m=160,n=64,k=90", "softmax:rows=300,cols=77"};
    return list;
  }
  std::string tune_all(const std::string& more) const {
    std::string words = "tune --threads 1 " + db() + " " + more;
    for (const std::string& op : operators()) words += " " + op;
    return words;
  }
  static std::vector<pid_t> children(pid_t parent) {
    const std::string id = std::to_string(parent);
    std::ifstream file("/proc/" + id + "/task/" + id + "/children");
    return {std::istream_iterator<pid_t>(file), {}};
  }
  static bool runs(pid_t child) {
    siginfo_t info{};
    return waitid(P_PID, child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
  }
  static int wait(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  /// Kernel and schedule of all records; empty before the database is there.
  std::vector<std::string> tried() const {
    const Result listed = run("db list --limit 100000 --json - " + db());
    std::vector<std::string> found;
    if (listed.code != 0) return found;
    const Json list = Json::parse(listed.out);
    for (const Json& record : list["records"])
      found.push_back(record["workload"].get<std::string>() + record["schedule"].get<std::string>());
    return found;
  }
};

TEST_F(TuneProcesses, TwoAtOnceShareADatabase) {
  const pid_t one = start({"--trials", "12", "--seed", "1", "--json", path("one.json")});
  const pid_t two = start({"--trials", "12", "--seed", "2", "--json", path("two.json")});
  EXPECT_EQ(wait(one), 0) << read_file(path("log"));
  EXPECT_EQ(wait(two), 0) << read_file(path("log"));
  const Json check = json("db check " + db());
  EXPECT_EQ(check["damaged"], 0);
  const int trials = Json::parse(read_file(path("one.json")))["trials"].get<int>() +
                     Json::parse(read_file(path("two.json")))["trials"].get<int>();
  EXPECT_GT(trials, 0);
  EXPECT_EQ(json("db stats " + db())["measurements"], trials) << "every measurement of both is there";
  for (const std::string& op : operators())
    EXPECT_EQ(json("run " + op + " --threads 1 " + db())["kernels"]["tuned"], 1) << op;
}

TEST_F(TuneProcesses, AKilledSessionIsGoneOnWithAndRepeatsNothing) {
  const pid_t killed = start({"--trials", "100000"});
  while (runs(killed) && tried().size() < 20) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  ::kill(killed, SIGKILL);
  ASSERT_EQ(wait(killed), -SIGKILL) << "over before it could be killed\n" << read_file(path("log"));
  EXPECT_EQ(json("db check " + db())["damaged"], 0);
  const std::vector<std::string> kept = tried();
  ASSERT_GE(kept.size(), 20u) << read_file(path("log"));
  EXPECT_EQ(json("run " + operators()[0] + " --threads 1 " + db())["kernels"]["tuned"], 1)
      << "what was found is used";

  const Json report = json(tune_all("--trials 12"));
  EXPECT_GT(report["trials"], 0) << "it goes on";
  const std::vector<std::string> all = tried();
  EXPECT_EQ(all.size(), kept.size() + report["trials"].get<std::size_t>());
  EXPECT_TRUE(std::ranges::includes(std::set(all.begin(), all.end()), std::set(kept.begin(), kept.end())));
  EXPECT_EQ(std::set(all.begin(), all.end()).size(), all.size()) << "something was measured twice";
  EXPECT_EQ(json("db check " + db())["damaged"], 0);
}

/// The session or its worker at a random moment, over and over on one database.
TEST_F(TuneProcesses, KillsAtAnyMomentLoseNothingThatWasKept) {
  const auto [seed, count] = seed_and_count(8);
  SCOPED_TRACE("TUNESMITH_SEED=" + std::to_string(seed));
  Rng rng(seed);
  std::set<std::string> kept;
  for (std::size_t i = 0; i < count; ++i) {
    const pid_t session = start({"--trials", "100000", "--seed", std::to_string(i)});
    std::this_thread::sleep_for(std::chrono::milliseconds(rng.between(1, 700)));
    while (i + 1 == count && kept.empty() && runs(session) && tried().empty())  // on a slow machine
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const std::vector<pid_t> workers = children(session);
    if (i % 2 == 0)
      for (const pid_t worker : workers) ::kill(worker, SIGKILL);
    if (i % 4 == 0) {  // it gets over the death of its worker, and ends when it is asked to
      std::this_thread::sleep_for(std::chrono::milliseconds(rng.between(1, 300)));
      EXPECT_TRUE(runs(session)) << i << '\n' << read_file(path("log"));
      ::kill(session, SIGINT);
      const int code = wait(session);
      EXPECT_TRUE(code == 130 || code == 0 || code == -SIGINT) << i << ": " << code << '\n' << read_file(path("log"));
    } else {
      ::kill(session, SIGKILL);
      EXPECT_EQ(wait(session), -SIGKILL) << i << '\n' << read_file(path("log"));
    }
    const std::vector<std::string> now = tried();
    const std::set<std::string> all(now.begin(), now.end());
    EXPECT_EQ(all.size(), now.size()) << i << ": something was measured twice";
    EXPECT_TRUE(std::ranges::includes(all, kept)) << i;
    kept = all;
  }
  EXPECT_EQ(json("db check " + db())["damaged"], 0);
  EXPECT_FALSE(kept.empty());
  EXPECT_GT(json(tune_all("--trials " + std::to_string(kept.size() + 4)))["trials"], 0) << "it goes on";
}

TEST_F(TuneProcesses, AKillWhileTheDatabaseIsMadeLeavesAUsableOne) {
  for (const int milliseconds : {1, 3, 6, 10, 20, 40}) {
    fs::remove_all(path("tuning.db"));
    const pid_t killed = start({"--trials", "100000"});
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    ::kill(killed, SIGKILL);
    EXPECT_EQ(wait(killed), -SIGKILL);
    const Result next = run("tune " + small + " --threads 1 --trials 2 " + db());
    EXPECT_EQ(next.code, 0) << milliseconds << " ms\n" << next.err;
    EXPECT_EQ(json("db check " + db())["damaged"], 0);
  }
}

}  // namespace
}  // namespace tunesmith::tools::testing
