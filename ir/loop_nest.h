// LoopNest: the scheduled program. Everything that a back end needs is explicit in it: loops with
// kinds, allocations with scopes, flat indices, guards. Back ends never see schedule steps.
//
// Arguments in calling order: the kernel's inputs and constants, its outputs, then the prepared
// buffers. Invariants (checked by verify()): every buffer that is neither an argument nor `workspace` is
// allocated exactly once; parallel loops do not nest; accesses to `registers` buffers have constant
// indices once unroll and vectorize loops are expanded, and no parallel loop lies between such an
// access and its Allocate. For a GPU, the loops over threads of one block follow one another as phases (codegen/cuda/program.h);
// their variables count as constant in an index into registers, as each thread has its own.
#pragma once

#include <string>
#include <vector>

#include "ir/kernel.h"
#include "ir/stmt.h"

namespace tunesmith::ir {

struct LoopNest {
  std::string name;
  VarTable vars;
  std::vector<Buffer> buffers;      // scope says where; layout is already folded into the indices
  std::vector<BufferId> arguments;  // calling order
  std::vector<BufferId> workspace;  // kernel-wide temporaries (scope global), live during the whole run
  std::vector<Symbol> symbols;      // dims arguments, in order
  Stmt prepare;                     // fills the prepared buffers; null: none
  Stmt body;

  const Buffer& buffer(BufferId id) const { return buffers.at(index_of(id)); }
  BufferId add_buffer(Buffer buffer) {
    buffers.push_back(std::move(buffer));
    return BufferId{static_cast<std::uint32_t>(buffers.size() - 1)};
  }
};

}  // namespace tunesmith::ir
