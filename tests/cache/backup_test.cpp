// Backups: whole, of one moment, never over something.
#include "cache/backup.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <set>
#include <thread>

#include "cache/check.h"
#include "test_records.h"

namespace tunesmith::cache {
namespace {

using testing::contents;
using ::testing::HasSubstr;
using testing::make_record;
using testing::open_store;
using testing::read_file;
using testing::TemporaryFolder;
using testing::write_file;

class BackupTest : public ::testing::Test {
 protected:
  void fill(int rows) {
    std::vector<Record> records;
    for (int i = 0; i < rows; ++i) records.push_back(make_record("schedule " + std::to_string(i), 100 + i));
    ASSERT_TRUE(open_store(path_)->put(records, Durability::on_disk));
  }
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      names.insert(entry.path().filename());
    return names;
  }
  std::string error() const {
    const auto backup = backup_database(path_, copy_);
    return backup ? "" : backup.error().message;
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file(), copy_ = folder_.file("copy.db");
};

TEST_F(BackupTest, IsADatabaseOfItsOwn) {
  fill(300);
  const std::string before = read_file(path_);
  const auto backup = backup_database(path_, copy_);
  ASSERT_TRUE(backup) << backup.error().message;
  EXPECT_EQ(backup->measurements, 300u);
  EXPECT_EQ(backup->bytes, std::filesystem::file_size(copy_));
  EXPECT_EQ(files(), (std::set<std::string>{"tuning.db", "copy.db"})) << "nothing beside it";
  EXPECT_EQ(read_file(path_), before);
  EXPECT_TRUE(check_database(copy_)->whole());
  EXPECT_EQ(contents(*open_store(copy_, OpenMode::read_only)), contents(*open_store(path_)));
  const Record more = make_record("more");
  ASSERT_TRUE(open_store(copy_)->put(std::span(&more, 1), Durability::on_disk)) << "it can be written";
  EXPECT_EQ(contents(*open_store(copy_)).size(), 301u);
}

TEST_F(BackupTest, IncludesWhatIsOnlyInTheLogAndLeavesWritersAlone) {
  fill(50);
  auto store = open_store(path_);
  const Record logged = make_record("logged");
  ASSERT_TRUE(store->put(std::span(&logged, 1), Durability::on_disk));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const Record r = make_record("meanwhile " + std::to_string(i));
      EXPECT_TRUE(store->put(std::span(&r, 1), Durability::on_disk));
    }
  });
  for (int i = 0; i < 5; ++i) {
    const auto backup = backup_database(path_, folder_.file("copy" + std::to_string(i)));
    EXPECT_TRUE(backup) << backup.error().message;
    ASSERT_TRUE(!backup || backup->measurements >= 51u);
  }
  stop = true;
  writer.join();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(check_database(folder_.file("copy" + std::to_string(i)))->whole());
}

TEST_F(BackupTest, ReplacesNothing) {
  fill(3);
  write_file(copy_, "somebody's");
  EXPECT_THAT(error(), HasSubstr(copy_));
  EXPECT_THAT(error(), HasSubstr("exists already"));
  EXPECT_EQ(read_file(copy_), "somebody's");
  std::filesystem::remove(copy_);
  std::filesystem::create_symlink("nowhere", copy_);
  EXPECT_THAT(error(), HasSubstr("exists already")) << "a dangling link is something too";
  std::filesystem::remove(copy_);
  std::filesystem::create_directory(copy_);
  EXPECT_THAT(error(), HasSubstr("exists already"));
}

TEST_F(BackupTest, FailsWholeAndNamesWhatIsAtFault) {
  EXPECT_THAT(error(), HasSubstr("does not exist"));
  EXPECT_EQ(files(), std::set<std::string>()) << "the missing database is not made";
  fill(3);
  copy_ = folder_.file("no/such/folder/copy.db");
  EXPECT_THAT(error(), HasSubstr(copy_));
  copy_ = folder_.file("copy.db");
  write_file(path_, "not a database");
  EXPECT_THAT(error(), HasSubstr("not a SQLite database"));
  EXPECT_EQ(files(), std::set<std::string>{"tuning.db"});
}

TEST_F(BackupTest, AFullDiskLeavesNoPart) {
  fill(2000);
  const std::string before = read_file(path_);
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {100000, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    const std::string message = error();
    _exit(message.find(copy_) != std::string::npos ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(files(), std::set<std::string>{"tuning.db"});
  EXPECT_EQ(read_file(path_), before);
}

}  // namespace
}  // namespace tunesmith::cache
