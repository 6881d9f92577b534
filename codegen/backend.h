// Backend: from a loop nest to something that runs. One implementation a target kind.
//
// Thread safety: compile() and load() may be called from several threads at once; each call works in a
// context of its own.
#pragma once

#include <memory>
#include <string>

#include "codegen/executable.h"
#include "codegen/target.h"
#include "ir/loop_nest.h"

namespace tunesmith::codegen {

class Backend {
 public:
  virtual ~Backend() = default;

  /// What determines the generated code besides the nest (back end, version, flags): part of the toolchain
  /// key.
  virtual std::string toolchain() const = 0;
  virtual Expected<Object, Error> compile(const ir::LoopNest& nest) const = 0;
  virtual Expected<std::unique_ptr<Executable>, Error> load(Object object) const = 0;
  /// Human-readable forms for `explain`: the low-level IR and the assembly.
  virtual Expected<std::string, Error> source(const ir::LoopNest& nest) const = 0;
  virtual Expected<std::string, Error> assembly(const ir::LoopNest& nest) const = 0;
};

/// The LLVM back end for `target`. The error says that this build has none (TUNESMITH_LLVM=off).
Expected<std::unique_ptr<Backend>, Error> make_llvm_backend(const CpuTarget& target);

}  // namespace tunesmith::codegen
