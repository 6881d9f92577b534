// What machine code for a GPU says of itself, read without one: registers, shared memory, spills, which instructions it is
// made of. Candidates that spill or miss their instructions are known before anything runs.
//
// Sources: the ELF sections that NVIDIA's cuobjdump and nvdisasm show; numbers found by experiment with CUDA 12 and 13.
// Thread safety: functions without state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::codegen::cuda {

/// Instructions that are counted. Machines of compute capability 7.0 and later share their encoding: 16 bytes each.
enum class Opcode : std::uint8_t {
  ffma,           // f32 multiply-add
  hmma,           // tensor cores, a warp
  hgmma,          // tensor cores, a warp group
  ldsm,           // matrix fragments from shared memory
  local_load,     // of spilled registers, or of arrays that are indexed
  local_store,
  global_load,
  global_store,
  shared_load,
  shared_store,
  async_copy,     // global to shared memory, 4 to 16 bytes a thread
  bulk_load,      // by the tensor memory accelerator
  barrier,
  shuffle,
};
std::string_view to_string(Opcode opcode);

struct CubinKernel {
  std::string name;
  int registers = 0;                    // a thread
  std::int64_t static_shared_bytes = 0; // a block; with what the system keeps for itself (1 KiB from 9.0 on)
  std::int64_t stack_bytes = 0;         // a thread
  std::int64_t instructions = 0;
  std::map<Opcode, std::int64_t> counts;
  std::map<Opcode, std::int64_t> wide_counts;  // of 16 bytes a thread

  std::int64_t count(Opcode opcode) const;
  std::int64_t wide_count(Opcode opcode) const;
  bool spills() const { return count(Opcode::local_load) + count(Opcode::local_store) > 0; }
};

/// The kernels of a cubin, by name. The error says what is damaged.
Expected<std::vector<CubinKernel>, Error> read_cubin(std::span<const std::byte> image);

}  // namespace tunesmith::codegen::cuda
