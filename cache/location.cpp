#include "cache/location.h"

#include <pwd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <system_error>

#include "ir/support/env.h"

namespace tunesmith::cache {
namespace {

namespace fs = std::filesystem;

constexpr unsigned long fuse_magic = 0x65735546;

struct NetworkMagic {
  unsigned long magic;
  std::string_view name;
};
/// f_type of statfs for file systems that several machines may write.
constexpr std::array network_magics = {
    NetworkMagic{0x6969, "NFS"},       NetworkMagic{0x517B, "SMB"},        NetworkMagic{0xFF534D42, "CIFS"},
    NetworkMagic{0xFE534D42, "SMB2"},  NetworkMagic{0x00C36400, "Ceph"},   NetworkMagic{0x5346414F, "AFS"},
    NetworkMagic{0x6B414653, "AFS"},   NetworkMagic{0x73757245, "Coda"},   NetworkMagic{0x0BD00BD0, "Lustre"},
    NetworkMagic{0x47504653, "GPFS"},  NetworkMagic{0x19830326, "BeeGFS"}, NetworkMagic{0xAAD7AAEA, "PanFS"},
    NetworkMagic{0x7461636F, "OCFS2"}, NetworkMagic{0x01161970, "GFS2"},   NetworkMagic{0x01021997, "9P"},
};

std::optional<fs::path> home_folder() {
  if (const char* home = std::getenv("HOME"); home != nullptr && home[0] == '/') return fs::path(home);
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr &&
      found->pw_dir != nullptr && found->pw_dir[0] == '/')
    return fs::path(found->pw_dir);
  return std::nullopt;
}

/// The path itself or the nearest folder above it that exists.
fs::path nearest_existing(const std::string& path) {
  std::error_code error;
  fs::path at = fs::absolute(path, error);
  while (!fs::exists(at, error) && at.has_relative_path()) at = at.parent_path();
  return at;
}

/// File system type of the mount that a device number belongs to, from the kernel's table of mounts.
std::string mount_type_of(dev_t device) {
  const std::string wanted = fmt::format("{}:{}", major(device), minor(device));
  std::ifstream mounts("/proc/self/mountinfo");
  std::string line;
  while (std::getline(mounts, line)) {
    std::istringstream words(line);
    std::string id, parent, number, word;
    words >> id >> parent >> number;
    if (number != wanted) continue;
    while (words >> word && word != "-") {
    }
    std::string type;
    words >> type;
    return type;
  }
  return "";
}

}  // namespace

std::string default_database_path() {
  if (auto path = env_value("TUNESMITH_DB"); path && !path->empty()) return *path;
  fs::path data;
  if (const char* xdg = std::getenv("XDG_DATA_HOME"); xdg != nullptr && xdg[0] == '/') {
    data = xdg;
  } else if (const auto home = home_folder()) {
    data = *home / ".local" / "share";
  } else {
    throw_user_error(
        "no place for the tuning database: set TUNESMITH_DB, XDG_DATA_HOME or HOME to an absolute path");
  }
  return (data / "tunesmith" / "tuning.db").string();
}

Expected<void, Error> create_parent_folders(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  if (folder.empty()) return {};
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    return Unexpected(make_error("cannot create the folder '{}': {}", folder.string(), error.message()));
  return {};
}

std::optional<std::string> network_file_system(long magic, const std::string& mount_type) {
  // 32-bit values: sign extension of f_type differs between architectures.
  const unsigned long value = static_cast<unsigned long>(magic) & 0xFFFFFFFFul;
  for (const NetworkMagic& known : network_magics)
    if (known.magic == value) return std::string(known.name);
  // FUSE serves remote folders and local ones; these types are local.
  if (value == fuse_magic && mount_type != "fuseblk" && mount_type != "fuse.fuse-overlayfs" &&
      mount_type != "fuse.ntfs-3g")
    return mount_type.empty() ? "FUSE" : mount_type;
  return std::nullopt;
}

std::optional<std::string> network_file_system(const std::string& path) {
  const fs::path existing = nearest_existing(path);
  struct statfs info {};
  if (statfs(existing.c_str(), &info) != 0) return std::nullopt;
  std::string mount_type;
  if (static_cast<unsigned long>(info.f_type) == fuse_magic) {
    struct stat status {};
    if (stat(existing.c_str(), &status) == 0) mount_type = mount_type_of(status.st_dev);
  }
  return network_file_system(info.f_type, mount_type);
}

}  // namespace tunesmith::cache
