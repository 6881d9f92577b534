#include "codegen/cuda/print_expr.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>

#include "ir/support/check.h"

namespace tunesmith::codegen::cuda {
namespace {

using ir::BinaryOp;
using ir::DType;
using ir::Expr;

std::string float_text(DType dtype, double value) {
  if (dtype == DType::f64) {
    if (std::isnan(value)) return "ts_nan<double>()";
    if (std::isinf(value)) return value > 0 ? "ts_infinity<double>()" : "-ts_infinity<double>()";
    return fmt::format("{:#.17g}", value);
  }
  std::string text = std::isnan(value)   ? "ts_nan<float>()"
                     : std::isinf(value) ? (value > 0 ? "ts_infinity<float>()" : "-ts_infinity<float>()")
                                         : fmt::format("{:#.9g}f", value);
  return dtype == DType::f32 ? text : fmt::format("{}({})", value_type(dtype), text);
}

std::string integer_text(DType dtype, std::int64_t value) {
  if (dtype == DType::boolean) return value != 0 ? "true" : "false";
  if (dtype == ir::index_dtype) {
    if (value == INT64_MIN) return "(-9223372036854775807LL - 1)";
    const std::string text = fmt::format("{}{}", value, value > INT32_MAX || value < INT32_MIN ? "LL" : "");
    return value < 0 ? "(" + text + ")" : text;
  }
  if (dtype == DType::u64) return fmt::format("{}ULL", static_cast<std::uint64_t>(value));
  return fmt::format("(({})({}LL))", value_type(dtype), value);
}

const char* infix(BinaryOp op, DType dtype) {
  const bool is_boolean = dtype == DType::boolean;
  switch (op) {
    case BinaryOp::eq: return "==";
    case BinaryOp::ne: return "!=";
    case BinaryOp::lt: return "<";
    case BinaryOp::le: return "<=";
    case BinaryOp::gt: return ">";
    case BinaryOp::ge: return ">=";
    case BinaryOp::bit_and: return is_boolean ? "&&" : "&";
    case BinaryOp::bit_or: return is_boolean ? "||" : "|";
    case BinaryOp::bit_xor: return is_boolean ? "!=" : "^";
    default: break;
  }
  const bool wraps = ir::is_integer(dtype) && dtype != ir::index_dtype;  // what overflows is not left to the compiler
  switch (op) {
    case BinaryOp::add: return wraps ? nullptr : "+";
    case BinaryOp::sub: return wraps ? nullptr : "-";
    case BinaryOp::mul: return wraps ? nullptr : "*";
    case BinaryOp::div: return ir::is_float(dtype) ? "/" : nullptr;
    default: return nullptr;
  }
}

const char* name_of(BinaryOp op) {
  switch (op) {
    case BinaryOp::add: return "ts_add";
    case BinaryOp::sub: return "ts_sub";
    case BinaryOp::mul: return "ts_mul";
    case BinaryOp::div: return "ts_div";
    case BinaryOp::mod: return "ts_mod";
    case BinaryOp::floor_div: return "ts_floor_div";
    case BinaryOp::floor_mod: return "ts_floor_mod";
    case BinaryOp::min: return "ts_min";
    case BinaryOp::max: return "ts_max";
    case BinaryOp::pow: return "ts_pow";
    case BinaryOp::atan2: return "ts_atan2";
    case BinaryOp::shift_left: return "ts_shift_left";
    case BinaryOp::shift_right: return "ts_shift_right";
    default: TS_UNREACHABLE("an infix operator");
  }
}

}  // namespace

std::string value_type(DType dtype) {
  switch (dtype) {
    case DType::f64: return "double";
    case DType::f32: return "float";
    case DType::f16: return "ts_half";
    case DType::bf16: return "ts_bfloat";
    case DType::i8: return "signed char";
    case DType::i16: return "short";
    case DType::i32: return "int";
    case DType::i64: return "long long";
    case DType::u8: return "unsigned char";
    case DType::u16: return "unsigned short";
    case DType::u32: return "unsigned";
    case DType::u64: return "unsigned long long";
    case DType::boolean: return "bool";
    default: throw PrintError{fmt::format("the GPU back end has no {}", ir::to_string(dtype))};
  }
}

std::string memory_type(DType dtype) { return dtype == DType::boolean ? "unsigned char" : value_type(dtype); }

bool ExprPrinter::is_natural(const Expr& e) const {
  const auto range = ir::bounds(e, ranges);
  return range && range->min >= 0;
}

std::string ExprPrinter::binary(const ir::Binary& n, const Expr& e) const {
  const DType dtype = n.a.dtype();
  const std::string a = (*this)(n.a), b = (*this)(n.b);
  if (e.dtype() == ir::index_dtype && is_natural(n.a)) {
    const std::int64_t* divisor = ir::as_int(n.b);
    const bool is_positive = divisor != nullptr ? *divisor > 0 : false;
    if (n.op == BinaryOp::floor_div && is_positive) return fmt::format("({} / {})", a, b);
    if (n.op == BinaryOp::floor_mod && is_positive) return fmt::format("({} % {})", a, b);
  }
  // Data of the index type may overflow, and then wraps; indices do not.
  const bool may_wrap = e.dtype() == ir::index_dtype && !ir::bounds(e, ranges) &&
                        (n.op == BinaryOp::add || n.op == BinaryOp::sub || n.op == BinaryOp::mul);
  if (const char* op = infix(n.op, dtype); op != nullptr && !may_wrap) return fmt::format("({} {} {})", a, op, b);
  if (dtype == ir::index_dtype) {  // operands of one type, whatever literals are
    return fmt::format("{}<ts_index>({}, {})", name_of(n.op), a, b);
  }
  return fmt::format("{}<{}>({}, {})", name_of(n.op), value_type(dtype), a, b);
}

std::string ExprPrinter::operator()(const Expr& e) const {
  if (const auto known = named.find(&e.node()); known != named.end()) return known->second;
  return ir::match(
      e, [&](const ir::IntImm& n) { return integer_text(n.dtype, n.value); },
      [&](const ir::FloatImm& n) { return float_text(n.dtype, n.value); },
      [&](const ir::Var& n) { return variable(n.id); },
      [&](const ir::Unary& n) {
        const std::string a = (*this)(n.a);
        if (n.op == ir::UnaryOp::logical_not) return fmt::format("!{}", a);
        return fmt::format("ts_{}<{}>({})", ir::to_string(n.op), value_type(n.a.dtype()), a);
      },
      [&](const ir::Binary& n) { return binary(n, e); },
      [&](const ir::Select& n) {
        // Literals of the index type are narrower than data of it.
        const char* sides = e.dtype() == ir::index_dtype ? "({} ? ts_index({}) : ts_index({}))" : "({} ? {} : {})";
        return fmt::format(fmt::runtime(sides), (*this)(n.condition), (*this)(n.yes), (*this)(n.no));
      },
      [&](const ir::Cast& n) {
        return fmt::format("ts_cast<{}, {}>({})", value_type(n.dtype), value_type(n.a.dtype()), (*this)(n.a));
      },
      [&](const ir::BitCast& n) {
        return fmt::format("ts_bit_cast<{}, {}>({})", value_type(n.dtype), value_type(n.a.dtype()), (*this)(n.a));
      },
      [&](const ir::Load& n) {
        const std::string at = element(n.buffer, n.indices[0]);
        return n.dtype == DType::boolean ? fmt::format("({} != 0)", at) : at;
      });
}

}  // namespace tunesmith::codegen::cuda
