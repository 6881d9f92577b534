// tunesmith devices: what there is to run on and what it can do.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "tools/cli/commands.h"
#include "tools/cli/common.h"
#include "tuner/limits.h"

namespace tunesmith::tools {
namespace {

int run_devices(const CommonOptions& options) {
  const tuner::Environment environment = value_or_throw(tuner::host_environment(options.threads, nullptr));
  const tuner::Limits limits = value_or_throw(tuner::measure_limits(environment));
  const codegen::CpuTarget& cpu = environment.target;
  if (!options.json.empty())
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
                   {"toolchain", environment.toolchain_text()}}}}},
               options);
  if (options.json != "-") {
    fmt::print("cpu: {}, {} cores, {}-bit vectors, {} registers\n", cpu.microarchitecture, cpu.cores,
               8 * cpu.vector_bytes, cpu.vector_registers);
    fmt::print("     caches: L1 {} KiB, L2 {} KiB a core, L3 {} KiB shared; NUMA nodes: {}\n", cpu.l1_bytes >> 10,
               cpu.l2_bytes >> 10, cpu.l3_bytes >> 10, cpu.numa_nodes);
    fmt::print("     measured on {} threads: {:.0f} GFLOP/s (f32), {:.1f} GB/s\n", limits.threads,
               limits.flops_per_ns, limits.bytes_per_ns);
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
