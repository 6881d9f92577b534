#include "ir/expr.h"

#include <fmt/format.h>

#include <array>

#include "ir/fields.h"
#include "ir/integer_ops.h"
#include "ir/support/check.h"

namespace tunesmith::ir {
namespace {

constexpr std::array<std::string_view, unary_op_count> unary_names = {
    "neg",        "abs",     "sign", "floor",  "ceil",   "round_even",  "trunc",   "sqrt",  "rsqrt",
    "reciprocal", "exp",     "exp2", "expm1",  "log",    "log2",        "log1p",   "sin",   "cos",
    "tan",        "asin",    "acos", "atan",   "sinh",   "cosh",        "asinh",   "acosh", "atanh",
    "tanh",       "sigmoid", "erf",  "is_nan", "is_inf", "logical_not", "bit_not",
};
constexpr std::array<std::string_view, binary_op_count> binary_names = {
    "add", "sub",     "mul",    "div",     "mod",        "floor_div",   "floor_mod", "min",
    "max", "pow",     "atan2",  "eq",      "ne",         "lt",          "le",        "gt",
    "ge",  "bit_and", "bit_or", "bit_xor", "shift_left", "shift_right",
};

template <class Names>
constexpr bool all_named(const Names& names) {
  for (std::string_view name : names)
    if (name.empty()) return false;
  return true;
}
static_assert(all_named(unary_names) && all_named(binary_names));

bool is_integral(DType dtype) { return is_integer(dtype) || dtype == DType::boolean; }

DType unary_dtype(UnaryOp op, DType a) {
  switch (op) {
    case UnaryOp::is_nan:
    case UnaryOp::is_inf: return DType::boolean;
    case UnaryOp::logical_not:
      TS_CHECK(a == DType::boolean, "logical_not of a value that is not boolean");
      return DType::boolean;
    case UnaryOp::bit_not: TS_CHECK(is_integer(a), "bit_not of a value that is not an integer"); return a;
    default: return a;
  }
}

/// x + 0, 0 + x, x - 0, x * 1, 1 * x, x * 0, 0 * x, floor_div(x, 1), floor_mod(x, 1) on integers.
Expr fold_identity(BinaryOp op, const Expr& a, const Expr& b) {
  switch (op) {
    case BinaryOp::add:
      if (is_int(a, 0)) return b;
      return is_int(b, 0) ? a : Expr{};
    case BinaryOp::sub: return is_int(b, 0) ? a : Expr{};
    case BinaryOp::mul:
      if (is_int(a, 1) || is_int(b, 0)) return b;
      return is_int(b, 1) || is_int(a, 0) ? a : Expr{};
    case BinaryOp::floor_div: return is_int(b, 1) ? a : Expr{};
    case BinaryOp::floor_mod: return is_int(b, 1) ? int_imm(0, b.dtype()) : Expr{};
    default: return {};
  }
}

Expr fold_integers(BinaryOp op, const Expr& a, const Expr& b) {
  const DType dtype = a.dtype();
  if (!is_integral(dtype)) return {};
  const auto* x = as_int(a);
  const auto* y = as_int(b);
  if (x && y) {
    if (auto value = integer_binary(op, dtype, *x, *y))
      return int_imm(*value, is_comparison(op) ? DType::boolean : dtype);
    return {};
  }
  return is_integer(dtype) ? fold_identity(op, a, b) : Expr{};
}

}  // namespace

std::string_view to_string(UnaryOp op) { return unary_names[static_cast<std::size_t>(op)]; }
std::string_view to_string(BinaryOp op) { return binary_names[static_cast<std::size_t>(op)]; }
bool is_comparison(BinaryOp op) { return op >= BinaryOp::eq && op <= BinaryOp::ge; }

Expr::Expr(std::int64_t value) : Expr(int_imm(value)) {}

DType Expr::dtype() const {
  TS_CHECK(node_, "dtype of a null expression");
  return node_->dtype;
}
std::uint64_t Expr::hash() const { return node_ ? node_->hash : 0; }

Expr make_expr(ExprNode node) {
  node.hash = std::visit([&](const auto& n) { return detail::hash_node(n, node.kind.index()); }, node.kind);
  Expr e;
  e.node_ = std::make_shared<const ExprNode>(std::move(node));
  return e;
}

Expr int_imm(std::int64_t value, DType dtype) {
  TS_CHECK(is_integral(dtype), "an integer constant needs an integer or boolean dtype");
  return make_expr({IntImm{dtype, wrap_integer(dtype, value)}, dtype});
}

Expr float_imm(double value, DType dtype) {
  TS_CHECK(is_float(dtype), "a float constant needs a float dtype");
  std::byte element[8];
  store_double(dtype, element, value);
  return make_expr({FloatImm{dtype, load_double(dtype, element)}, dtype});
}

Expr constant(double value, DType dtype) {
  if (is_float(dtype)) return float_imm(value, dtype);
  std::byte element[8];
  store_double(dtype, element, value);
  return int_imm(load_integer(dtype, element), dtype);
}

Expr var(VarId id, DType dtype) { return make_expr({Var{id, dtype}, dtype}); }

Expr unary(UnaryOp op, Expr a) {
  const DType dtype = unary_dtype(op, a.dtype());
  if (const auto* value = as_int(a)) {
    if (op == UnaryOp::neg && is_integer(dtype))
      return int_imm(static_cast<std::int64_t>(-static_cast<std::uint64_t>(*value)), dtype);
    if (op == UnaryOp::logical_not) return int_imm(!*value, dtype);
    if (op == UnaryOp::bit_not) return int_imm(~*value, dtype);
  }
  return make_expr({Unary{op, std::move(a)}, dtype});
}

Expr binary(BinaryOp op, Expr a, Expr b) {
  TS_CHECK(a.dtype() == b.dtype(),
           fmt::format("{} of {} and {}", to_string(op), to_string(a.dtype()), to_string(b.dtype())));
  if (Expr folded = fold_integers(op, a, b)) return folded;
  const DType dtype = is_comparison(op) ? DType::boolean : a.dtype();
  return make_expr({Binary{op, std::move(a), std::move(b)}, dtype});
}

Expr select(Expr condition, Expr yes, Expr no) {
  TS_CHECK(condition.dtype() == DType::boolean, "the condition of a select is not boolean");
  TS_CHECK(yes.dtype() == no.dtype(),
           fmt::format("select between {} and {}", to_string(yes.dtype()), to_string(no.dtype())));
  const DType dtype = yes.dtype();
  return make_expr({Select{std::move(condition), std::move(yes), std::move(no)}, dtype});
}

Expr cast(DType dtype, Expr a) {
  if (a.dtype() == dtype) return a;
  return make_expr({Cast{dtype, std::move(a)}, dtype});
}

Expr bit_cast(DType dtype, Expr a) {
  TS_CHECK(bit_width(dtype) == bit_width(a.dtype()), "bit_cast between dtypes of different width");
  if (a.dtype() == dtype) return a;
  return make_expr({BitCast{dtype, std::move(a)}, dtype});
}

Expr load(BufferId buffer, DType dtype, std::vector<Expr> indices, std::int64_t ahead) {
  for (const Expr& i : indices) TS_CHECK(i.dtype() == index_dtype, "an index of a load is not i64");
  return make_expr({Load{buffer, dtype, std::move(indices), ahead}, dtype});
}

Expr operator+(Expr a, Expr b) { return binary(BinaryOp::add, std::move(a), std::move(b)); }
Expr operator-(Expr a, Expr b) { return binary(BinaryOp::sub, std::move(a), std::move(b)); }
Expr operator*(Expr a, Expr b) { return binary(BinaryOp::mul, std::move(a), std::move(b)); }
Expr operator/(Expr a, Expr b) { return binary(BinaryOp::div, std::move(a), std::move(b)); }
Expr operator-(Expr a) { return unary(UnaryOp::neg, std::move(a)); }
Expr floor_div(Expr a, Expr b) { return binary(BinaryOp::floor_div, std::move(a), std::move(b)); }
Expr floor_mod(Expr a, Expr b) { return binary(BinaryOp::floor_mod, std::move(a), std::move(b)); }
Expr min(Expr a, Expr b) { return binary(BinaryOp::min, std::move(a), std::move(b)); }
Expr max(Expr a, Expr b) { return binary(BinaryOp::max, std::move(a), std::move(b)); }
Expr operator<(Expr a, Expr b) { return binary(BinaryOp::lt, std::move(a), std::move(b)); }
Expr operator<=(Expr a, Expr b) { return binary(BinaryOp::le, std::move(a), std::move(b)); }
Expr operator>(Expr a, Expr b) { return binary(BinaryOp::gt, std::move(a), std::move(b)); }
Expr operator>=(Expr a, Expr b) { return binary(BinaryOp::ge, std::move(a), std::move(b)); }
Expr logical_and(Expr a, Expr b) { return binary(BinaryOp::bit_and, std::move(a), std::move(b)); }
Expr logical_or(Expr a, Expr b) { return binary(BinaryOp::bit_or, std::move(a), std::move(b)); }
Expr logical_not(Expr a) { return unary(UnaryOp::logical_not, std::move(a)); }

bool equal(const Expr& a, const Expr& b) {
  if (a.same_as(b)) return true;
  if (!a || !b || a.hash() != b.hash() || a.dtype() != b.dtype()) return false;
  return std::visit(
      [](const auto& x, const auto& y) {
        if constexpr (std::is_same_v<decltype(x), decltype(y)>)
          return detail::equal_nodes(x, y);
        else
          return false;
      },
      a.node().kind, b.node().kind);
}

const std::int64_t* as_int(const Expr& e) {
  const auto* imm = e.as<IntImm>();
  return imm ? &imm->value : nullptr;
}

std::int64_t int_value(const Expr& e) {
  const auto* value = as_int(e);
  TS_CHECK(value, "an integer constant was expected");
  return *value;
}

bool is_int(const Expr& e, std::int64_t value) {
  const auto* constant = as_int(e);
  return constant && *constant == value;
}

}  // namespace tunesmith::ir
