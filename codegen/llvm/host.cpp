#include "codegen/llvm/host.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>

#include <algorithm>

namespace tunesmith::codegen {

HostIsa host_isa() {
  HostIsa isa;
  isa.name = llvm::sys::getHostCPUName().str();
  for (const auto& feature : llvm::sys::getHostCPUFeatures())
    if (feature.getValue()) isa.features.push_back("+" + feature.getKey().str());
  std::ranges::sort(isa.features);
  return isa;
}

}  // namespace tunesmith::codegen
