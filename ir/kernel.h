// Kernel: the unit of tuning, a fused region as a list of stages in dependency order.
//
// Meaning of an unscheduled kernel: its stages one after another, each over its full axes.
// A stage computes its output buffers at every point of its spatial axes:
//   without reduction:  out[s...] = values(s...)
//   with reduction:     state = identity; for r...: state = combine(state, values(s..., r...));
//                       out[s...] = state            (one state component per output buffer)
// Invariants (checked by verify()): a stage reads only inputs and outputs of earlier stages; the output
// buffer's logical shape equals the extents of the spatial axes; every var is defined once in the
// kernel; extents are positive constants once all symbols are bound.
// A kernel is a value; expressions inside are shared and immutable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ir/buffer.h"
#include "ir/expr.h"

namespace tunesmith::ir {

/// Names of variables; VarId indexes it.
class VarTable {
 public:
  VarId add(std::string name) {
    names_.push_back(std::move(name));
    return VarId{static_cast<std::uint32_t>(names_.size() - 1)};
  }
  const std::string& name(VarId id) const { return names_.at(index_of(id)); }
  std::size_t size() const { return names_.size(); }

 private:
  std::vector<std::string> names_;
};

struct Axis {
  VarId var{};
  Expr extent;
};

enum class CombinerKind : std::uint8_t { sum, prod, min, max, tuple };
std::string_view to_string(CombinerKind kind);

/// How a reduction joins a value to its state. The plain kinds have one component and their well-known
/// meaning; `tuple` spells out everything (arg-reductions, online softmax):
/// new_state[c] = update[c] over the vars `state` and `value`.
struct Combiner {
  CombinerKind kind = CombinerKind::sum;
  std::vector<Expr> identity;  // one a component, constant
  // kind == tuple only:
  std::vector<VarId> state;  // one a component; used in `update` as var(state[c], dtype of output c)
  std::vector<VarId> value;
  std::vector<Expr> update;
  /// `update` merges two partial states too (state op state): rfactor and split reductions are legal.
  bool associative = true;
};
/// The combiner of a plain kind for states of `dtype`, with its identity.
Combiner plain_combiner(CombinerKind kind, DType dtype);
/// The expression state (+) value of component `c`, with the given operands in place of the vars.
std::vector<Expr> combine(const Combiner& combiner, const std::vector<Expr>& state,
                          const std::vector<Expr>& value);

struct Stage {
  std::string name;               // for people and for schedules: unique in the kernel
  std::vector<BufferId> outputs;  // one a state component
  std::vector<Axis> spatial;
  std::vector<Axis> reduce;  // empty: no combiner
  std::vector<Expr> values;  // one an output
  std::optional<Combiner> combiner;

  bool is_reduction() const { return combiner.has_value(); }
};

/// strict: the reference's order of reduction up to reassociation of associative combiners, no
/// approximations beyond the stated ULP bounds of math functions. fast: algorithm variants that change
/// rounding (Winograd) are allowed too.
enum class Numerics : std::uint8_t { strict, fast };
std::string_view to_string(Numerics numerics);

/// A symbolic dimension: range and a number that divides it.
struct Symbol {
  VarId var{};
  std::int64_t min = 1;
  std::int64_t max = 0;  // 0: unbounded
  std::int64_t divisor = 1;
};

struct Kernel {
  std::string name;  // for people; no part of the identity
  VarTable vars;
  std::vector<Buffer> buffers;
  std::vector<Stage> stages;
  std::vector<Symbol> symbols;
  Numerics numerics = Numerics::strict;

  const Buffer& buffer(BufferId id) const { return buffers.at(index_of(id)); }
  Buffer& buffer(BufferId id) { return buffers.at(index_of(id)); }
  BufferId add_buffer(Buffer buffer) {
    buffers.push_back(std::move(buffer));
    return BufferId{static_cast<std::uint32_t>(buffers.size() - 1)};
  }
};

/// The kernel's arguments in calling order: inputs and constants in buffer order, then outputs in
/// buffer order.
std::vector<BufferId> arguments(const Kernel& kernel);
/// The stage that writes `buffer`, or null for inputs.
const Stage* producer_of(const Kernel& kernel, BufferId buffer);
/// Floating-point operations of one run; symbols must be bound. Each unary, binary, compare or select on
/// floats counts 1 a point, and so does the combiner (a product that is summed counts 2); equal parts of a
/// value count once; loads and casts are free. Of the sides of a select that the place of a point decides, the
/// longer one counts.
double flop_count(const Kernel& kernel);
/// Bytes of all arguments, each counted once.
double argument_bytes(const Kernel& kernel);

}  // namespace tunesmith::ir
