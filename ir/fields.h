// Internal: what derives from the nodes' `fields` lists. Equality, hash, children and rewriting of
// expressions and statements are written here once for all node kinds. Thread safety: pure functions.
#pragma once

#include <bit>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

#include "ir/stmt.h"
#include "ir/support/hash.h"

namespace tunesmith::ir {

/// The only way to make a node: computes its hash. `dtype` must be what the kind gives.
Expr make_expr(ExprNode node);
Stmt make_stmt(StmtNode node);

namespace detail {

template <class Node, class F>
void for_each_field(const Node& node, F&& f) {
  std::apply([&](auto... member) { (f(node.*member), ...); }, Node::fields);
}
template <class Node, class F>
void for_each_field(Node& node, F&& f) {
  std::apply([&](auto... member) { (f(node.*member), ...); }, Node::fields);
}

// Hash of one field. Equal on every compiler: no std::hash, no addresses.
inline std::uint64_t hash_field(double value) { return std::bit_cast<std::uint64_t>(value); }
inline std::uint64_t hash_field(const Expr& e) { return e ? e.hash() : 0; }
inline std::uint64_t hash_field(const std::vector<Expr>& list) {
  std::uint64_t h = list.size();
  for (const Expr& e : list) h = combine64(h, hash_field(e));
  return h;
}
template <class T>
requires(std::is_enum_v<T> || std::is_integral_v<T>) std::uint64_t hash_field(T value) {
  return static_cast<std::uint64_t>(value);
}

template <class Node>
std::uint64_t hash_node(const Node& node, std::uint64_t kind_index) {
  std::uint64_t h = mix64(kind_index + 1);
  for_each_field(node, [&](const auto& field) { h = combine64(h, hash_field(field)); });
  return h;
}

// Equality of one field. Doubles compare by their bits, so that NaN equals itself and -0 is not 0.
inline bool equal_field(double a, double b) { return hash_field(a) == hash_field(b); }
inline bool equal_field(const Expr& a, const Expr& b) { return equal(a, b); }
inline bool equal_field(const Stmt& a, const Stmt& b) { return equal(a, b); }
template <class T>
requires(std::is_enum_v<T> || std::is_integral_v<T>) bool equal_field(T a, T b) { return a == b; }
template <class T>
bool equal_field(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!equal_field(a[i], b[i])) return false;
  return true;
}

template <class Node>
bool equal_nodes(const Node& a, const Node& b) {
  return std::apply([&](auto... member) { return (equal_field(a.*member, b.*member) && ...); }, Node::fields);
}

/// Calls on_expr and on_stmt on each child handle among the fields (null ones are left out).
template <class Node, class OnExpr, class OnStmt>
void visit_children(Node& node, OnExpr&& on_expr, OnStmt&& on_stmt) {
  for_each_field(node, [&](auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, Expr>) {
      if (field) on_expr(field);
    } else if constexpr (std::is_same_v<Field, Stmt>) {
      if (field) on_stmt(field);
    } else if constexpr (std::is_same_v<Field, std::vector<Expr>>) {
      for (auto& e : field) on_expr(e);
    } else if constexpr (std::is_same_v<Field, std::vector<Stmt>>) {
      for (auto& s : field) on_stmt(s);
    }
  });
}

}  // namespace detail
}  // namespace tunesmith::ir
