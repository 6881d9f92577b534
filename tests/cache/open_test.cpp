// Opening: whose file it is, and what cannot be opened; the original always stays as it is.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "cache/merge.h"
#include "cache/sqlite/format.h"
#include "test_records.h"

namespace tunesmith::cache {
namespace {

using testing::conditions_of;
using testing::contents;
using ::testing::HasSubstr;
using testing::make_record;
using testing::open_store;
using testing::read_file;
using testing::TemporaryFolder;
using testing::write_file;

/// Runs SQL on a file as another program would.
void other_program(const std::string& path, const char* sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  char* message = nullptr;
  EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, &message), SQLITE_OK) << message;
  sqlite3_close(database);
}

std::string open_error(const std::string& path, OpenMode mode) {
  const auto store = open_sqlite(path, mode);
  return store ? "it opened" : store.error().message;
}

void expect_refused(const std::string& path, const std::string& why) {
  const std::string before = read_file(path);
  for (const OpenMode mode : {OpenMode::read_write, OpenMode::read_only}) {
    const std::string error = open_error(path, mode);
    EXPECT_THAT(error, HasSubstr(why));
    EXPECT_THAT(error, HasSubstr(path));
  }
  EXPECT_EQ(read_file(path), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(std::filesystem::path(path).parent_path()), {}),
            1)
      << "no file beside it";
}

/// Runs `body` in a child without root's rights; its exit code is the number of failed expectations.
int as_nobody(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && (setegid(65534) != 0 || seteuid(65534) != 0)) _exit(99);
    body();
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

class OpenTest : public ::testing::Test {
 protected:
  void fill() {
    auto store = open_store(path_);
    ASSERT_TRUE(store->put(std::vector{make_record("a")}));
  }
  TemporaryFolder folder_;
  std::string path_ = folder_.file();
};

/// Another process would have to wait for this one's connections.
bool is_locked(const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    const int file = open(path.c_str(), O_RDWR);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 0x40000002;  // SQLite's shared locks
    lock.l_len = 510;
    _exit(file < 0 || fcntl(file, F_GETLK, &lock) != 0 ? 2 : lock.l_type != F_UNLCK);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

TEST_F(OpenTest, LooksAtAFileWithoutTakingTheLocksOfOthers) {
  const TemporaryFolder folder;
  const auto first = open_store(folder.file());
  ASSERT_TRUE(first->put(std::vector{make_record("a")}, Durability::on_disk));
  ASSERT_TRUE(is_locked(folder.file()));
  { const auto second = open_store(folder.file()); }
  { const auto reader = open_store(folder.file(), OpenMode::read_only); }
  EXPECT_TRUE(is_locked(folder.file()));
}

TEST_F(OpenTest, AFileThatCannotBeReadIsNoDamage) {
  const TemporaryFolder folder;
  { const auto store = open_store(folder.file()); }
  ASSERT_EQ(sqlite::check_file(folder.file(), sqlite::tuning_format()).state, sqlite::FileState::ours);
  struct rlimit before {}, none {};
  getrlimit(RLIMIT_NOFILE, &before);
  none = before;
  none.rlim_cur = 3;
  setrlimit(RLIMIT_NOFILE, &none);
  const auto check = sqlite::check_file(folder.file(), sqlite::tuning_format());
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(check.state, sqlite::FileState::unreadable);
  EXPECT_THAT(check.message, HasSubstr("cannot be read"));
}

TEST_F(OpenTest, CreatesFoldersAndFile) {
  path_ = folder_.file("a/b/c.db");
  fill();
  EXPECT_EQ(contents(*open_store(path_)).size(), 1u);
}

TEST_F(OpenTest, AnEmptyFileIsFilled) {
  write_file(path_, "");
  EXPECT_THAT(open_error(path_, OpenMode::read_only), HasSubstr("is empty"));
  fill();
  EXPECT_EQ(contents(*open_store(path_)).size(), 1u);
}

TEST_F(OpenTest, RefusesAnotherProgramsDatabase) {
  other_program(path_, "CREATE TABLE bookmarks(url); INSERT INTO bookmarks VALUES('x')");
  expect_refused(path_, "another program");
}

TEST_F(OpenTest, RefusesAnotherProgramsDatabaseWithAnId) {
  other_program(path_, "PRAGMA application_id=77; PRAGMA user_version=1; CREATE TABLE t(x)");
  expect_refused(path_, "another program");
}

TEST_F(OpenTest, RefusesWhatIsNoDatabase) {
  write_file(path_, "just some notes of somebody, longer than the header of a database would be: " +
                        std::string(200, '.'));
  expect_refused(path_, "not a SQLite database");
}

TEST_F(OpenTest, RefusesANewerVersion) {
  fill();
  other_program(path_, "PRAGMA journal_mode=DELETE; PRAGMA user_version=1000");
  expect_refused(path_, "use a newer Tunesmith");
}

TEST_F(OpenTest, RefusesATruncatedFile) {
  fill();
  const std::string whole = read_file(path_);
  for (const std::size_t size : {std::size_t{50}, std::size_t{4096}, whole.size() - 4096}) {
    write_file(path_, whole.substr(0, size));
    expect_refused(path_, "cut short");
  }
}

TEST_F(OpenTest, RefusesFoldersUrlsAndMissingFiles) {
  EXPECT_THAT(open_error(folder_.path().string(), OpenMode::read_write), HasSubstr("is a folder"));
  EXPECT_THAT(open_error("postgresql://host/db", OpenMode::read_write), HasSubstr("not a path"));
  EXPECT_THAT(open_error("", OpenMode::read_write), HasSubstr("empty"));
  EXPECT_THAT(open_error(path_, OpenMode::read_only), HasSubstr("does not exist"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(OpenTest, AReadOnlyFileIsReadAndNotWritten) {
  fill();
  namespace fs = std::filesystem;
  fs::permissions(folder_.path(), fs::perms::all);
  fs::permissions(path_, fs::perms::owner_read | fs::perms::others_read);
  EXPECT_EQ(as_nobody([&] {
              const std::string error = open_error(path_, OpenMode::read_write);
              EXPECT_THAT(error, HasSubstr("cannot be written"));
              EXPECT_THAT(error, HasSubstr(path_));
              EXPECT_EQ(contents(*open_store(path_, OpenMode::read_only)).size(), 1u);
            }),
            0);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 1) << "no file beside it";
}

TEST_F(OpenTest, SaysThatAFolderCannotBeWritten) {
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0555));
  EXPECT_EQ(as_nobody([&] {
              const std::string error = open_error(path_, OpenMode::read_write);
              EXPECT_THAT(error, HasSubstr("cannot be written"));
              EXPECT_THAT(error, HasSubstr(path_));
              EXPECT_THAT(open_error(folder_.file("new/x.db"), OpenMode::read_write),
                          HasSubstr("cannot create the folder"));
            }),
            0);
}

TEST_F(OpenTest, ReadsFromAFolderThatCannotBeWritten) {
  fill();
  std::filesystem::permissions(path_, std::filesystem::perms(0444));
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0555));
  EXPECT_EQ(as_nobody([&] {
              auto reader = open_store(path_, OpenMode::read_only);
              ASSERT_NE(reader, nullptr);
              const Record r = make_record("a");
              EXPECT_TRUE(reader->find(r.workload, conditions_of(r)));
              EXPECT_THAT(open_error(path_, OpenMode::read_write), HasSubstr("cannot be written"));
            }),
            0);
}

TEST_F(OpenTest, APathMayHoldAnyCharacter) {
  path_ = folder_.file("100% odd?name#1 ä.db");
  fill();
  auto reader = open_store(path_, OpenMode::read_only);
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(contents(*reader).size(), 1u);
}

TEST_F(OpenTest, MigratesForwardAfterACopy) {
  using namespace sqlite;
  const std::array wrong = {Migration("CREATE TABLE t(x) STRICT")};
  const std::array v1 = {Migration("CREATE TABLE t(x INTEGER) STRICT; INSERT INTO t VALUES(1)")};
  const std::array v2 = {v1[0], Migration("ALTER TABLE t ADD COLUMN y INTEGER DEFAULT 7")};
  const std::array broken = {v1[0], Migration("CREATE TABLE u(x INTEGER) STRICT; SELECT * FROM absent")};
  const auto version = [&](std::span<const Migration> migrations) {
    auto opened = open_for_writing(path_, Format{"test file", 42, migrations}, {});
    return opened ? std::to_string(*(*opened)->integer("PRAGMA user_version")) : opened.error().message;
  };
  EXPECT_THAT(version(wrong), HasSubstr("missing datatype"));
  EXPECT_EQ(version(v1), "1");
  const std::string original = read_file(path_);

  EXPECT_THAT(version(broken), HasSubstr("no such table"));
  EXPECT_EQ(version(v1), "1") << "a migration that fails leaves the file as it was";
  EXPECT_TRUE(std::filesystem::exists(path_ + ".v1.backup"));

  EXPECT_EQ(version(v2), "2");
  EXPECT_TRUE(std::filesystem::exists(path_ + ".v1.backup.1")) << "copies are not overwritten";
  EXPECT_THAT(version(v1), HasSubstr("newer Tunesmith"));
  auto reader = open_for_reading(path_, Format{"test file", 42, v2}, {});
  ASSERT_TRUE(reader);
  EXPECT_EQ(*(*reader)->integer("SELECT y FROM t"), 7);
  auto copy = open_for_reading(path_ + ".v1.backup", Format{"test file", 42, v1}, {});
  ASSERT_TRUE(copy) << copy.error().message;
  EXPECT_EQ(*(*copy)->integer("SELECT x FROM t"), 1);
}

TEST_F(OpenTest, ReadingAnOlderVersionAsksToMigrate) {
  using namespace sqlite;
  const std::array v1 = {Migration("CREATE TABLE t(x INTEGER) STRICT")};
  const std::array v2 = {v1[0], Migration("CREATE TABLE u(x INTEGER) STRICT")};
  ASSERT_TRUE(open_for_writing(path_, Format{"test file", 42, v1}, {}));
  const auto reader = open_for_reading(path_, Format{"test file", 42, v2}, {});
  EXPECT_THAT(reader.error().message, HasSubstr("older format version 1"));
}

TEST_F(OpenTest, MergeRefusesForeignTables) {
  fill();
  other_program(path_, "CREATE TABLE extra(x)");
  auto into = open_store(folder_.file("into.db"));
  EXPECT_THAT(merge_database(*into, path_).error().message, HasSubstr("did not make"));
}

TEST_F(OpenTest, AForkedChildIsToldToOpenAgain) {
  auto store = open_store(path_);
  const Record r = make_record("a");
  const pid_t child = fork();
  if (child == 0) {
    const auto refused = [](const auto& result) {
      return !result && result.error().message.find("fork()") != std::string::npos;
    };
    const bool all = refused(store->put(std::span(&r, 1))) && refused(store->flush()) &&
                     refused(store->best(r.workload, conditions_of(r))) && refused(store->import_records({}));
    store.reset();  // must neither wait for the parent's thread nor close its file
    _exit(all ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_TRUE(store->put(std::span(&r, 1), Durability::on_disk)) << "the parent goes on";
}

}  // namespace
}  // namespace tunesmith::cache
