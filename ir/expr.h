// Scalar expressions: immutable shared nodes.
//
// Invariants: a node never changes after construction; its hash and dtype are computed once; equal
// structure gives equal hash. Index arithmetic has dtype i64 (index_dtype); operators on two integer
// constants fold at once. Thread safety: nodes are immutable and may be shared between threads.
//
// Each node lists its fields once (`fields`); equality, hash, children and rewriting derive from it.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "ir/dtype.h"

namespace tunesmith::ir {

/// A variable: loop index, let-bound value, symbolic dimension or combiner argument. Names live in
/// the VarTable of the kernel or nest.
enum class VarId : std::uint32_t {};
/// A buffer of a kernel or nest: the index into its buffer list.
enum class BufferId : std::uint32_t {};

constexpr std::uint32_t index_of(VarId id) { return static_cast<std::uint32_t>(id); }
constexpr std::uint32_t index_of(BufferId id) { return static_cast<std::uint32_t>(id); }

enum class UnaryOp : std::uint8_t {
  neg,
  abs,
  sign,
  floor,
  ceil,
  round_even,
  trunc,
  sqrt,
  rsqrt,
  reciprocal,
  exp,
  exp2,
  expm1,
  log,
  log2,
  log1p,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  asinh,
  acosh,
  atanh,
  tanh,
  sigmoid,
  erf,
  is_nan,
  is_inf,
  logical_not,
  bit_not,
};
inline constexpr int unary_op_count = static_cast<int>(UnaryOp::bit_not) + 1;

/// Semantics: `div` is true division on floats and truncates on integers; `mod` is C's remainder
/// (fmod on floats); floor_div and floor_mod round towards minus infinity. `min(a, b)` is
/// `a < b ? a : b` and `max(a, b)` is `a > b ? a : b`: with a NaN the second operand is the result.
/// Comparisons give boolean; and/or/xor are logical on boolean and bitwise on integers.
enum class BinaryOp : std::uint8_t {
  add,
  sub,
  mul,
  div,
  mod,
  floor_div,
  floor_mod,
  min,
  max,
  pow,
  atan2,
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  bit_and,
  bit_or,
  bit_xor,
  shift_left,
  shift_right,
};
inline constexpr int binary_op_count = static_cast<int>(BinaryOp::shift_right) + 1;

/// Stable names used by print and parse, e.g. "exp", "floor_div".
std::string_view to_string(UnaryOp op);
std::string_view to_string(BinaryOp op);
bool is_comparison(BinaryOp op);

struct ExprNode;

/// Handle to an immutable expression node; null when default-constructed.
class Expr {
 public:
  Expr() = default;
  /// An index constant.
  Expr(std::int64_t value);  // NOLINT: implicit by intent, so that `i * 4 + 1` reads as arithmetic
  Expr(int value) : Expr(static_cast<std::int64_t>(value)) {}  // NOLINT

  explicit operator bool() const { return node_ != nullptr; }
  const ExprNode& node() const { return *node_; }
  /// The node as T, or null when it is of another kind.
  template <class T>
  const T* as() const;

  DType dtype() const;
  std::uint64_t hash() const;
  /// The same node in memory (cheap; equality is `equal`).
  bool same_as(const Expr& other) const { return node_ == other.node_; }

 private:
  friend Expr make_expr(ExprNode node);
  std::shared_ptr<const ExprNode> node_;
};

struct IntImm {
  DType dtype;
  std::int64_t value;
  static constexpr auto fields = std::tuple{&IntImm::dtype, &IntImm::value};
};
struct FloatImm {
  DType dtype;
  double value;
  static constexpr auto fields = std::tuple{&FloatImm::dtype, &FloatImm::value};
};
struct Var {
  VarId id;
  DType dtype = index_dtype;
  static constexpr auto fields = std::tuple{&Var::id, &Var::dtype};
};
struct Unary {
  UnaryOp op;
  Expr a;
  static constexpr auto fields = std::tuple{&Unary::op, &Unary::a};
};
struct Binary {
  BinaryOp op;
  Expr a, b;
  static constexpr auto fields = std::tuple{&Binary::op, &Binary::a, &Binary::b};
};
/// `condition ? yes : no`. Lazy: a load on the side not taken is not performed, so that a condition
/// may guard an index that is out of range (padding, concatenation).
struct Select {
  Expr condition, yes, no;
  static constexpr auto fields = std::tuple{&Select::condition, &Select::yes, &Select::no};
};
struct Cast {
  DType dtype;
  Expr a;
  static constexpr auto fields = std::tuple{&Cast::dtype, &Cast::a};
};
/// The same bits as another type of equal width.
struct BitCast {
  DType dtype;
  Expr a;
  static constexpr auto fields = std::tuple{&BitCast::dtype, &BitCast::a};
};
/// Reads a buffer. In a kernel: one index a logical dimension. In a loop nest: one flat index, and perhaps a hint: what lies
/// `ahead` elements behind it is to be brought into the caches meanwhile, whether it is in the buffer or not; 0: nothing.
struct Load {
  BufferId buffer;
  DType dtype;
  std::vector<Expr> indices;
  std::int64_t ahead = 0;
  static constexpr auto fields = std::tuple{&Load::buffer, &Load::dtype, &Load::indices, &Load::ahead};
};

struct ExprNode {
  using Kind = std::variant<IntImm, FloatImm, Var, Unary, Binary, Select, Cast, BitCast, Load>;
  Kind kind;
  DType dtype = index_dtype;
  std::uint64_t hash = 0;
};

template <class T>
const T* Expr::as() const {
  return node_ ? std::get_if<T>(&node_->kind) : nullptr;
}

template <class... Lambdas>
struct Overloaded : Lambdas... {
  using Lambdas::operator()...;
};

/// Calls the lambda that takes the node's kind; exhaustive at compile time. REQUIRES: not null.
template <class... Lambdas>
decltype(auto) match(const Expr& e, Lambdas&&... lambdas) {
  return std::visit(Overloaded<std::decay_t<Lambdas>...>{std::forward<Lambdas>(lambdas)...}, e.node().kind);
}

// Construction. Operand dtypes must agree (TS_CHECK) save for select's boolean condition.
Expr int_imm(std::int64_t value, DType dtype = index_dtype);
Expr float_imm(double value, DType dtype = DType::f32);
/// A constant of any dtype from a double (integers truncate).
Expr constant(double value, DType dtype);
Expr var(VarId id, DType dtype = index_dtype);
Expr unary(UnaryOp op, Expr a);
Expr binary(BinaryOp op, Expr a, Expr b);
Expr select(Expr condition, Expr yes, Expr no);
/// Returns `a` itself where it has that dtype already.
Expr cast(DType dtype, Expr a);
Expr bit_cast(DType dtype, Expr a);
Expr load(BufferId buffer, DType dtype, std::vector<Expr> indices, std::int64_t ahead = 0);

Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, Expr b);
/// True division; for index arithmetic use floor_div and floor_mod.
Expr operator/(Expr a, Expr b);
Expr operator-(Expr a);
Expr floor_div(Expr a, Expr b);
Expr floor_mod(Expr a, Expr b);
Expr min(Expr a, Expr b);
Expr max(Expr a, Expr b);
Expr operator<(Expr a, Expr b);
Expr operator<=(Expr a, Expr b);
Expr operator>(Expr a, Expr b);
Expr operator>=(Expr a, Expr b);
Expr logical_and(Expr a, Expr b);
Expr logical_or(Expr a, Expr b);
Expr logical_not(Expr a);

/// Structural equality; fast on equal handles and different hashes.
bool equal(const Expr& a, const Expr& b);
/// The value of an integer constant, or null.
const std::int64_t* as_int(const Expr& e);
/// REQUIRES: `e` is an integer constant.
std::int64_t int_value(const Expr& e);
bool is_int(const Expr& e, std::int64_t value);

}  // namespace tunesmith::ir
