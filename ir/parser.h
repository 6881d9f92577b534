// Internal: parsing of names, declarations and expressions, shared by the parsers of kernels and nests.
// Members throw ParseFault; the entry points in parse.cpp catch it. Not thread-safe.
#pragma once

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/kernel.h"
#include "ir/lexer.h"

namespace tunesmith::ir {

class Parser {
 public:
  explicit Parser(std::string_view text) : tokens_(tokenize(text)) {}

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool at(std::string_view text) const;
  bool accept(std::string_view text);
  void expect(std::string_view text);
  void expect_end();
  std::string_view expect_name(std::string_view what);
  std::int64_t expect_integer(std::string_view what);
  [[noreturn]] void fail(std::string_view expected) const;
  [[noreturn]] void fail_at(const Token& token, const std::string& message) const;

  /// Defines a variable; `again`: a name that is known already keeps its id (sibling scopes of a nest).
  VarId define_var(std::string_view name, DType dtype, bool again = false);
  BufferId find_buffer(std::string_view name, const Token& place) const;

  /// An expression, with its `let $0 = …; … in` in front where it has one.
  Expr root();
  /// A root of index dtype.
  Expr index_root();
  std::vector<Expr> roots_in_parentheses();
  std::vector<BufferId> buffers_in_parentheses();

  bool at_symbol() const { return peek().kind == Token::Kind::name && peek().text == "symbol"; }
  Symbol symbol();
  bool at_buffer() const;
  void buffer();

  VarTable vars;
  std::vector<Buffer> buffers;

 private:
  struct VarEntry {
    VarId id;
    DType dtype;
  };

  Expr expr(int precedence);
  Expr prefix();
  Expr primary();
  Expr number(bool negative);
  Expr call(const Token& function);
  Expr load_of(const Token& name);
  Expr checked_unary(UnaryOp op, Expr a, const Token& place);
  Expr checked_binary(BinaryOp op, Expr a, Expr b, const Token& place);
  Expr checked_select(Expr condition, Expr yes, Expr no, const Token& place);
  Expr bit_cast_call();
  std::vector<Expr> arguments(std::size_t count);
  Layout layout();

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::unordered_map<std::string, VarEntry> var_names_;
  std::unordered_map<std::string, BufferId> buffer_names_;
  std::unordered_map<std::string, Expr> lets_;
};

}  // namespace tunesmith::ir
