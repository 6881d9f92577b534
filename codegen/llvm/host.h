// Name and instruction set of the CPU that this process runs on, as LLVM calls them.
#pragma once

#include <string>
#include <vector>

namespace tunesmith::codegen {

struct HostIsa {
  std::string name;                   // e.g. "znver4"
  std::vector<std::string> features;  // "+avx512f", …: the usable ones, sorted
};
HostIsa host_isa();

}  // namespace tunesmith::codegen
