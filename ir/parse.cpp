#include <fmt/format.h>

#include "ir/parser.h"
#include "ir/print.h"
#include "ir/support/check.h"

namespace tunesmith::ir {
namespace {

class KernelParser {
 public:
  explicit KernelParser(std::string_view text) : parser_(text) {}

  Kernel run() {
    parser_.expect("kernel");
    kernel_.name = parser_.expect_name("the name of the kernel");
    if (parser_.accept("fast"))
      kernel_.numerics = Numerics::fast;
    else
      parser_.expect("strict");
    parser_.expect("{");
    while (parser_.at_symbol()) kernel_.symbols.push_back(parser_.symbol());
    while (parser_.at_buffer()) parser_.buffer();
    while (parser_.at("stage")) stage();
    parser_.expect("}");
    parser_.expect_end();
    kernel_.vars = std::move(parser_.vars);
    kernel_.buffers = std::move(parser_.buffers);
    return std::move(kernel_);
  }

 private:
  void stage() {
    Stage s;
    parser_.expect("stage");
    s.name = parser_.expect_name("the name of a stage");
    parser_.expect(":");
    if (parser_.at("(")) {
      s.outputs = parser_.buffers_in_parentheses();
    } else {
      const Token place = parser_.peek();
      s.outputs = {parser_.find_buffer(parser_.expect_name("an output buffer"), place)};
    }
    s.spatial = axes("[", "]");
    parser_.expect("=");
    const auto kind = combiner_kind();
    if (kind) s.reduce = axes("(", ")");
    if (s.outputs.size() == 1)
      s.values = {parser_.root()};
    else
      s.values = parser_.roots_in_parentheses();
    if (kind) s.combiner = combiner(*kind, s);
    kernel_.stages.push_back(std::move(s));
  }

  std::vector<Axis> axes(std::string_view open, std::string_view close) {
    std::vector<Axis> list;
    parser_.expect(open);
    while (!parser_.at(close)) {
      if (!list.empty()) parser_.expect(",");
      const VarId id = parser_.define_var(parser_.expect_name("an axis"), index_dtype);
      parser_.expect(":");
      list.push_back({id, parser_.index_root()});
    }
    parser_.expect(close);
    return list;
  }

  /// "sum(k:4) …": a combiner; "min(x, y)" is an expression.
  std::optional<CombinerKind> combiner_kind() {
    using enum CombinerKind;
    const bool has_axes = parser_.peek(1).text == "(" && parser_.peek(3).text == ":";
    for (CombinerKind kind : {sum, prod, min, max, tuple})
      if (has_axes && parser_.accept(to_string(kind))) return kind;
    return std::nullopt;
  }

  Combiner combiner(CombinerKind kind, const Stage& stage) {
    Combiner c;
    if (kind != CombinerKind::tuple)
      c = plain_combiner(kind, parser_.buffers[index_of(stage.outputs.at(0))].dtype);
    c.kind = kind;
    if (kind == CombinerKind::tuple) {
      parser_.expect("combine");
      c.state = components(stage);
      c.value = components(stage);
      parser_.expect("->");
      c.update = parser_.roots_in_parentheses();
      if (!parser_.at("identity")) parser_.fail("'identity'");
    }
    if (parser_.accept("identity")) c.identity = parser_.roots_in_parentheses();
    c.associative = !parser_.accept("not_associative");
    return c;
  }

  std::vector<VarId> components(const Stage& stage) {
    std::vector<VarId> list;
    parser_.expect("(");
    for (BufferId id : stage.outputs) {
      if (!list.empty()) parser_.expect(",");
      list.push_back(
          parser_.define_var(parser_.expect_name("a component"), parser_.buffers[index_of(id)].dtype));
    }
    parser_.expect(")");
    return list;
  }

  Parser parser_;
  Kernel kernel_;
};

/// Statements are grouped by the column that they start in.
class NestParser {
 public:
  explicit NestParser(std::string_view text) : parser_(text) {}

  LoopNest run() {
    parser_.expect("nest");
    nest_.name = parser_.expect_name("the name of the nest");
    parser_.expect("{");
    while (parser_.at_symbol()) nest_.symbols.push_back(parser_.symbol());
    while (parser_.at_buffer()) parser_.buffer();
    parser_.expect("arguments");
    nest_.arguments = parser_.buffers_in_parentheses();
    if (parser_.accept("workspace")) nest_.workspace = parser_.buffers_in_parentheses();
    if (parser_.at("prepare") && parser_.peek(1).text == ":") nest_.prepare = part("prepare");
    if (parser_.at("body") && parser_.peek(1).text == ":") nest_.body = part("body");
    parser_.expect("}");
    parser_.expect_end();
    nest_.vars = std::move(parser_.vars);
    nest_.buffers = std::move(parser_.buffers);
    return std::move(nest_);
  }

 private:
  Stmt part(std::string_view word) {
    const int column = parser_.peek().column;
    parser_.expect(word);
    return indented(column);
  }

  /// ':' and the statements that stand further in than `column`.
  Stmt indented(int column) {
    parser_.expect(":");
    if (!parser_.peek().first_of_line || parser_.peek().column <= column)
      parser_.fail("an indented statement");
    if (++depth_ > max_depth) parser_.fail("statements that are nested less deeply");
    Stmt result = sequence(parser_.peek().column);
    --depth_;
    return result;
  }

  Stmt sequence(int column) {
    std::vector<Stmt> stmts;
    while (parser_.peek().first_of_line && parser_.peek().column == column && !parser_.at("}")) {
      if (parser_.at("else")) break;
      if (parser_.at("let") && parser_.peek(1).kind == Token::Kind::name) {
        bool reaches_end = true;
        stmts.push_back(binding(column, reaches_end));
        if (reaches_end) break;
        continue;
      }
      if (parser_.at("pass") && parser_.peek(1).text != "[")
        parser_.accept("pass");
      else
        stmts.push_back(statement(column));
    }
    return block(std::move(stmts));
  }

  /// The rest of the sequence is the body.
  Stmt binding(int column, bool& reaches_end) {
    parser_.expect("let");
    const std::string name(parser_.expect_name("a variable"));
    parser_.expect("=");
    const Expr value = parser_.root();
    const VarId id = parser_.define_var(name, value.dtype(), true);
    if (++depth_ > max_depth) parser_.fail("statements that are nested less deeply");
    reaches_end = !parser_.at(":");
    Stmt result = let(id, value, reaches_end ? sequence(column) : indented(column));
    --depth_;
    return result;
  }

  Stmt statement(int column) {
    if (parser_.peek(1).text == "[") return store_statement();
    if (parser_.accept("alloc")) {
      const Token place = parser_.peek();
      const BufferId id = parser_.find_buffer(parser_.expect_name("a buffer"), place);
      return allocate(id, indented(column));
    }
    if (parser_.accept("if")) return branch(column);
    return loop(column);
  }

  Stmt loop(int column) {
    const auto kind = loop_kind();
    const VarId id = parser_.define_var(parser_.expect_name("a loop variable"), index_dtype, true);
    parser_.expect("in");
    const Expr extent = parser_.index_root();
    return for_loop(id, extent, kind, indented(column));
  }

  LoopKind loop_kind() {
    using enum LoopKind;
    if (parser_.accept("for")) return serial;
    for (LoopKind kind :
         {parallel, vectorize, unroll, block_x, block_y, block_z, thread_x, thread_y, thread_z})
      if (parser_.accept(to_string(kind))) return kind;
    parser_.fail("a statement");
  }

  Stmt branch(int column) {
    const Token place = parser_.peek();
    const Expr condition = parser_.root();
    if (condition.dtype() != DType::boolean) parser_.fail_at(place, "expected a boolean condition");
    const Stmt then_case = indented(column);
    Stmt else_case;
    if (parser_.at("else") && parser_.peek().column == column) {
      parser_.expect("else");
      else_case = indented(column);
    }
    return if_then(condition, then_case, else_case);
  }

  Stmt store_statement() {
    const Token place = parser_.peek();
    const BufferId id = parser_.find_buffer(parser_.expect_name("a buffer"), place);
    parser_.expect("[");
    const Expr index = parser_.index_root();
    parser_.expect("]");
    parser_.expect("=");
    const Expr value = parser_.root();
    return store(id, index, value, parser_.accept("streaming"));
  }

  static constexpr int max_depth = 1000;
  Parser parser_;
  LoopNest nest_;
  int depth_ = 0;
};

}  // namespace

Expected<Kernel, Error> parse_kernel(std::string_view text) {
  try {
    return KernelParser(text).run();
  } catch (const ParseFault& fault) {
    return Unexpected(Error{fault.message});
  }
}

Expected<LoopNest, Error> parse_loop_nest(std::string_view text) {
  try {
    return NestParser(text).run();
  } catch (const ParseFault& fault) {
    return Unexpected(Error{fault.message});
  }
}

}  // namespace tunesmith::ir
