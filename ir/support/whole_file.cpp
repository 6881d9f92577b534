#include "ir/support/whole_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace tunesmith {
namespace {

bool is_special(const std::string& path) {
  std::error_code error;
  const auto type = std::filesystem::status(path, error).type();
  return type != std::filesystem::file_type::regular && type != std::filesystem::file_type::not_found;
}

std::string partial_name(const std::string& path) { return fmt::format("{}.{}.partial", path, ::getpid()); }

}  // namespace

WholeFile::WholeFile(std::string path)
    : path_(std::move(path)), written_(is_special(path_) ? path_ : partial_name(path_)) {
  errno = 0;
  stream_.open(written_, std::ios::binary | std::ios::trunc);
}

WholeFile::~WholeFile() {
  if (!written_.empty() && written_ != path_) ::unlink(written_.c_str());
}

int WholeFile::commit() {
  stream_.close();
  if (!stream_ || (written_ != path_ && std::rename(written_.c_str(), path_.c_str()) != 0))
    return errno != 0 ? errno : EIO;
  written_.clear();
  return 0;
}

int check_writable(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return EISDIR;
  if (is_special(path)) return ::access(path.c_str(), W_OK) == 0 ? 0 : errno;
  const std::string partial = partial_name(path);
  const int file = ::open(partial.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) return errno;
  ::close(file);
  ::unlink(partial.c_str());
  return 0;
}

}  // namespace tunesmith
