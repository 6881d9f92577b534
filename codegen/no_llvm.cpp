// What stands in for the LLVM back end in builds without it (TUNESMITH_LLVM=off).
#ifndef TUNESMITH_HAS_LLVM

#include "codegen/backend.h"
#include "codegen/llvm/host.h"

namespace tunesmith::codegen {

HostIsa host_isa() { return {"generic", {}}; }

Expected<std::unique_ptr<Backend>, Error> make_llvm_backend(const CpuTarget&) {
  return Unexpected(make_error("this build has no CPU code generator; build with -DTUNESMITH_LLVM=shared"));
}

}  // namespace tunesmith::codegen

#endif
