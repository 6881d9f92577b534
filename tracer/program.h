// Program: a graph cut into fused kernels, in execution order. The result of the graph passes and what the
// tuner and the runtime work on.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tracer/graph.h"

namespace tunesmith::tracer {

/// One step of the program: a kernel, or an operator without a loop-nest form that its reference runs.
struct ProgramStep {
  std::string name;   // from the operators in it, e.g. "conv+bias+relu"
  ir::Kernel kernel;  // canonical; meaningless for host steps
  bool is_host = false;
  OpId host_op{};               // is_host
  std::vector<ValueId> inputs;  // in the kernel's calling order (constants included)
  std::vector<ValueId> outputs;
  std::vector<OpId> ops;  // the operators that it covers
};

struct Program {
  Graph graph;
  std::vector<ProgramStep> steps;
  /// Memory layout of values that are not row-major between steps.
  struct ValueLayout {
    ValueId value;
    ir::Layout layout;
  };
  std::vector<ValueLayout> layouts;

  ir::Layout layout_of(ValueId value) const;
};

struct FuseOptions {
  bool fuse = true;            // false: one kernel an operator (for comparison and debugging)
  bool choose_layouts = true;  // false: everything row-major
  ir::Numerics numerics = ir::Numerics::strict;
};

/// The pipeline of graph passes, in order: fold constants, fold scales into weights, remove what is unused,
/// choose layouts, fuse. REQUIRES: a graph with static shapes (bind its symbols first).
Program make_program(const Graph& graph, const FuseOptions& options = {});

/// A copy with symbols replaced by numbers (by name). Throws a UserError for a name that the graph does not
/// have.
Graph bind_symbols(const Graph& graph, const std::unordered_map<std::string, std::int64_t>& values);

}  // namespace tunesmith::tracer
