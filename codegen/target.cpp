#include "codegen/target.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hwloc.h>
#include <sched.h>

#include <algorithm>

#include "codegen/llvm/host.h"

namespace tunesmith::codegen {
namespace {

class Topology {
 public:
  Topology() {
    hwloc_topology_init(&topology_);
    hwloc_topology_load(topology_);
  }
  ~Topology() { hwloc_topology_destroy(topology_); }
  Topology(const Topology&) = delete;
  Topology& operator=(const Topology&) = delete;

  std::int64_t cache_bytes(hwloc_obj_type_t type) const {
    const hwloc_obj_t cache = hwloc_get_obj_by_type(topology_, type, 0);
    return cache != nullptr ? static_cast<std::int64_t>(cache->attr->cache.size) : 0;
  }
  int count(hwloc_obj_type_t type) const { return std::max(0, hwloc_get_nbobjs_by_type(topology_, type)); }

  /// Physical cores of which at least one hardware thread is in the process's affinity mask.
  int allowed_cores() const {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
    int cores = 0;
    for (int i = 0; i < count(HWLOC_OBJ_CORE); ++i) {
      const hwloc_obj_t core = hwloc_get_obj_by_type(topology_, HWLOC_OBJ_CORE, static_cast<unsigned>(i));
      bool usable = false;
      unsigned cpu = 0;
      hwloc_bitmap_foreach_begin(cpu, core->cpuset) usable =
          usable || (cpu < CPU_SETSIZE && CPU_ISSET(cpu, &allowed));
      hwloc_bitmap_foreach_end();
      cores += usable ? 1 : 0;
    }
    return std::max(1, cores > 0 ? cores : CPU_COUNT(&allowed));
  }

 private:
  hwloc_topology_t topology_ = nullptr;
};

CpuTarget detect() {
  CpuTarget target;
  const HostIsa isa = host_isa();
  target.microarchitecture = isa.name;
  target.features = isa.features;
  auto has = [&](const char* feature) {
    return std::ranges::find(isa.features, feature) != isa.features.end();
  };
  target.vector_bytes = has("+avx512f") ? 64 : has("+avx") ? 32 : 16;
  target.vector_registers = has("+avx512f") ? 32 : 16;

  const Topology topology;
  target.cores = topology.allowed_cores();
  if (const auto bytes = topology.cache_bytes(HWLOC_OBJ_L1CACHE); bytes > 0) target.l1_bytes = bytes;
  if (const auto bytes = topology.cache_bytes(HWLOC_OBJ_L2CACHE); bytes > 0) target.l2_bytes = bytes;
  target.l3_bytes = topology.cache_bytes(HWLOC_OBJ_L3CACHE);
  target.numa_nodes = std::max(1, topology.count(HWLOC_OBJ_NUMANODE));
  return target;
}

}  // namespace

CpuTarget host_cpu_target() {
  static const CpuTarget target = detect();
  return target;
}

std::string to_string(const CpuTarget& target) {
  return fmt::format(
      "kind=cpu\nmicroarchitecture={}\nfeatures={}\nvector_bytes={}\nvector_registers={}\ncores={}\nl1_bytes="
      "{}\nl2_bytes={}\n"
      "l3_bytes={}\nnuma_nodes={}\n",
      target.microarchitecture, fmt::join(target.features, ","), target.vector_bytes, target.vector_registers,
      target.cores, target.l1_bytes, target.l2_bytes, target.l3_bytes, target.numa_nodes);
}

}  // namespace tunesmith::codegen
