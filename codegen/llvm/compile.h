// From a module to machine code: the pass pipeline and the target machine. Internal to codegen/llvm.
#pragma once

#include <llvm/IR/Module.h>

#include <cstddef>
#include <string>
#include <vector>

#include "codegen/target.h"
#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::codegen {

/// Runs the pipeline on the module, in place. The error names a register buffer that did not become SSA
/// values.
Expected<void, Error> optimise(llvm::Module& module, const CpuTarget& target);
/// REQUIRES: optimise() ran.
Expected<std::vector<std::byte>, Error> emit_object(llvm::Module& module, const CpuTarget& target);
Expected<std::string, Error> emit_assembly(llvm::Module& module, const CpuTarget& target);

/// LLVM's version and the pipeline: part of the toolchain key.
std::string pipeline_name();

}  // namespace tunesmith::codegen
