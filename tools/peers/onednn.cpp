// Loads the oneDNN module that is built beside the program where oneDNN's headers are installed.
#include <dlfcn.h>

#include <filesystem>

#include "tools/peers/peer.h"

namespace tunesmith::tools {

Expected<std::unique_ptr<Peer>, Error> open_onednn() {
  std::error_code ignored;
  const auto beside = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  const std::string module = (beside / "tunesmith-peer-onednn.so").string();
  if (!std::filesystem::exists(module))
    return Unexpected(make_error("oneDNN's adapter was not built; install libdnnl-dev and configure again"));
  // Never closed: OpenMP keeps threads of its own.
  void* handle = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return Unexpected(make_error("cannot load '{}': {}", module, ::dlerror()));
  const auto make = reinterpret_cast<Peer* (*)()>(::dlsym(handle, "tunesmith_make_onednn_peer"));
  if (make == nullptr) return Unexpected(make_error("'{}' is not a peer's adapter", module));
  return std::unique_ptr<Peer>(make());
}

}  // namespace tunesmith::tools
