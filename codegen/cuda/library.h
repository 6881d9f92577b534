// Library: a shared library that is looked for at run time, so that one binary runs where it is missing too.
#pragma once

#include <span>
#include <string>

#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::codegen::cuda {

/// Stays loaded until the process ends: CUDA's libraries do not survive being unloaded. Thread safety: that of dlsym.
class Library {
 public:
  /// The first of `names` that loads. The error names all that were tried, and why the last did not load.
  static Expected<Library, Error> open(std::span<const std::string> names);

  const std::string& name() const { return name_; }  // that it was opened by
  /// The file that it was loaded from.
  std::string path() const;

  /// Null where there is no such symbol.
  void* symbol(const char* name) const;
  /// Sets a function pointer; false where there is no such symbol.
  template <class Function>
  bool find(const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(symbol(name));
    return function != nullptr;
  }

 private:
  Library(void* handle, std::string name) : handle_(handle), name_(std::move(name)) {}
  void* handle_ = nullptr;
  std::string name_;
};

}  // namespace tunesmith::codegen::cuda
