#include "ir/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "ir/integer_ops.h"
#include "ir/printer.h"
#include "ir/scalar_ops.h"
#include "ir/support/check.h"

namespace tunesmith::ir {
namespace {

/// Nesting beyond this is refused rather than risked on the stack.
constexpr int max_depth = 1000;

template <class Op>
std::optional<Op> operator_named(std::string_view name, int count) {
  for (int i = 0; i < count; ++i)
    if (to_string(static_cast<Op>(i)) == name) return static_cast<Op>(i);
  return std::nullopt;
}

template <class Enum>
std::optional<Enum> enum_named(std::string_view name, std::initializer_list<Enum> values) {
  for (Enum value : values)
    if (to_string(value) == name) return value;
  return std::nullopt;
}

std::optional<Role> role_named(std::string_view name) {
  return enum_named(name, {Role::input, Role::constant, Role::output, Role::temp, Role::prepared});
}

}  // namespace

bool Parser::at(std::string_view text) const {
  const Token& token = peek();
  return token.text == text && (token.kind == Token::Kind::symbol || token.kind == Token::Kind::name);
}

bool Parser::accept(std::string_view text) {
  if (!at(text)) return false;
  ++at_;
  return true;
}

void Parser::expect(std::string_view text) {
  if (!accept(text)) fail(fmt::format("'{}'", text));
}

void Parser::expect_end() {
  if (peek().kind != Token::Kind::end) fail("the end of the text");
}

std::string_view Parser::expect_name(std::string_view what) {
  if (peek().kind != Token::Kind::name) fail(what);
  return tokens_[at_++].text;
}

std::int64_t Parser::expect_integer(std::string_view what) {
  const bool negative = accept("-");
  if (peek().kind != Token::Kind::integer) fail(what);
  return int_value(number(negative));
}

void Parser::fail(std::string_view expected) const {
  const Token& token = peek();
  const std::string found = token.kind == Token::Kind::end ? "the end" : fmt::format("'{}'", token.text);
  fail_at(token, fmt::format("expected {}, found {}", expected, found));
}

void Parser::fail_at(const Token& token, const std::string& message) const {
  throw ParseFault{fmt::format("line {}, column {}: {}", token.line, token.column, message)};
}

VarId Parser::define_var(std::string_view name, DType dtype, bool again) {
  const auto found = var_names_.find(std::string(name));
  if (found == var_names_.end()) {
    const VarId id = vars.add(std::string(name));
    var_names_.emplace(std::string(name), VarEntry{id, dtype});
    return id;
  }
  if (!again) fail_at(peek(), fmt::format("expected a new variable, '{}' is defined already", name));
  found->second.dtype = dtype;
  return found->second.id;
}

BufferId Parser::find_buffer(std::string_view name, const Token& place) const {
  const auto found = buffer_names_.find(std::string(name));
  if (found == buffer_names_.end())
    fail_at(place, fmt::format("expected a buffer, '{}' is not declared", name));
  return found->second;
}

Expr Parser::root() {
  lets_.clear();
  if (at("let") && peek(1).text.starts_with('$')) {
    do {
      ++at_;  // "let" or ";"
      const std::string name(expect_name("a name that starts with '$'"));
      expect("=");
      lets_[name] = expr(0);
    } while (at(";"));
    expect("in");
  }
  return expr(0);
}

Expr Parser::index_root() {
  const Token place = peek();
  Expr e = root();
  if (e.dtype() != index_dtype)
    fail_at(place, fmt::format("expected an i64 expression, this is {}", to_string(e.dtype())));
  return e;
}

std::vector<Expr> Parser::roots_in_parentheses() {
  std::vector<Expr> list;
  expect("(");
  do list.push_back(root());
  while (accept(","));
  expect(")");
  return list;
}

std::vector<BufferId> Parser::buffers_in_parentheses() {
  std::vector<BufferId> list;
  expect("(");
  while (!at(")")) {
    if (!list.empty()) expect(",");
    const Token place = peek();
    list.push_back(find_buffer(expect_name("a buffer"), place));
  }
  expect(")");
  return list;
}

Expr Parser::expr(int precedence) {
  if (++depth_ > max_depth) fail_at(peek(), "expected an expression that is nested less deeply");
  Expr left = prefix();
  for (;;) {
    const auto table = infix_table();
    const auto infix = std::ranges::find_if(
        table, [&](const Infix& i) { return peek().kind == Token::Kind::symbol && peek().text == i.symbol; });
    if (infix == table.end() || infix->precedence < precedence) break;
    const Token place = tokens_[at_++];
    left = checked_binary(infix->op, left, expr(infix->precedence + 1), place);
  }
  --depth_;
  return left;
}

Expr Parser::prefix() {
  const Token place = peek();
  if (accept("-")) {
    if (peek().kind == Token::Kind::integer || peek().kind == Token::Kind::floating) return number(true);
    return checked_unary(UnaryOp::neg, expr(unary_precedence), place);
  }
  if (accept("!")) return checked_unary(UnaryOp::logical_not, expr(unary_precedence), place);
  return primary();
}

Expr Parser::primary() {
  const Token token = peek();
  if (token.kind == Token::Kind::integer || token.kind == Token::Kind::floating) return number(false);
  if (accept("(")) {
    Expr e = expr(0);
    expect(")");
    return e;
  }
  if (token.kind != Token::Kind::name) fail("an expression");
  ++at_;
  if (token.text == "true" || token.text == "false") return int_imm(token.text == "true", DType::boolean);
  if (at("[")) return load_of(token);
  if (at("(")) return call(token);
  if (const auto found = lets_.find(std::string(token.text)); found != lets_.end()) return found->second;
  const auto found = var_names_.find(std::string(token.text));
  if (found == var_names_.end())
    fail_at(token, fmt::format("expected a variable, '{}' is not defined", token.text));
  return var(found->second.id, found->second.dtype);
}

Expr Parser::number(bool negative) {
  const Token token = tokens_[at_++];
  if (token.kind == Token::Kind::integer) {
    std::uint64_t magnitude = 0;
    const auto result = std::from_chars(token.text.data(), token.text.data() + token.text.size(), magnitude);
    if (result.ec != std::errc{} || magnitude > (std::uint64_t{1} << 63) - (negative ? 0 : 1))
      fail_at(token, fmt::format("expected an integer of 64 bits, found '{}'", token.text));
    const auto value = static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
    if (token.dtype != DType::u64 && is_integer(token.dtype) && wrap_integer(token.dtype, value) != value)
      fail_at(token, fmt::format("expected an integer of {}, found '{}'", to_string(token.dtype), token.text));
    return int_imm(value, token.dtype);
  }
  double value = std::numeric_limits<double>::quiet_NaN();
  if (token.text == "inf") {
    value = std::numeric_limits<double>::infinity();
  } else if (token.text != "nan") {
    const auto result = std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
    if (result.ec != std::errc{})
      fail_at(token, fmt::format("expected a number in range, found '{}'", token.text));
  }
  return float_imm(negative ? -value : value, token.dtype);
}

std::vector<Expr> Parser::arguments(std::size_t count) {
  std::vector<Expr> list;
  expect("(");
  do list.push_back(expr(0));
  while (list.size() < count && accept(","));
  if (list.size() < count) fail(fmt::format("',' and {} operands in total", count));
  expect(")");
  return list;
}

Expr Parser::call(const Token& function) {
  if (function.text == "bit_cast") return bit_cast_call();
  if (function.text == "select") {
    const auto a = arguments(3);
    return checked_select(a[0], a[1], a[2], function);
  }
  if (const auto dtype = dtype_from_string(function.text)) return cast(*dtype, arguments(1)[0]);
  if (const auto op = operator_named<UnaryOp>(function.text, unary_op_count))
    return checked_unary(*op, arguments(1)[0], function);
  if (const auto op = operator_named<BinaryOp>(function.text, binary_op_count)) {
    const auto a = arguments(2);
    return checked_binary(*op, a[0], a[1], function);
  }
  fail_at(function, fmt::format("expected an operator or dtype, '{}' is neither", function.text));
}

Expr Parser::bit_cast_call() {
  expect("(");
  const Token place = peek();
  const auto dtype = dtype_from_string(expect_name("a dtype"));
  if (!dtype) fail_at(place, "expected a dtype");
  expect(",");
  Expr a = expr(0);
  expect(")");
  if (bit_width(*dtype) != bit_width(a.dtype()))
    fail_at(place, fmt::format("expected a dtype as wide as {}", to_string(a.dtype())));
  return bit_cast(*dtype, std::move(a));
}

Expr Parser::load_of(const Token& name) {
  const BufferId id = find_buffer(name.text, name);
  std::vector<Expr> indices;
  expect("[");
  while (!at("]")) {
    if (!indices.empty()) expect(",");
    const Token place = peek();
    indices.push_back(expr(0));
    if (indices.back().dtype() != index_dtype) fail_at(place, "expected an i64 index");
  }
  expect("]");
  const std::int64_t ahead = accept("ahead") ? expect_integer("a distance") : 0;
  return load(id, buffers[index_of(id)].dtype, std::move(indices), ahead);
}

Expr Parser::checked_unary(UnaryOp op, Expr a, const Token& place) {
  if (!has_operator(op, a.dtype()))
    fail_at(place,
            fmt::format("expected an operand that has {}, not {}", to_string(op), to_string(a.dtype())));
  return unary(op, std::move(a));
}

Expr Parser::checked_binary(BinaryOp op, Expr a, Expr b, const Token& place) {
  if (a.dtype() != b.dtype())
    fail_at(place, fmt::format("expected operands of one dtype, found {} and {}", to_string(a.dtype()),
                               to_string(b.dtype())));
  if (!has_operator(op, a.dtype()))
    fail_at(place,
            fmt::format("expected operands that have {}, not {}", to_string(op), to_string(a.dtype())));
  return binary(op, std::move(a), std::move(b));
}

Expr Parser::checked_select(Expr condition, Expr yes, Expr no, const Token& place) {
  if (condition.dtype() != DType::boolean) fail_at(place, "expected a boolean condition");
  if (yes.dtype() != no.dtype()) fail_at(place, "expected two values of one dtype");
  return select(std::move(condition), std::move(yes), std::move(no));
}

Symbol Parser::symbol() {
  Symbol s;
  expect("symbol");
  s.var = define_var(expect_name("the name of a symbol"), index_dtype);
  expect(":");
  expect("min");
  s.min = expect_integer("the least value");
  expect("max");
  s.max = expect_integer("the largest value");
  expect("divisor");
  s.divisor = expect_integer("the divisor");
  return s;
}

bool Parser::at_buffer() const {
  return peek().kind == Token::Kind::name && role_named(peek().text) && peek(1).kind == Token::Kind::name;
}

void Parser::buffer() {
  Buffer b;
  b.role = *role_named(expect_name("a role"));
  const Token place = peek();
  b.name = expect_name("the name of a buffer");
  expect(":");
  const auto dtype = dtype_from_string(expect_name("a dtype"));
  if (!dtype) fail_at(place, fmt::format("expected a dtype for '{}'", b.name));
  b.dtype = *dtype;
  expect("[");
  while (!at("]")) {
    if (!b.shape.empty()) expect(",");
    b.shape.push_back(index_root());
  }
  expect("]");
  if (accept("layout")) b.layout = layout();
  if (accept("scope")) {
    const auto scope =
        enum_named(expect_name("a scope"), {Scope::global, Scope::local, Scope::registers, Scope::shared});
    if (!scope) fail_at(place, fmt::format("expected global, local, registers or shared for '{}'", b.name));
    b.scope = *scope;
  }
  if (!buffer_names_.emplace(b.name, BufferId{static_cast<std::uint32_t>(buffers.size())}).second)
    fail_at(place, fmt::format("expected a new buffer, '{}' is declared already", b.name));
  buffers.push_back(std::move(b));
}

Layout Parser::layout() {
  Layout result;
  expect("(");
  do {
    LayoutDim entry;
    const Token place = peek();
    const std::int64_t dim = expect_integer("a dimension");
    if (dim < 0 || dim > std::numeric_limits<std::int32_t>::max()) fail_at(place, "expected a dimension");
    entry.dim = static_cast<std::int32_t>(dim);
    if (accept(":")) entry.block = expect_integer("a block size");
    result.order.push_back(entry);
  } while (accept(","));
  expect(")");
  return result;
}

}  // namespace tunesmith::ir
