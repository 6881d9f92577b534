// CompiledModel: a program ready to run: one executable a step, buffers planned into one arena, constant
// packs prepared once.
//
// Thread safety: a run uses the model's arena, so runs of one model happen one after another (a second caller
// waits). The steady state allocates nothing, save for host steps (operators that only their reference runs).
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cache/object_store.h"
#include "codegen/aligned_memory.h"
#include "codegen/executable.h"
#include "codegen/threads/pool.h"
#include "ir/host_tensor.h"
#include "runtime/kernel_loader.h"
#include "tracer/program.h"
#include "tuner/environment.h"
#include "tuner/serve.h"

namespace tunesmith::runtime {

struct ModelOptions {
  tuner::Environment environment;
  std::shared_ptr<cache::ObjectStore> objects;  // compiled code of earlier processes; null: always compile
  std::shared_ptr<codegen::ThreadPool> pool;    // null: one of environment.threads threads for this model
  tracer::FuseOptions fuse;
  ScheduleTexts schedules;  // to use in place of what the database knows
};

/// What became of one step of the program.
struct StepInfo {
  std::string name;
  bool is_host = false;
  tuner::Origin origin = tuner::Origin::fallback;
  std::optional<double> median_ns;  // of the kernel alone, when it was measured
  bool from_object_store = false;
};

class CompiledModel {
 public:
  /// REQUIRES: a graph with static shapes. An error names the step and what the back end refused.
  static Expected<std::unique_ptr<CompiledModel>, Error> build(const tracer::Graph& graph,
                                                               const ModelOptions& options);
  static Expected<std::unique_ptr<CompiledModel>, Error> build(tracer::Program program,
                                                               const ModelOptions& options);

  /// Row-major tensors in the order of the graph's inputs; returns its outputs in order. Throws a UserError
  /// that names the input whose dtype or shape does not fit.
  std::vector<ir::HostTensor> run(std::span<const ir::HostTensor> inputs);
  /// The same on raw memory, 64-byte aligned, sizes as the graph's types say; outputs overlap nothing else.
  /// Throws a UserError that names the input or output that is missing or not aligned. `step_ns`, one number a step,
  /// receives how long each took; empty: they are not timed one by one.
  void run(std::span<const void* const> inputs, std::span<void* const> outputs, std::span<double> step_ns = {});

  const tracer::Program& program() const { return program_; }
  const std::vector<StepInfo>& steps() const { return step_infos_; }
  std::int64_t arena_bytes() const { return arena_bytes_; }
  std::int64_t prepared_bytes() const { return prepared_bytes_; }

 private:
  explicit CompiledModel(tracer::Program program) : program_(std::move(program)) {}
  Expected<void, Error> load(const ModelOptions& options);
  void place_values();
  void prepare_constants();
  void run_step(std::size_t step);
  void run_host_step(std::size_t step);
  void check_pointers(std::span<const void* const> inputs, std::span<void* const> outputs) const;

  /// Where a value lives while the model runs.
  struct Place {
    enum class Kind : std::uint8_t { input, constant, output, arena } kind = Kind::arena;
    std::size_t index = 0;    // of the input or output
    std::int64_t offset = 0;  // in the arena
    const std::byte* constant = nullptr;
  };
  struct Patch {
    std::size_t step = 0;
    std::size_t argument = 0;
    std::size_t index = 0;  // of the graph input or output
  };
  struct OutputCopy {
    Place source;
    std::size_t output = 0;
    std::int64_t bytes = 0;
  };

  tracer::Program program_;
  std::vector<std::shared_ptr<const codegen::Executable>> executables_;  // one a step; null for host steps
  std::vector<StepInfo> step_infos_;
  std::vector<std::vector<void*>> arguments_;  // one list a step
  std::vector<Patch> input_patches_;
  std::vector<Patch> output_patches_;
  std::vector<OutputCopy> output_copies_;
  std::vector<codegen::AlignedMemory> prepared_;
  codegen::AlignedMemory arena_;
  std::int64_t arena_bytes_ = 0;
  std::int64_t prepared_bytes_ = 0;
  std::shared_ptr<codegen::ThreadPool> pool_;
  std::unique_ptr<codegen::ExecutionContext> context_;
  std::mutex run_mutex_;
};

}  // namespace tunesmith::runtime
