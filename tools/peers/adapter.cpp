// Peers whose interface exists as headers only: adapters are modules of their own, built beside the program
// where the headers are installed, and loaded here.
#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>

#include "tools/peers/peer.h"

namespace tunesmith::tools {

Expected<std::unique_ptr<Peer>, Error> open_adapter(const std::string& name, const std::string& package) {
  std::error_code ignored;
  const auto beside = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  const std::string module = (beside / fmt::format("tunesmith-peer-{}.so", name)).string();
  if (!std::filesystem::exists(module))
    return Unexpected(
        make_error("{}'s adapter was not built; install {} and configure again", name, package));
  // Never closed: libraries keep threads of their own.
  void* handle = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return Unexpected(make_error("cannot load '{}': {}", module, ::dlerror()));
  const auto make =
      reinterpret_cast<Peer* (*)()>(::dlsym(handle, fmt::format("tunesmith_make_{}_peer", name).c_str()));
  if (make == nullptr) return Unexpected(make_error("'{}' is not a peer's adapter", module));
  return std::unique_ptr<Peer>(make());
}

}  // namespace tunesmith::tools
