#include "ir/print.h"

#include <fmt/format.h>

#include "ir/printer.h"
#include "ir/support/check.h"

namespace tunesmith::ir {
namespace {

std::string axes(Printer& printer, const std::vector<Axis>& list) {
  std::string text;
  for (const Axis& axis : list)
    text +=
        fmt::format("{}{}:{}", text.empty() ? "" : ", ", printer.name(axis.var), printer.root(axis.extent));
  return text;
}

template <class Id>
std::string names(Printer& printer, const std::vector<Id>& ids) {
  std::string text;
  for (Id id : ids) text += (text.empty() ? "" : ", ") + printer.name(id);
  return text;
}

/// A single item as it is, several as "(a, b)".
std::string grouped(std::size_t count, const std::string& text) {
  return count == 1 ? text : fmt::format("({})", text);
}

bool has_usual_identity(const Combiner& combiner) {
  if (combiner.kind == CombinerKind::tuple || combiner.identity.size() != 1) return false;
  return equal(combiner.identity[0], plain_combiner(combiner.kind, combiner.identity[0].dtype()).identity[0]);
}

std::string combiner_tail(Printer& printer, const Combiner& combiner) {
  std::string text;
  if (combiner.kind == CombinerKind::tuple)
    text += fmt::format("\n    combine ({}) ({}) -> ({})", names(printer, combiner.state),
                        names(printer, combiner.value), printer.roots(combiner.update));
  if (!has_usual_identity(combiner))
    text += fmt::format("\n    identity ({})", printer.roots(combiner.identity));
  if (!combiner.associative) text += "\n    not_associative";
  return text;
}

std::string stage_text(Printer& printer, const Stage& stage) {
  std::string text =
      fmt::format("  stage {}: {}[{}] = ", as_identifier(stage.name),
                  grouped(stage.outputs.size(), names(printer, stage.outputs)), axes(printer, stage.spatial));
  if (stage.combiner)
    text += fmt::format("{}({}) ", to_string(stage.combiner->kind), axes(printer, stage.reduce));
  text += grouped(stage.values.size(), printer.roots(stage.values));
  if (stage.combiner) text += combiner_tail(printer, *stage.combiner);
  return text + "\n";
}

std::string buffer_line(Printer& printer, const std::vector<Buffer>& buffers, std::uint32_t i) {
  return fmt::format("  {} {}: {}\n", to_string(buffers[i].role), printer.name(BufferId{i}),
                     printer.type(buffers[i]));
}

/// Writes the statements of a nest, two spaces a level.
class StmtPrinter {
 public:
  explicit StmtPrinter(Printer& printer) : printer_(printer) {}

  /// `is_last`: nothing follows at this depth, so that the name of a let may reach to the end.
  void print(const Stmt& s, int depth, bool is_last = true) {
    match(
        s,
        [&](const For& n) {
          const auto kind = n.kind == LoopKind::serial ? "for" : to_string(n.kind);
          line(depth, fmt::format("{} {} in {}:", kind, printer_.name(n.var), printer_.root(n.extent)));
          print(n.body, depth + 1);
        },
        [&](const Let& n) {
          line(depth, fmt::format("let {} = {}{}", printer_.name(n.var), printer_.root(n.value), is_last ? "" : ":"));
          print(n.body, is_last ? depth : depth + 1);
        },
        [&](const Store& n) {
          line(depth, fmt::format("{}[{}] = {}{}", printer_.name(n.buffer), printer_.root(n.index),
                                  printer_.root(n.value), n.streaming ? " streaming" : ""));
        },
        [&](const If& n) {
          line(depth, fmt::format("if {}:", printer_.root(n.condition)));
          print(n.then_case, depth + 1);
          if (!n.else_case) return;
          line(depth, "else:");
          print(n.else_case, depth + 1);
        },
        [&](const Allocate& n) {
          line(depth, fmt::format("alloc {}:", printer_.name(n.buffer)));
          print(n.body, depth + 1);
        },
        [&](const Block& n) {
          for (const Stmt& child : n.stmts) print(child, depth, is_last && &child == &n.stmts.back());
          if (n.stmts.empty()) line(depth, "pass");
        });
  }

  std::string take() { return std::move(text_); }

 private:
  void line(int depth, const std::string& content) {
    text_.append(static_cast<std::size_t>(2 * depth), ' ');
    text_ += content;
    text_ += '\n';
  }

  Printer& printer_;
  std::string text_;
};

}  // namespace

std::string print(const Expr& e, const VarTable& vars, const std::vector<Buffer>& buffers) {
  return Printer(vars, buffers).root(e);
}

std::string print(const Kernel& kernel) {
  Printer printer(kernel.vars, kernel.buffers);
  std::string text = fmt::format("kernel {} {} {{\n", as_identifier(kernel.name), to_string(kernel.numerics));
  for (const Symbol& symbol : kernel.symbols) text += fmt::format("  {}\n", printer.symbol(symbol));
  for (std::uint32_t i = 0; i < kernel.buffers.size(); ++i) text += buffer_line(printer, kernel.buffers, i);
  for (const Stage& stage : kernel.stages) text += stage_text(printer, stage);
  return text + "}\n";
}

std::string print(const LoopNest& nest) {
  Printer printer(nest.vars, nest.buffers);
  std::string text = fmt::format("nest {} {{\n", as_identifier(nest.name));
  for (const Symbol& symbol : nest.symbols) text += fmt::format("  {}\n", printer.symbol(symbol));
  for (std::uint32_t i = 0; i < nest.buffers.size(); ++i) text += buffer_line(printer, nest.buffers, i);
  text += fmt::format("  arguments ({})\n", names(printer, nest.arguments));
  if (!nest.workspace.empty()) text += fmt::format("  workspace ({})\n", names(printer, nest.workspace));
  StmtPrinter statements(printer);
  auto part = [&](std::string_view word, const Stmt& s) {
    if (!s) return;
    statements.print(s, 2);
    text += fmt::format("  {}:\n{}", word, statements.take());
  };
  part("prepare", nest.prepare);
  part("body", nest.body);
  return text + "}\n";
}

}  // namespace tunesmith::ir
