// CudaProgram: a scheduled nest as CUDA C++ text and the launches that run it.
//
// What a nest must look like: each statement at its root is a kernel. Block loops stand around everything else of it, each
// dimension once, with constant extents. Inside, whole loops over threads are *phases*, one after the other: all threads of a
// block do what a phase says, and meet at a barrier before a phase that touches what another thread touched. Loops and
// branches around phases are taken by all threads alike. So a nest keeps its meaning when its loops run one after another, and
// the interpreter is the reference of what the GPU does.
//
// Buffers of scope `shared` are parts of the block's memory, which overlap where they do not live at the same time; buffers
// of scope `registers` that live across phases have a part for each thread: every access must take the same elements to the
// same thread. Buffers of scope `local` are memory of the block around phases, and of the thread inside of them.
//
// The text uses the names of the prelude (prelude.h) and nothing else: with the prelude of the emulator in its place the
// same text runs on a CPU.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ir/loop_nest.h"
#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::codegen::cuda {

using Dim3 = std::array<std::int64_t, 3>;  // x, y, z

struct CudaLaunch {
  std::string kernel;  // the function's name
  Dim3 grid{1, 1, 1}, block{1, 1, 1};
  std::int64_t shared_bytes = 0;      // of a block, asked for at launch
  /// The function's parameters, each a pointer that is aligned to 16 bytes at least: arguments and workspace of the nest.
  std::vector<ir::BufferId> buffers;
};

struct CudaProgram {
  std::string source;
  std::vector<CudaLaunch> prepare;  // in order
  std::vector<CudaLaunch> run;
};

/// The error names the loop or buffer that no GPU can run as it is asked to.
Expected<CudaProgram, Error> make_program(const ir::LoopNest& nest);

}  // namespace tunesmith::codegen::cuda
