// CpuTarget: what the code generator, the schedule space and the analytic model know of a CPU.
// Canonical text form for keys; filled from hwloc and cpuid.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tunesmith::codegen {

struct CpuTarget {
  std::string microarchitecture;      // LLVM's name, e.g. "znver4"
  std::vector<std::string> features;  // usable ISA features, sorted, e.g. "+avx512f"
  std::int32_t vector_bytes = 16;     // widest useful vector register
  std::int32_t vector_registers = 16;
  std::int32_t cores = 1;  // physical cores allowed by the process's affinity
  std::int64_t l1_bytes = 32 << 10;
  std::int64_t l2_bytes = 256 << 10;  // per core
  std::int64_t l3_bytes = 0;          // shared; 0: none
  std::int32_t numa_nodes = 1;

  std::int32_t lanes(std::int32_t element_bytes) const { return vector_bytes / element_bytes; }
};

/// The machine that this process runs on.
CpuTarget host_cpu_target();

/// Canonical text, one `name=value` a line: what storage keys hash.
std::string to_string(const CpuTarget& target);

}  // namespace tunesmith::codegen
