#include "ir/traverse.h"

#include <unordered_set>

#include "ir/fields.h"
#include "ir/support/check.h"

namespace tunesmith::ir {
namespace {

constexpr auto ignore = [](const auto&) {};

/// Makes a node of the same kind from changed fields, with the folding of the factories.
Expr rebuilt(ExprNode node) {
  if (const auto* n = std::get_if<Unary>(&node.kind)) return unary(n->op, n->a);
  if (const auto* n = std::get_if<Binary>(&node.kind)) return binary(n->op, n->a, n->b);
  if (const auto* n = std::get_if<Cast>(&node.kind)) return cast(n->dtype, n->a);
  if (const auto* n = std::get_if<BitCast>(&node.kind)) return bit_cast(n->dtype, n->a);
  if (const auto* n = std::get_if<Select>(&node.kind)) return select(n->condition, n->yes, n->no);
  return make_expr(std::move(node));
}

/// One rewrite of an expression; shared sub-expressions are rewritten once and stay shared.
class Rewriter {
 public:
  explicit Rewriter(const std::function<std::optional<Expr>(const Expr&)>& rewrite) : rewrite_(rewrite) {}

  Expr operator()(const Expr& e) {
    if (e.as<Var>() || e.as<IntImm>() || e.as<FloatImm>()) return finish(e);
    if (auto found = done_.find(&e.node()); found != done_.end()) return found->second;
    Expr result = finish(map_children(e, std::ref(*this)));
    done_.emplace(&e.node(), result);
    return result;
  }

 private:
  Expr finish(const Expr& e) { return rewrite_(e).value_or(e); }

  const std::function<std::optional<Expr>(const Expr&)>& rewrite_;
  std::unordered_map<const ExprNode*, Expr> done_;
};

}  // namespace

void for_each_child(const Expr& e, const std::function<void(const Expr&)>& visit) {
  std::visit([&](const auto& n) { detail::visit_children(n, visit, ignore); }, e.node().kind);
}

void walk(const Expr& e, const std::function<bool(const Expr&)>& visit) {
  if (!visit(e)) return;
  for_each_child(e, [&](const Expr& child) { walk(child, visit); });
}

void walk_once(const Expr& e, const std::function<bool(const Expr&)>& visit) {
  std::unordered_set<const ExprNode*> seen;
  walk(e, [&](const Expr& node) { return seen.insert(&node.node()).second && visit(node); });
}

void for_each_child(const Stmt& s, const std::function<void(const Stmt&)>& visit_stmt,
                    const std::function<void(const Expr&)>& visit_expr) {
  std::visit([&](const auto& n) { detail::visit_children(n, visit_expr, visit_stmt); }, s.node().kind);
}

void walk(const Stmt& s, const std::function<bool(const Stmt&)>& visit) {
  if (!visit(s)) return;
  for_each_child(
      s, [&](const Stmt& child) { walk(child, visit); }, ignore);
}

void walk_exprs(const Stmt& s, const std::function<void(const Expr&)>& visit) {
  for_each_child(
      s, [&](const Stmt& child) { walk_exprs(child, visit); }, visit);
}

Expr map_children(const Expr& e, const std::function<Expr(const Expr&)>& map) {
  bool changed = false;
  std::vector<Expr> children;
  for_each_child(e, [&](const Expr& child) {
    children.push_back(map(child));
    changed |= !children.back().same_as(child);
  });
  if (!changed) return e;
  ExprNode node = e.node();
  auto next = children.begin();
  std::visit(
      [&](auto& n) {
        detail::visit_children(
            n, [&](Expr& child) { child = *next++; }, ignore);
      },
      node.kind);
  return rebuilt(std::move(node));
}

Expr rewrite(const Expr& e, const std::function<std::optional<Expr>(const Expr&)>& rewrite) {
  return Rewriter(rewrite)(e);
}

Stmt rewrite_exprs(const Stmt& s, const std::function<Expr(const Expr&)>& rewrite) {
  StmtNode node = s.node();
  bool changed = false;
  auto replace_expr = [&](Expr& e) {
    Expr next = rewrite(e);
    changed |= !next.same_as(e);
    e = std::move(next);
  };
  auto replace_stmt = [&](Stmt& child) {
    Stmt next = rewrite_exprs(child, rewrite);
    changed |= !next.same_as(child);
    child = std::move(next);
  };
  std::visit([&](auto& n) { detail::visit_children(n, replace_expr, replace_stmt); }, node.kind);
  return changed ? make_stmt(std::move(node)) : s;
}

Expr substitute(const Expr& e, const Bindings& bindings) {
  if (bindings.empty()) return e;
  return rewrite(e, [&](const Expr& node) -> std::optional<Expr> {
    const auto* v = node.as<Var>();
    if (!v) return std::nullopt;
    const auto found = bindings.find(v->id);
    if (found == bindings.end()) return std::nullopt;
    TS_CHECK(found->second.dtype() == v->dtype, "a variable is replaced by a value of another dtype");
    return found->second;
  });
}

Stmt substitute(const Stmt& s, const Bindings& bindings) {
  return rewrite_exprs(s, [&](const Expr& e) { return substitute(e, bindings); });
}

bool uses_var(const Expr& e, VarId id) {
  bool found = false;
  std::unordered_set<const ExprNode*> seen;
  walk(e, [&](const Expr& node) {
    if (const auto* v = node.as<Var>()) found |= v->id == id;
    return !found && seen.insert(&node.node()).second;
  });
  return found;
}

}  // namespace tunesmith::ir
