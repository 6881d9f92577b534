// Internal: names and expressions in text form, shared by the printers of kernels and nests.
//
// Every variable and buffer gets an identifier of its own: its name with characters that identifiers
// do not have replaced, and a suffix where the name is taken or reserved. The names depend on the
// tables alone. Not thread-safe.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/kernel.h"

namespace tunesmith::ir {

/// Letters, digits, '_' and '.', starting with a letter or '_'.
bool is_identifier_start(char c);
bool is_identifier_part(char c);
/// Words that expressions begin or end with: no variable or buffer is called so.
bool is_reserved(std::string_view word);
std::string as_identifier(std::string_view name);

class Printer {
 public:
  Printer(const VarTable& vars, const std::vector<Buffer>& buffers);

  const std::string& name(VarId id) const { return vars_.at(index_of(id)); }
  const std::string& name(BufferId id) const { return buffers_.at(index_of(id)); }

  /// One expression. A large one whose parts repeat is written `let $0 = …; $1 = … in …`, so that the
  /// text grows with the number of different parts only.
  std::string root(const Expr& e);
  /// Roots separated by ", ".
  std::string roots(std::span<const Expr> list);
  /// "f32[512, 256]"
  std::string type(const Buffer& buffer);
  /// "symbol n: min 1 max 512 divisor 16"
  std::string symbol(const Symbol& symbol) const;

 private:
  std::string expr(const Expr& e, int context);
  std::string node(const Expr& e, int context);
  std::string binary(const Binary& n, int context);
  std::string call(std::string_view function, std::initializer_list<Expr> operands);

  std::vector<std::string> vars_;
  std::vector<std::string> buffers_;
  std::vector<std::pair<Expr, std::string>> lets_;
};

/// How a binary operator is written between its operands; the others are written as calls.
struct Infix {
  BinaryOp op;
  std::string_view symbol;
  int precedence;  // higher binds tighter
};
std::span<const Infix> infix_table();
inline constexpr int unary_precedence = 100;

}  // namespace tunesmith::ir
