// Generic walks over expressions and statements, derived from the nodes' field lists.
#pragma once

#include <functional>
#include <optional>
#include <unordered_map>

#include "ir/stmt.h"

namespace tunesmith::ir {

/// Calls `visit` on each direct child expression.
void for_each_child(const Expr& e, const std::function<void(const Expr&)>& visit);
/// Pre-order over `e` and everything below; `visit` returns false to skip a node's children. A shared
/// node is visited once for each parent: keep a set of nodes seen where expressions may be large.
void walk(const Expr& e, const std::function<bool(const Expr&)>& visit);
/// The same, but each node once however often it is shared.
void walk_once(const Expr& e, const std::function<bool(const Expr&)>& visit);
/// Direct children of a statement.
void for_each_child(const Stmt& s, const std::function<void(const Stmt&)>& visit_stmt,
                    const std::function<void(const Expr&)>& visit_expr);
/// Pre-order over all statements below `s`, itself included.
void walk(const Stmt& s, const std::function<bool(const Stmt&)>& visit);
/// Every expression of every statement below `s`, each at its root (not its sub-expressions).
void walk_exprs(const Stmt& s, const std::function<void(const Expr&)>& visit);

/// The node with each direct child replaced by what `map` gives for it, folding as the factories do. The
/// same handle comes back where nothing changed.
Expr map_children(const Expr& e, const std::function<Expr(const Expr&)>& map);
/// Bottom-up rewrite: children first, then `rewrite` on the rebuilt node; it returns nullopt to keep
/// the node. The same handle comes back where nothing changed.
Expr rewrite(const Expr& e, const std::function<std::optional<Expr>(const Expr&)>& rewrite);
Stmt rewrite_exprs(const Stmt& s, const std::function<Expr(const Expr&)>& rewrite);

using Bindings = std::unordered_map<VarId, Expr>;
Expr substitute(const Expr& e, const Bindings& bindings);
Stmt substitute(const Stmt& s, const Bindings& bindings);
bool uses_var(const Expr& e, VarId id);

}  // namespace tunesmith::ir
