#include "tools/cli/explain_cuda.h"

#include <fmt/format.h>

#include <algorithm>

#include "codegen/cuda/cubin.h"
#include "codegen/cuda/device_table.h"
#include "codegen/cuda/nvrtc.h"
#include "codegen/cuda/prelude.h"
#include "codegen/cuda/program.h"
#include "ir/print.h"
#include "schedules/apply.h"
#include "schedules/space.h"
#include "tools/cli/common.h"

namespace tunesmith::tools {
namespace {

using namespace codegen::cuda;

schedules::GpuMachine machine_of(const CudaDevice& device) {
  schedules::GpuMachine machine;
  machine.multiprocessors = device.multiprocessors;
  machine.warp_size = device.warp_size;
  machine.max_threads_per_block = device.max_threads_per_block;
  machine.threads_per_multiprocessor = device.threads_per_multiprocessor;
  machine.registers_per_multiprocessor = device.registers_per_multiprocessor;
  machine.shared_bytes_per_block = device.shared_bytes_per_block;
  machine.shared_bytes_per_multiprocessor = device.shared_bytes_per_multiprocessor;
  machine.l2_bytes = device.l2_bytes;
  machine.clock_ghz = device.clock_ghz;
  machine.f32_operations_per_cycle = f32_operations_per_cycle(device);
  if (device.bandwidth_gb_s > 0) machine.dram_gbps = device.bandwidth_gb_s;
  return machine;
}

/// Blocks that a multiprocessor holds at once.
std::int64_t resident_blocks(const CubinKernel& kernel, const CudaLaunch& launch, const CudaDevice& device) {
  const std::int64_t threads = launch.block[0] * launch.block[1] * launch.block[2];
  const std::int64_t warps = (threads + device.warp_size - 1) / device.warp_size;
  const std::int64_t registers = (kernel.registers + 7) / 8 * 8 * device.warp_size * warps;
  const std::int64_t shared = launch.shared_bytes + 1024;
  return std::min({device.threads_per_multiprocessor / std::max<std::int64_t>(1, warps * device.warp_size),
                   device.registers_per_multiprocessor / std::max<std::int64_t>(1, registers),
                   device.shared_bytes_per_multiprocessor / shared, std::int64_t{32}});
}

std::string facts(const CudaProgram& program, const TypicalDevice& target, double model_ns) {
  std::string text = fmt::format("  {} ({}), the model says {:.1f} us, not measured\n", target.device.name, target.architecture, model_ns / 1e3);
  static const auto nvrtc = Nvrtc::load();  // once for all kernels of a model
  if (!nvrtc) return text + "  not compiled: " + nvrtc.error().message + "\n";
  const Cubin cubin = value_or_throw(nvrtc->compile(device_prelude() + program.source, target.architecture));
  const std::vector<CubinKernel> kernels = value_or_throw(read_cubin(cubin.image));
  for (const auto* launches : {&program.prepare, &program.run})
    for (const CudaLaunch& launch : *launches) {
      const auto kernel = std::ranges::find(kernels, launch.kernel, &CubinKernel::name);
      if (kernel == kernels.end()) throw_user_error("the compiler lost kernel '{}'", launch.kernel);
      const std::int64_t blocks = launch.grid[0] * launch.grid[1] * launch.grid[2];
      const std::int64_t resident = resident_blocks(*kernel, launch, target.device);
      text += fmt::format("  {}: {} blocks of {}x{}x{} threads, {} registers, {} bytes of shared memory\n", launch.kernel, blocks,
                          launch.block[0], launch.block[1], launch.block[2], kernel->registers, launch.shared_bytes);
      text += fmt::format("    {} a multiprocessor at once, {:.2f} waves; {} instructions, {} of them multiply-adds\n",
                          plural(static_cast<std::size_t>(resident), "block"),
                          static_cast<double>(blocks) / static_cast<double>(std::max<std::int64_t>(1, resident) * target.device.multiprocessors),
                          kernel->instructions, kernel->count(Opcode::ffma) + kernel->count(Opcode::hmma));
      text += fmt::format("    loads of 16 bytes: {} of {} from global, {} of {} from shared memory{}\n",
                          kernel->wide_count(Opcode::global_load), kernel->count(Opcode::global_load),
                          kernel->wide_count(Opcode::shared_load), kernel->count(Opcode::shared_load),
                          kernel->spills() ? "; registers are spilled" : "");
    }
  return text;
}

}  // namespace

std::string explain_cuda(const ir::Kernel& kernel, std::string_view target, std::string_view show) {
  const std::string_view architecture = target.starts_with("cuda:") ? target.substr(5) : std::string_view{};
  auto device = choose_device(architecture);
  if (!device) throw_user_error("target '{}': {}", target, device.error().message);
  const schedules::Space space = schedules::make_cuda_space(kernel, machine_of(device->device));
  const schedules::Candidate candidate = space.default_candidate();
  const schedules::Schedule schedule = space.to_schedule(candidate);
  if (show == "schedule") return schedules::print_schedule(schedule) + "\n";
  const auto nest = schedules::apply(kernel, schedule);
  if (!nest) throw_user_error("the default schedule does not apply: {}", schedules::render(kernel, schedule, nest.error()));
  if (show == "nest") return ir::print(*nest);
  const CudaProgram program = value_or_throw(make_program(*nest));
  if (show == "source") return program.source;
  return facts(program, *device, space.estimate_ns(candidate));
}

}  // namespace tunesmith::tools
