// Graph: a flat, hash-consed SSA of tensor operators.
//
// Operators are appended in dependency order and never change; adding an operator that exists already
// (same kind, inputs, attributes) returns the old one, so ids are deterministic and common
// sub-expressions are shared on insertion. Dimensions are index expressions over the graph's symbols:
// constants for static shapes. A graph is a value; it is not synchronised.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "ir/host_tensor.h"
#include "ir/kernel.h"
#include "ir/support/hash.h"

namespace tunesmith::tracer {

using ir::DType;
using ir::HostTensor;

using Dim = ir::Expr;
using Shape = std::vector<Dim>;

/// A static shape as dims, and back. to_ints throws a UserError that says which dimension is symbolic.
Shape to_shape(const std::vector<std::int64_t>& dims);
std::vector<std::int64_t> to_ints(const Shape& shape);
bool is_static(const Shape& shape);

struct TensorType {
  DType dtype = DType::f32;
  Shape shape;
};

/// e.g. "f32[batch, 64]".
std::string to_string(const TensorType& type, const ir::VarTable& symbols);

enum class OpKind : std::uint8_t {
  input,
  constant,
  // elementwise with NumPy broadcasting; composites (gelu, clip, batch norm, …) are built of these
  unary,
  binary,
  where,
  cast,
  bit_cast,
  // data movement
  reshape,
  transpose,
  expand,
  concat,
  slice,
  pad,
  tile,
  gather,
  gather_elements,
  gather_nd,
  iota,
  resize,
  // contractions and windows
  matmul,
  conv,
  conv_transpose,
  winograd_input,
  winograd_output,
  pool,
  // reductions and normalisations
  reduce,
  arg_reduce,
  softmax,
  log_softmax,
  layer_norm,
  rms_norm,
  group_norm,
  lrn,
  // no loop-nest form: run by their reference implementation
  cumulate,
  scatter_elements,
  scatter_nd,
  top_k,
};
inline constexpr int op_kind_count = static_cast<int>(OpKind::top_k) + 1;
std::string_view to_string(OpKind kind);

/// Named attributes of an operator, sorted by name. Which ones an operator takes is said by its row
/// in the operator table.
using AttributeValue =
    std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>>;
class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<std::string, AttributeValue>> list);

  Attributes& set(std::string name, AttributeValue value);
  bool has(std::string_view name) const;
  // REQUIRES: present with that type.
  std::int64_t get_int(std::string_view name) const;
  double get_float(std::string_view name) const;
  const std::string& get_text(std::string_view name) const;
  const std::vector<std::int64_t>& get_ints(std::string_view name) const;
  const std::vector<double>& get_floats(std::string_view name) const;
  std::int64_t get_int_or(std::string_view name, std::int64_t otherwise) const;

  const std::vector<std::pair<std::string, AttributeValue>>& entries() const { return entries_; }
  bool operator==(const Attributes&) const = default;

 private:
  const AttributeValue* find(std::string_view name) const;
  template <class T>
  const T& get(std::string_view name) const;
  std::vector<std::pair<std::string, AttributeValue>> entries_;
};

enum class OpId : std::uint32_t {};
constexpr std::uint32_t index_of(OpId id) { return static_cast<std::uint32_t>(id); }

/// One output of an operator.
struct ValueId {
  OpId op{};
  std::uint32_t output = 0;
  auto operator<=>(const ValueId&) const = default;
};

struct Op {
  OpKind kind{};
  std::vector<ValueId> inputs;
  Attributes attributes;
  std::vector<TensorType> outputs;
  HostTensor data;   // kind == constant
  std::string name;  // for messages (input name, ONNX node name); no part of the identity save for inputs
};

/// What messages call an operator: its kind, and its name where it has one.
std::string describe(OpKind kind, std::string_view name);

class Graph {
 public:
  /// Symbolic dimensions of the graph by name; adding a name again returns the same variable.
  Dim symbol(std::string name);
  ValueId add_input(std::string name, TensorType type);
  ValueId add_constant(HostTensor data, std::string name = {});
  /// Infers the output types by the operator table. Throws a UserError that names the operator, `name` and
  /// the operand at fault when the operands do not fit. Without a name the operator takes that of the
  /// innermost NameScope.
  ValueId add(OpKind kind, std::vector<ValueId> inputs, Attributes attributes = {}, std::string name = {});
  void add_output(std::string name, ValueId value);

  const Op& op(OpId id) const { return ops_.at(index_of(id)); }
  const Op& op(ValueId value) const { return op(value.op); }
  const TensorType& type(ValueId value) const { return op(value.op).outputs.at(value.output); }
  const std::vector<Op>& ops() const { return ops_; }
  std::size_t size() const { return ops_.size(); }

  struct Output {
    std::string name;
    ValueId value;
  };
  const std::vector<OpId>& inputs() const { return inputs_; }
  const std::vector<Output>& outputs() const { return outputs_; }
  const ir::VarTable& symbols() const { return symbols_; }

  /// Readable text, one operator a line.
  std::string print() const;

  /// While it lives, operators that are added without a name get this one, the ONNX node's that they are part
  /// of. Scopes nest. REQUIRES: the graph outlives it and is not moved.
  class [[nodiscard]] NameScope {
   public:
    NameScope(Graph& graph, std::string name)
        : graph_(graph), around_(std::exchange(graph.scope_name_, std::move(name))) {}
    ~NameScope() { graph_.scope_name_ = std::move(around_); }
    NameScope(const NameScope&) = delete;
    NameScope& operator=(const NameScope&) = delete;

   private:
    Graph& graph_;
    std::string around_;
  };

 private:
  ValueId intern(Op op);

  std::vector<Op> ops_;
  std::vector<OpId> inputs_;
  std::vector<Output> outputs_;
  ir::VarTable symbols_;
  std::unordered_multimap<std::uint64_t, OpId> interned_;
  std::string scope_name_;
};

}  // namespace tunesmith::tracer
