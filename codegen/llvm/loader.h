// Loading of compiled kernels through ORC. Internal to codegen/llvm.
//
// Thread safety: load() may be called from several threads. An Executable keeps the session alive, and gives
// its memory back when it goes.
#pragma once

#include <memory>

#include "codegen/executable.h"

namespace tunesmith::codegen {

class Loader {
 public:
  /// The error says what LLVM could not set up.
  static Expected<std::unique_ptr<Loader>, Error> create();
  ~Loader();

  Expected<std::unique_ptr<Executable>, Error> load(Object object);

 private:
  struct Session;
  explicit Loader(std::shared_ptr<Session> session);
  std::shared_ptr<Session> session_;
  friend class LoadedExecutable;
};

}  // namespace tunesmith::codegen
