// The processes of tuning sessions: workers that are killed or do not start, and a session that is killed
// itself.
#include <gmock/gmock.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "tests/tuner/session_testing.h"
#include "tuner/worker/client.h"

namespace tunesmith::tuner {
namespace {

using ::testing::HasSubstr;

class SessionProcesses : public testing::SessionTest {};

/// A live process by its line in /proc; nothing for one that has ended, whether or not its parent took note.
struct Process {
  std::string name;
  pid_t parent = 0;
};
std::optional<Process> process_of(const std::string& id) {
  std::ifstream file("/proc/" + id + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const std::size_t begin = line.find('('), end = line.rfind(')');
  if (begin == std::string::npos || end == std::string::npos) return std::nullopt;
  std::istringstream rest(line.substr(end + 1));
  char state = 0;
  Process process{line.substr(begin + 1, end - begin - 1), 0};
  rest >> state >> process.parent;
  if (state == 'Z' || state == 'X') return std::nullopt;
  return process;
}

/// Worker processes that a process started.
std::vector<pid_t> worker_processes(pid_t of = ::getpid()) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string id = entry.path().filename();
    const auto process = process_of(id);
    // The kernel cuts names to 15 characters.
    if (process && process->parent == of && process->name == "tunesmith-worke")
      found.push_back(std::stoi(id));
  }
  return found;
}

TEST_F(SessionProcesses, KilledWorkersAreReplacedAndNobodyIsBlamed) {
  const Environment environment = open_environment();
  std::atomic<bool> done{false};
  std::atomic<std::int64_t> measured{0};
  int kills = 0;
  std::thread killer([&] {
    std::int64_t seen = 0;
    while (!done) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (measured == seen) continue;  // a whole batch lies between two kills: no candidate meets both
      seen = measured;
      for (const pid_t worker : worker_processes()) kills += ::kill(worker, SIGKILL) == 0 ? 1 : 0;
    }
  });
  SessionOptions options = quick_options(40);
  options.on_progress = [&](const Progress& progress) { measured = progress.trials; };
  const auto report = tune(tasks(), environment, options);
  done = true;
  killer.join();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(report->tasks[0].failures.empty()) << report->tasks[0].failures.begin()->first;
  EXPECT_GT(kills, 0) << "the session was over too soon to show anything";
  EXPECT_GE(report->worker_starts, 1 + kills - 1) << "the last one may hit a worker that is no longer needed";
  EXPECT_TRUE(worker_processes().empty()) << "no worker outlives its session";
}

/// Schedules of all records in a database file, also while somebody else writes it; empty before it exists.
std::vector<std::string> schedules_in(const std::string& path) {
  std::vector<std::string> schedules;
  const auto store = cache::open_sqlite(path, cache::OpenMode::read_only);
  if (!store) return schedules;
  const auto damaged = (*store)->visit({}, [&](const cache::Record& record) {
    schedules.push_back(record.schedule);
    return true;
  });
  EXPECT_TRUE(damaged && *damaged == 0);
  return schedules;
}

pid_t start_tune(const std::string& database, const char* trials) {
  std::string program = TUNESMITH_BINARY_DIR "/tunesmith";
  const char* arguments[] = {program.c_str(), "tune",           "matmul:m=48,n=64,k=32",
                             "--db",          database.c_str(), "--trials",
                             trials,          "--threads",      "2",
                             "--json",        "/dev/null",      nullptr};
  pid_t pid = -1;
  EXPECT_EQ(::posix_spawn(&pid, program.c_str(), nullptr, nullptr, const_cast<char**>(arguments), environ),
            0);
  return pid;
}

TEST_F(SessionProcesses, AKilledSessionIsGoneOnWith) {
  const pid_t killed = start_tune(database(), "10000");
  std::vector<pid_t> workers;
  for (int i = 0; i < 1000 && schedules_in(database()).size() < 8; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    workers = worker_processes(killed);
  }
  ::kill(killed, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(killed, &status, 0), killed);
  EXPECT_TRUE(WIFSIGNALED(status)) << "over before it could be killed";
  for (const pid_t worker : workers) {
    for (int i = 0; i < 100 && process_of(std::to_string(worker)); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_FALSE(process_of(std::to_string(worker))) << "the worker outlives its session";
  }
  const std::vector<std::string> kept = schedules_in(database());
  ASSERT_GE(kept.size(), 8u);

  const std::string trials = std::to_string(kept.size() + 4);
  const pid_t next = start_tune(database(), trials.c_str());
  ASSERT_EQ(::waitpid(next, &status, 0), next);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  const std::vector<std::string> all = schedules_in(database());
  EXPECT_EQ(all.size(), kept.size() + 4);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size())
      << "something was measured twice";
}

TEST_F(SessionProcesses, AWorkerThatDoesNotStartIsNoCandidatesFault) {
  for (const char* program : {"/nonexistent/worker", "/bin/true"}) {
    const Environment environment = open_environment();
    SessionOptions options = quick_options(8);
    options.worker_path = program;
    const auto report = tune(tasks(), environment, options);
    ASSERT_FALSE(report) << program;
    EXPECT_THAT(report.error().message, HasSubstr(program));
    EXPECT_TRUE(records(environment).empty()) << "nothing may be held against the candidates";
  }
}

TEST_F(SessionProcesses, AWorkerThatIsLostEndsTheSessionAndKeepsItsResults) {
  const auto worker = find_worker();
  ASSERT_TRUE(worker) << worker.error().message;
  const std::string link = folder_.file("tunesmith-worker");
  std::filesystem::create_symlink(*worker, link);
  const Environment environment = open_environment();
  SessionOptions options = quick_options(64);
  options.worker_path = link;
  std::int64_t measured = 0;
  options.on_progress = [&](const Progress& progress) {
    measured = progress.trials;
    std::filesystem::remove(link);
    for (const pid_t process : worker_processes()) ::kill(process, SIGKILL);
  };
  const auto report = tune(tasks(), environment, options);
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr(link));
  EXPECT_GT(measured, 0);
  const std::vector<cache::Record> kept = records(open_environment());
  EXPECT_EQ(static_cast<std::int64_t>(kept.size()), measured);
  EXPECT_TRUE(failures_of(kept).empty());
}

}  // namespace
}  // namespace tunesmith::tuner
