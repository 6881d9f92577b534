// Internal: evaluation of expressions over stored buffers, shared by both interpreters.
//
// compile() turns an expression into a flat program once; run() evaluates it. A sub-expression that is
// shared is evaluated at most once a run, and a select evaluates one side only. The first failure is
// kept in error(); after it values are meaningless and callers stop. Not thread-safe.
#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/host_tensor.h"
#include "ir/kernel.h"
#include "ir/scalar_ops.h"

namespace tunesmith::ir {

/// The contents of one buffer while a kernel or nest runs.
class Storage {
 public:
  /// Contents given from outside: read only, all written.
  void bind(const Buffer& buffer, std::vector<std::int64_t> logical_shape, HostTensor contents);
  /// Fresh undefined contents.
  void allocate(const Buffer& buffer, std::vector<std::int64_t> logical_shape);
  /// The buffer goes out of scope; its memory is kept for the next allocate().
  void end_life() { live_ = false; }

  bool live() const { return live_; }
  std::int64_t size() const { return tensor_.size(); }
  /// Place of a logical index; -1 when it is out of range.
  std::int64_t place(std::span<const std::int64_t> index) const;
  bool written(std::int64_t place) const {
    return written_.empty() || written_[static_cast<std::size_t>(place)];
  }
  bool read_only() const { return read_only_; }
  Scalar read(std::int64_t place) const;
  void write(std::int64_t place, Scalar value);
  const HostTensor& tensor() const { return tensor_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }

 private:
  struct PhysicalDim {
    std::size_t dim;
    std::int64_t divisor, block, stride;  // (index / divisor) % block * stride; block 0: no modulus
  };
  std::vector<std::int64_t> set_shape(const Buffer& buffer, std::vector<std::int64_t> logical_shape);

  HostTensor tensor_;
  std::byte* data_ = nullptr;
  DType dtype_ = DType::f32;
  bool is_float_ = true;
  bool read_only_ = false;
  bool live_ = false;
  std::size_t element_bytes_ = 4;
  std::vector<char> written_;
  std::vector<std::int64_t> shape_;
  std::vector<PhysicalDim> dims_;
};

class Evaluator {
 public:
  /// `flat_indices`: loads have one flat index (nests) rather than one a logical dimension (kernels).
  Evaluator(const VarTable& vars, const std::vector<Buffer>& buffers, bool flat_indices);

  using Program = std::size_t;
  Program compile(const Expr& e);
  Scalar run(Program program);
  std::int64_t run_int(Program program) { return run(program).i; }
  /// Compiles and runs once.
  std::int64_t evaluate_int(const Expr& e) { return run_int(compile(e)); }

  void set(VarId id, Scalar value) { values_[index_of(id)] = value; }
  void set_int(VarId id, std::int64_t value) { values_[index_of(id)].i = value; }
  Storage& storage(BufferId id) { return storage_[index_of(id)]; }

  /// Values of the extents of a buffer.
  std::vector<std::int64_t> shape_of(const Buffer& buffer);
  void store(BufferId buffer, std::span<const std::int64_t> index, Scalar value);

  bool failed() const { return !error_.empty(); }
  const std::string& error() const { return error_; }
  void fail(std::string message);

 private:
  struct Node {
    enum class Kind : std::uint8_t { constant, variable, unary, binary, select, cast, bit_cast, load };
    Kind kind = Kind::constant;
    bool shared = false;
    DType dtype = index_dtype;    // of the result
    DType operand = index_dtype;  // of the operands
    UnaryOp unary{};
    BinaryOp binary{};
    std::uint32_t a = 0, b = 0, c = 0;  // operands; variable id; buffer id
    std::vector<std::uint32_t> indices;
    Scalar value{};  // a constant, or the value computed in run `stamp`
    std::uint64_t stamp = 0;
  };

  std::uint32_t add(const Expr& e, std::unordered_map<const ExprNode*, std::uint32_t>& done);
  Node translate(const Expr& e, std::unordered_map<const ExprNode*, std::uint32_t>& done);
  void check_operator(bool known, std::string_view name, DType dtype);
  Scalar value_of(std::uint32_t node);
  Scalar compute(const Node& node);
  Scalar load(const Node& node);
  std::int64_t checked_place(BufferId buffer, std::span<const std::int64_t> index, bool is_store);

  const std::vector<Buffer>& buffers_;
  bool flat_indices_;
  std::vector<Node> nodes_;
  std::vector<Scalar> values_;
  std::vector<Storage> storage_;
  std::uint64_t stamp_ = 0;
  std::string error_;
};

/// Finds the values of symbols from the shapes of the arguments, where an extent is c * symbol + d.
/// Fails where a tensor does not fit its buffer or a symbol stays unknown.
void bind_arguments(Evaluator& evaluator, const std::vector<Buffer>& buffers, const VarTable& vars,
                    std::span<const Symbol> symbols, std::span<const BufferId> inputs,
                    std::span<const HostTensor> tensors);

}  // namespace tunesmith::ir
