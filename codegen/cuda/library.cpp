#include "codegen/cuda/library.h"

#include <dlfcn.h>
#include <link.h>

namespace tunesmith::codegen::cuda {

Expected<Library, Error> Library::open(std::span<const std::string> names) {
  std::string tried, why;
  for (const std::string& name : names) {
    if (void* handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)) return Library(handle, name);
    if (const char* message = ::dlerror()) why = message;
    tried += (tried.empty() ? "" : ", ") + name;
  }
  return Unexpected(make_error("none of {} loads ({})", tried, why));
}

std::string Library::path() const {
  link_map* map = nullptr;
  if (::dlinfo(handle_, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return name_;
  return map->l_name;
}

void* Library::symbol(const char* name) const { return ::dlsym(handle_, name); }

}  // namespace tunesmith::codegen::cuda
