// Where the database lives, and which file systems are refused.
#include "cache/location.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <map>

#include "test_records.h"

namespace tunesmith::cache {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;

/// Sets variables and puts them back.
class Environment {
 public:
  explicit Environment(const std::map<std::string, const char*>& values) {
    for (const auto& [name, value] : values) {
      const char* old = std::getenv(name.c_str());
      if (old != nullptr) old_[name] = old;
      names_.push_back(name);
      value == nullptr ? unsetenv(name.c_str()) : setenv(name.c_str(), value, 1);
    }
  }
  ~Environment() {
    for (const std::string& name : names_)
      old_.contains(name) ? setenv(name.c_str(), old_[name].c_str(), 1) : unsetenv(name.c_str());
  }

 private:
  std::vector<std::string> names_;
  std::map<std::string, std::string> old_;
};

TEST(Location, FollowsTheEnvironment) {
  {
    Environment env({{"TUNESMITH_DB", "/a/b.db"}, {"XDG_DATA_HOME", "/x"}, {"HOME", "/h"}});
    EXPECT_EQ(default_database_path(), "/a/b.db");
  }
  {
    Environment env({{"TUNESMITH_DB", nullptr}, {"XDG_DATA_HOME", "/x"}, {"HOME", "/h"}});
    EXPECT_EQ(default_database_path(), "/x/tunesmith/tuning.db");
  }
  {
    Environment env({{"TUNESMITH_DB", ""}, {"XDG_DATA_HOME", "relative"}, {"HOME", "/h"}});
    EXPECT_EQ(default_database_path(), "/h/.local/share/tunesmith/tuning.db");
  }
}

TEST(Location, CreatesFoldersOrSaysWhichItCannot) {
  TemporaryFolder folder;
  EXPECT_TRUE(create_parent_folders(folder.file("a/b/tuning.db")));
  EXPECT_TRUE(std::filesystem::is_directory(folder.file("a/b")));
  EXPECT_TRUE(create_parent_folders("tuning.db"));
  testing::write_file(folder.file("file"), "x");
  const auto failed = create_parent_folders(folder.file("file/b/tuning.db"));
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("file/b"));
}

TEST(Location, KnowsNetworkFileSystems) {
  EXPECT_EQ(network_file_system(0x6969, ""), "NFS");
  EXPECT_EQ(network_file_system(0xFF534D42, ""), "CIFS");
  EXPECT_EQ(network_file_system(static_cast<int>(0xFF534D42), ""), "CIFS") << "sign-extended";
  EXPECT_EQ(network_file_system(0x0BD00BD0, ""), "Lustre");
  EXPECT_EQ(network_file_system(0x65735546, "fuse.sshfs"), "fuse.sshfs");
  EXPECT_EQ(network_file_system(0x65735546, "fuseblk"), std::nullopt);
  EXPECT_EQ(network_file_system(0xEF53, "ext4"), std::nullopt);
  EXPECT_EQ(network_file_system(0x01021994, "tmpfs"), std::nullopt);
}

TEST(Location, LooksAtTheNearestFolderThatExists) {
  EXPECT_EQ(network_file_system("/proc/does/not/exist"), std::nullopt);
}

}  // namespace
}  // namespace tunesmith::cache
