// tunesmith devices: what there is to run on and what it can do.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "codegen/cuda/driver.h"
#include "codegen/cuda/nvrtc.h"
#include "tools/cli/commands.h"
#include "tools/cli/common.h"
#include "tuner/limits.h"

namespace tunesmith::tools {
namespace {

/// What is there of CUDA, and what is not and why.
struct CudaReport {
  Json compilers = Json::array();
  std::vector<codegen::cuda::CudaDevice> devices;
  std::vector<std::string> missing;
  std::string compiler_text;
};

CudaReport look_for_cuda() {
  CudaReport report;
  if (const auto nvrtc = codegen::cuda::Nvrtc::load()) {
    report.compilers.push_back({{"name", "nvrtc"},
                                {"version", nvrtc->version()},
                                {"path", nvrtc->path()},
                                {"architectures", nvrtc->architectures()}});
    report.compiler_text = fmt::format("NVRTC {} ({}) compiles for sm_{}", nvrtc->version(), nvrtc->path(),
                                       fmt::join(nvrtc->architectures(), ", "));
  } else {
    report.missing.push_back(nvrtc.error().message);
  }
  const auto driver = codegen::cuda::load_driver();
  if (!driver) {
    report.missing.push_back(driver.error().message);
  } else if (auto devices = codegen::cuda::find_devices(*driver)) {
    report.devices = std::move(*devices);
  } else {
    report.missing.push_back(devices.error().message);
  }
  return report;
}

Json to_json(const codegen::cuda::CudaDevice& gpu) {
  return {{"target", "cuda:" + gpu.architecture()},
          {"name", gpu.name},
          {"multiprocessors", gpu.multiprocessors},
          {"registers_per_multiprocessor", gpu.registers_per_multiprocessor},
          {"shared_bytes_per_block", gpu.shared_bytes_per_block},
          {"shared_bytes_per_multiprocessor", gpu.shared_bytes_per_multiprocessor},
          {"l2_bytes", gpu.l2_bytes},
          {"memory_bytes", gpu.memory_bytes},
          {"clock_ghz", gpu.clock_ghz},
          {"nominal_bandwidth_gb_s", gpu.bandwidth_gb_s}};
}

void print(const CudaReport& cuda) {
  for (const codegen::cuda::CudaDevice& gpu : cuda.devices) {
    fmt::print("cuda: {}, {}, {} multiprocessors at {:.2f} GHz, {:.0f} GiB\n", gpu.name, gpu.architecture(),
               gpu.multiprocessors, gpu.clock_ghz, static_cast<double>(gpu.memory_bytes) / (1 << 30));
    fmt::print("      shared memory: {} KiB a block; L2 {} MiB; nominal bandwidth {:.0f} GB/s\n",
               gpu.shared_bytes_per_block >> 10, gpu.l2_bytes >> 20, gpu.bandwidth_gb_s);
  }
  if (!cuda.compiler_text.empty()) fmt::print("cuda: {}\n", cuda.compiler_text);
  for (const std::string& missing : cuda.missing) fmt::print("cuda: {}\n", missing);
}

int run_devices(const CommonOptions& options) {
  const tuner::Environment environment = value_or_throw(tuner::host_environment(options.threads, nullptr));
  const tuner::Limits limits = value_or_throw(tuner::measure_limits(environment));
  const codegen::CpuTarget& cpu = environment.target;
  const CudaReport cuda = look_for_cuda();
  if (!options.json.empty()) {
    Json gpus = Json::array();
    for (const codegen::cuda::CudaDevice& gpu : cuda.devices) gpus.push_back(to_json(gpu));
    write_json({{"schema", 1},
                {"devices",
                 {{{"target", "cpu"},
                   {"name", cpu.microarchitecture},
                   {"threads", limits.threads},
                   {"cores", cpu.cores},
                   {"vector_bytes", cpu.vector_bytes},
                   {"vector_registers", cpu.vector_registers},
                   {"l1_bytes", cpu.l1_bytes},
                   {"l2_bytes", cpu.l2_bytes},
                   {"l3_bytes", cpu.l3_bytes},
                   {"numa_nodes", cpu.numa_nodes},
                   {"peak_gflops", limits.flops_per_ns},
                   {"bandwidth_gb_s", limits.bytes_per_ns},
                   {"toolchain", environment.toolchain_text()}}}},
                {"gpus", gpus},
                {"gpu_compilers", cuda.compilers},
                {"missing", cuda.missing}},
               options);
  }
  if (options.json != "-") {
    fmt::print("cpu: {}, {} cores, {}-bit vectors, {} registers\n", cpu.microarchitecture, cpu.cores,
               8 * cpu.vector_bytes, cpu.vector_registers);
    fmt::print("     caches: L1 {} KiB, L2 {} KiB a core, L3 {} KiB shared; NUMA nodes: {}\n", cpu.l1_bytes >> 10,
               cpu.l2_bytes >> 10, cpu.l3_bytes >> 10, cpu.numa_nodes);
    fmt::print("     measured on {} threads: {:.0f} GFLOP/s (f32), {:.1f} GB/s\n", limits.threads,
               limits.flops_per_ns, limits.bytes_per_ns);
    print(cuda);
  }
  return exit_ok;
}

}  // namespace

void add_devices_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<CommonOptions>();
  CLI::App* command = app.add_subcommand("devices", "what there is to run on, with its measured limits");
  command->add_option("--threads", options->threads, "threads to measure with (default: one a physical core)")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  add_json_option(*command, *options);
  command->callback([options, &action] { action = [options] { return run_devices(*options); }; });
}

}  // namespace tunesmith::tools
