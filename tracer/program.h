// Program: a graph cut into fused kernels, in execution order. The result of the graph passes and what the
// tuner and the runtime work on.
//
// Invariants: every value that a step reads is a graph input, a constant, an output of an earlier step or
// an alias of one of these; every graph output is too. Values that are neither inside one kernel only nor
// aliases are written by exactly one step. A program is a value; it is not synchronised.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "tracer/graph.h"

namespace tunesmith::tracer {

/// One step of the program: a kernel, or an operator without a loop-nest form that its reference runs.
struct ProgramStep {
  std::string name;   // from the operators in it, e.g. "conv+relu"
  ir::Kernel kernel;  // canonical; meaningless for host steps
  bool is_host = false;
  OpId host_op{};               // is_host
  std::vector<ValueId> inputs;  // in the kernel's calling order (constants included)
  std::vector<ValueId> outputs;
  std::vector<OpId> ops;  // the operators that it covers
  /// How many steps of the program have the same canonical kernel (0 for host steps).
  int weight = 0;
};

struct Program {
  Graph graph;
  std::vector<ProgramStep> steps;
  /// Memory layout of values that are not row-major between steps: always a permutation. Inputs and outputs
  /// of the graph and of host steps are row-major.
  struct ValueLayout {
    ValueId value;
    ir::Layout layout;
  };
  std::vector<ValueLayout> layouts;
  /// Values that no step writes because they are the same bytes as another one: a reshape of a row-major
  /// value, or a transpose that undoes the layout of its source. `source` may be an alias itself, a graph
  /// input or a constant. In ascending order of `value`.
  struct Alias {
    ValueId value;
    ValueId source;
  };
  std::vector<Alias> aliases;

  ir::Layout layout_of(ValueId value) const;
  /// The value that owns the bytes of `value`: itself, or what the aliases lead to.
  ValueId storage_of(ValueId value) const;
};

struct FuseOptions {
  bool fuse = true;            // false: one kernel an operator (for comparison and debugging)
  bool choose_layouts = true;  // false: everything row-major
  ir::Numerics numerics = ir::Numerics::strict;
};

/// The pipeline of graph passes, in order: fold constants, simplify, cheapen arithmetic, fold scales into
/// weights, choose Winograd convolutions (fast numerics only), remove what is unused, choose layouts, fuse.
/// REQUIRES: a graph with static shapes (bind its symbols first).
Program make_program(const Graph& graph, const FuseOptions& options = {});

/// A copy with symbols replaced by numbers (by name). Throws a UserError for a name that the graph does not
/// have.
Graph bind_symbols(const Graph& graph, const std::unordered_map<std::string, std::int64_t>& values);

/// Runs the program with the interpreter of kernels and the reference of host operators: slow, for tests of
/// the graph passes. `inputs` in the order of program.graph.inputs(); outputs in the order of
/// program.graph.outputs(). Throws a UserError where an input does not have the type of the graph's input.
std::vector<HostTensor> interpret_program(const Program& program, std::span<const HostTensor> inputs);

/// Readable text: one line a step with its operators and values, then layouts and aliases.
std::string print(const Program& program);

}  // namespace tunesmith::tracer
