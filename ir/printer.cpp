#include "ir/printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "ir/support/check.h"
#include "ir/traverse.h"

namespace tunesmith::ir {
namespace {

constexpr std::array infix_operators = {
    Infix{BinaryOp::bit_or, "|", 1},       Infix{BinaryOp::bit_xor, "^", 2},
    Infix{BinaryOp::bit_and, "&", 3},      Infix{BinaryOp::eq, "==", 4},
    Infix{BinaryOp::ne, "!=", 4},          Infix{BinaryOp::lt, "<", 4},
    Infix{BinaryOp::le, "<=", 4},          Infix{BinaryOp::gt, ">", 4},
    Infix{BinaryOp::ge, ">=", 4},          Infix{BinaryOp::shift_left, "<<", 5},
    Infix{BinaryOp::shift_right, ">>", 5}, Infix{BinaryOp::add, "+", 6},
    Infix{BinaryOp::sub, "-", 6},          Infix{BinaryOp::mul, "*", 7},
    Infix{BinaryOp::div, "/", 7},          Infix{BinaryOp::floor_div, "//", 7},
    Infix{BinaryOp::floor_mod, "%", 7},
};

constexpr std::array<std::string_view, 9> reserved_words = {"true", "false", "inf",  "nan",      "let",
                                                            "in",   "else",  "ahead", "streaming"};

/// Trees up to this many nodes are written in full.
constexpr double let_threshold = 256;

/// Size of `e` as a tree.
double tree_size(const Expr& e, std::unordered_map<const ExprNode*, double>& done) {
  if (auto found = done.find(&e.node()); found != done.end()) return found->second;
  double size = 1;
  for_each_child(e, [&](const Expr& child) { size += tree_size(child, done); });
  done.emplace(&e.node(), size);
  return size;
}

/// `e` with equal sub-expressions made one node.
Expr with_sharing(const Expr& e) {
  std::unordered_multimap<std::uint64_t, Expr> seen;
  return rewrite(e, [&](const Expr& node) -> std::optional<Expr> {
    auto [begin, end] = seen.equal_range(node.hash());
    for (auto it = begin; it != end; ++it)
      if (equal(it->second, node)) return it->second;
    seen.emplace(node.hash(), node);
    return std::nullopt;
  });
}

/// Nodes that have several parents, each after those below it.
void repeated_nodes(const Expr& e, std::unordered_map<const ExprNode*, int>& uses, std::vector<Expr>& order) {
  if (++uses[&e.node()] > 1) return;
  for_each_child(e, [&](const Expr& child) { repeated_nodes(child, uses, order); });
  if (!e.as<Var>() && !e.as<IntImm>() && !e.as<FloatImm>()) order.push_back(e);
}

std::string float_digits(const FloatImm& n) {
  if (std::isnan(n.value)) return "nan";
  if (std::isinf(n.value)) return n.value < 0 ? "-inf" : "inf";
  const std::string text =
      n.dtype == DType::f32 ? fmt::format("{}", static_cast<float>(n.value)) : fmt::format("{}", n.value);
  const bool looks_integer = text.find_first_not_of("-0123456789") == std::string::npos;
  return looks_integer ? fmt::format("{}.0", text) : text;
}

std::string float_text(const FloatImm& n) {
  const std::string digits = float_digits(n);
  return n.dtype == DType::f32 ? digits : fmt::format("{}:{}", digits, to_string(n.dtype));
}

std::string int_text(const IntImm& n) {
  if (n.dtype == DType::boolean) return n.value ? "true" : "false";
  return n.dtype == index_dtype ? fmt::format("{}", n.value)
                                : fmt::format("{}:{}", n.value, to_string(n.dtype));
}

/// `name`, or name_1, name_2, … : the first that is neither reserved nor in `taken`.
std::string unique_name(const std::string& name, std::unordered_set<std::string>& taken) {
  std::string candidate = name;
  for (int n = 1; is_reserved(candidate) || !taken.insert(candidate).second; ++n)
    candidate = fmt::format("{}_{}", name, n);
  return candidate;
}

}  // namespace

std::span<const Infix> infix_table() { return infix_operators; }

bool is_identifier_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_identifier_part(char c) { return is_identifier_start(c) || (c >= '0' && c <= '9') || c == '.'; }

bool is_reserved(std::string_view word) {
  return std::ranges::find(reserved_words, word) != reserved_words.end();
}

std::string as_identifier(std::string_view name) {
  std::string result;
  for (char c : name) result.push_back(is_identifier_part(c) ? c : '_');
  if (result.empty() || !is_identifier_start(result[0])) result.insert(result.begin(), '_');
  return result;
}

Printer::Printer(const VarTable& vars, const std::vector<Buffer>& buffers) {
  std::unordered_set<std::string> taken_by_vars;
  for (std::uint32_t i = 0; i < vars.size(); ++i)
    vars_.push_back(unique_name(as_identifier(vars.name(VarId{i})), taken_by_vars));
  std::unordered_set<std::string> taken_by_buffers;
  for (const Buffer& buffer : buffers)
    buffers_.push_back(unique_name(as_identifier(buffer.name), taken_by_buffers));
}

std::string Printer::root(const Expr& e) {
  std::unordered_map<const ExprNode*, double> sizes;
  if (tree_size(e, sizes) <= let_threshold) return expr(e, 0);
  const Expr shared = with_sharing(e);
  std::unordered_map<const ExprNode*, int> uses;
  std::vector<Expr> order;
  repeated_nodes(shared, uses, order);
  std::string text;
  for (const Expr& part : order) {
    if (uses[&part.node()] < 2) continue;
    const std::string value = node(part, 0);
    lets_.emplace_back(part, fmt::format("${}", lets_.size()));
    text += fmt::format("{} {} = {}", text.empty() ? "let" : ";", lets_.back().second, value);
  }
  const std::string body = expr(shared, 0);
  lets_.clear();
  return text.empty() ? body : fmt::format("{} in {}", text, body);
}

std::string Printer::roots(std::span<const Expr> list) {
  std::string text;
  for (const Expr& e : list) text += (text.empty() ? "" : ", ") + root(e);
  return text;
}

std::string Printer::type(const Buffer& buffer) {
  std::string text = fmt::format("{}[{}]", to_string(buffer.dtype), roots(buffer.shape));
  if (!buffer.layout.is_row_major()) text += " layout " + to_string(buffer.layout);
  if (buffer.scope != Scope::global) text += fmt::format(" scope {}", to_string(buffer.scope));
  return text;
}

std::string Printer::symbol(const Symbol& symbol) const {
  return fmt::format("symbol {}: min {} max {} divisor {}", name(symbol.var), symbol.min, symbol.max,
                     symbol.divisor);
}

std::string Printer::expr(const Expr& e, int context) {
  for (const auto& [part, name] : lets_)
    if (part.same_as(e)) return name;
  return node(e, context);
}

std::string Printer::call(std::string_view function, std::initializer_list<Expr> operands) {
  std::string text;
  for (const Expr& e : operands) text += (text.empty() ? "" : ", ") + expr(e, 0);
  return fmt::format("{}({})", function, text);
}

std::string Printer::node(const Expr& e, int context) {
  return match(
      e, [&](const IntImm& n) { return int_text(n); }, [&](const FloatImm& n) { return float_text(n); },
      [&](const Var& n) { return name(n.id); },
      [&](const Unary& n) {
        // A minus before a digit reads as a negative constant, so that case is written as a call.
        if (n.op == UnaryOp::neg && !n.a.as<IntImm>() && !n.a.as<FloatImm>())
          return fmt::format("-{}", expr(n.a, unary_precedence));
        if (n.op == UnaryOp::logical_not) return fmt::format("!{}", expr(n.a, unary_precedence));
        return call(to_string(n.op), {n.a});
      },
      [&](const Binary& n) { return binary(n, context); },
      [&](const Select& n) {
        return call("select", {n.condition, n.yes, n.no});
      },
      [&](const Cast& n) { return call(to_string(n.dtype), {n.a}); },
      [&](const BitCast& n) { return fmt::format("bit_cast({}, {})", to_string(n.dtype), expr(n.a, 0)); },
      [&](const Load& n) {
        std::string text;
        for (const Expr& index : n.indices) text += (text.empty() ? "" : ", ") + expr(index, 0);
        return fmt::format("{}[{}]{}", name(n.buffer), text, n.ahead != 0 ? fmt::format(" ahead {}", n.ahead) : "");
      });
}

std::string Printer::binary(const Binary& n, int context) {
  const auto infix = std::ranges::find(infix_operators, n.op, &Infix::op);
  if (infix == infix_operators.end()) return call(to_string(n.op), {n.a, n.b});
  // All operators group to the left; comparisons do not chain.
  const int left = infix->precedence + (infix->precedence == 4 ? 1 : 0);
  const std::string text =
      fmt::format("{} {} {}", expr(n.a, left), infix->symbol, expr(n.b, infix->precedence + 1));
  return infix->precedence < context ? fmt::format("({})", text) : text;
}

}  // namespace tunesmith::ir
