// A file that appears whole or not at all: written beside its place under another name, then renamed.
#pragma once

#include <fstream>
#include <string>

namespace tunesmith {

/// Devices and pipes are written as they are: a file must not take their place. Not synchronised.
class WholeFile {
 public:
  explicit WholeFile(std::string path);
  /// Leaves nothing behind unless commit() succeeded.
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  std::ostream& stream() { return stream_; }
  /// Puts the file into its place. 0, or the errno of what went wrong here or in a write before.
  int commit();

 private:
  std::string path_, written_;  // equal: in place
  std::ofstream stream_;
};

/// Whether WholeFile could write there, without writing: 0, or the errno of the refusal.
int check_writable(const std::string& path);

}  // namespace tunesmith
