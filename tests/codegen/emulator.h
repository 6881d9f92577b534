// Runs generated CUDA text on a CPU: see emulator_prelude.h for what it finds out. The text is compiled by the compiler that
// built the tests.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "codegen/cuda/program.h"
#include "ir/host_tensor.h"
#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::codegen::cuda::testing {

/// In which order the threads of a block, and the blocks, run.
enum class ThreadOrder : std::uint8_t { forwards, backwards, random };
inline constexpr ThreadOrder thread_orders[] = {ThreadOrder::forwards, ThreadOrder::backwards, ThreadOrder::random};

struct EmulatedArgument {
  std::string name;
  std::span<std::byte> data;
  bool is_written = false;
};

/// Kernels compiled for the CPU.
class EmulatedModule {
 public:
  /// `kernels`: the functions of `source`, each with its number of parameters.
  struct Function {
    std::string name;
    std::size_t parameters = 0;
  };
  static Expected<EmulatedModule, Error> compile(const std::string& source, const std::vector<Function>& kernels);

  /// What went wrong; empty: nothing.
  std::string launch(std::size_t kernel, const std::vector<EmulatedArgument>& arguments, const Dim3& grid, const Dim3& block,
                     std::int64_t shared_bytes, ThreadOrder order, std::uint64_t seed) const;

 private:
  std::shared_ptr<void> library_;
};

/// A whole nest: its `prepare`, then its body. The outputs in calling order, or what went wrong. `first`: the place of its
/// first function in the module.
Expected<std::vector<ir::HostTensor>, Error> emulate(const ir::LoopNest& nest, const CudaProgram& program,
                                                     const EmulatedModule& module, const std::vector<ir::HostTensor>& inputs,
                                                     ThreadOrder order, std::uint64_t seed, std::size_t first = 0);
/// The functions of a program.
std::vector<EmulatedModule::Function> functions(const CudaProgram& program);

}  // namespace tunesmith::codegen::cuda::testing
