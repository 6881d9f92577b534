// BlockPlan: what has to be known of one kernel before its text can be written: how many blocks and threads, what each
// thread does in which phase, where barriers stand, where buffers lie. Internal to the folder.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "codegen/cuda/program.h"
#include "ir/affine.h"

namespace tunesmith::codegen::cuda {

/// Where the elements of a register buffer lie: thread (x, y, z) holds those at x * stride[0] + y * stride[1] +
/// z * stride[2] + offset, at place `offset` of its own array of `size` elements.
struct RegisterPlan {
  Dim3 stride{0, 0, 0};
  std::int64_t size = 0;
};

struct BlockPlan {
  Dim3 grid{1, 1, 1}, block{1, 1, 1};
  std::map<ir::BufferId, std::int64_t> shared_offset;  // bytes
  std::int64_t shared_bytes = 0;
  std::map<ir::BufferId, RegisterPlan> registers;  // that live across phases
  std::map<ir::BufferId, bool> used;               // of the nest's arguments and workspace: whether it is written
  std::set<const ir::StmtNode*> barrier_before;    // phases
  ir::VarRanges ranges;                            // of all variables
  bool is_narrow = true;                           // 32 bits are enough for every index

  std::int64_t threads() const { return block[0] * block[1] * block[2]; }
};

/// 0, 1, 2 for x, y, z. REQUIRES: a loop over blocks or threads.
std::size_t dimension(ir::LoopKind kind);
/// True where a statement around which threads go together is given to them: a loop over threads, or a statement without
/// any, which the first thread does alone.
bool is_phase(const ir::Stmt& statement);
/// The dimensions that a phase's threads are told apart by.
std::array<bool, 3> thread_dimensions(const ir::Stmt& phase);

Expected<BlockPlan, Error> plan_block(const ir::LoopNest& nest, const ir::Stmt& kernel);

}  // namespace tunesmith::codegen::cuda
