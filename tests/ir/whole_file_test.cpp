// Files that appear whole or not at all.
#include "ir/support/whole_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iterator>

namespace tunesmith {
namespace {

namespace fs = std::filesystem;

class WholeFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tunesmith-file-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string text(const std::string& name) const {
    std::ifstream file(path(name));
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  std::ptrdiff_t files() const { return std::distance(fs::directory_iterator(folder_), fs::directory_iterator()); }

  fs::path folder_;
};

TEST_F(WholeFileTest, ReplacesTheOldFileWhenItIsWhole) {
  std::ofstream(path("a")) << "old";
  {
    WholeFile file(path("a"));
    file.stream() << "new";
    EXPECT_EQ(text("a"), "old");
    EXPECT_EQ(file.commit(), 0);
  }
  EXPECT_EQ(text("a"), "new");
  EXPECT_EQ(files(), 1);
}

TEST_F(WholeFileTest, LeavesNothingWithoutCommit) {
  std::ofstream(path("a")) << "old";
  { WholeFile(path("a")).stream() << "new"; }
  EXPECT_EQ(text("a"), "old");
  EXPECT_EQ(files(), 1);
}

TEST_F(WholeFileTest, TellsWhyItCannotWrite) {
  EXPECT_EQ(WholeFile(path("no/such/folder")).commit(), ENOENT);
  EXPECT_EQ(check_writable(path("no/such/folder")), ENOENT);
  EXPECT_EQ(check_writable(folder_.string()), EISDIR);
  EXPECT_EQ(check_writable(path("a")), 0);
  WholeFile full("/dev/full");
  full.stream() << "text";
  EXPECT_EQ(full.commit(), ENOSPC);
  EXPECT_EQ(files(), 0);
}

TEST_F(WholeFileTest, WritesIntoPipesAsTheyAre) {
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  const int reader = ::open(path("pipe").c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  WholeFile file(path("pipe"));
  file.stream() << "text";
  EXPECT_EQ(file.commit(), 0);
  char got[8] = {};
  EXPECT_EQ(::read(reader, got, sizeof got), 4);
  EXPECT_STREQ(got, "text");
  ::close(reader);
  EXPECT_TRUE(fs::is_fifo(path("pipe")));
}

}  // namespace
}  // namespace tunesmith
