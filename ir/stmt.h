// Statements of loop nests: immutable shared nodes, like expressions.
//
// Buffers are flat here: every Load and Store has exactly one index, in elements of the buffer.
#pragma once

#include <cstdint>
#include <memory>
#include <tuple>
#include <variant>
#include <vector>

#include "ir/expr.h"

namespace tunesmith::ir {

enum class LoopKind : std::uint8_t {
  serial,
  parallel,   // iterations are independent; run on the pool
  vectorize,  // constant extent; becomes vector operations, the last one narrowed by a constant mask
  unroll,     // constant extent; copied
  block_x,
  block_y,
  block_z,
  thread_x,
  thread_y,
  thread_z,  // GPU grid and block
};
std::string_view to_string(LoopKind kind);
/// True when iterations may run at the same time, in threads of a CPU or of a GPU.
constexpr bool is_concurrent(LoopKind kind) {
  return kind != LoopKind::serial && kind != LoopKind::vectorize && kind != LoopKind::unroll;
}

/// A block of a GPU's grid.
constexpr bool is_block(LoopKind kind) {
  return kind == LoopKind::block_x || kind == LoopKind::block_y || kind == LoopKind::block_z;
}
/// A thread of a GPU's block. Loops of this kind that follow one another are phases of the same threads: a register buffer
/// allocated around them has a part for each thread.
constexpr bool is_thread(LoopKind kind) {
  return kind == LoopKind::thread_x || kind == LoopKind::thread_y || kind == LoopKind::thread_z;
}

/// True when the iterations become code side by side: lanes or copies.
constexpr bool is_expanded(LoopKind kind) { return kind == LoopKind::vectorize || kind == LoopKind::unroll; }

struct StmtNode;

class Stmt {
 public:
  Stmt() = default;
  explicit operator bool() const { return node_ != nullptr; }
  const StmtNode& node() const { return *node_; }
  template <class T>
  const T* as() const;
  bool same_as(const Stmt& other) const { return node_ == other.node_; }

 private:
  friend Stmt make_stmt(StmtNode node);
  std::shared_ptr<const StmtNode> node_;
};

/// for var in [0, extent)
struct For {
  VarId var;
  Expr extent;
  LoopKind kind;
  Stmt body;
  static constexpr auto fields = std::tuple{&For::var, &For::extent, &For::kind, &For::body};
};
/// Binds an index value once, e.g. the parts of a fused loop variable.
struct Let {
  VarId var;
  Expr value;
  Stmt body;
  static constexpr auto fields = std::tuple{&Let::var, &Let::value, &Let::body};
};
struct Store {
  BufferId buffer;
  Expr index;
  Expr value;
  bool streaming = false;  // bypasses the caches (non-temporal store)
  static constexpr auto fields = std::tuple{&Store::buffer, &Store::index, &Store::value, &Store::streaming};
};
struct If {
  Expr condition;
  Stmt then_case;
  Stmt else_case;  // may be null
  static constexpr auto fields = std::tuple{&If::condition, &If::then_case, &If::else_case};
};
/// The buffer lives during `body`. Scope `local`: the running thread's scratch; `registers`: SSA
/// values. Contents are undefined at entry.
struct Allocate {
  BufferId buffer;
  Stmt body;
  static constexpr auto fields = std::tuple{&Allocate::buffer, &Allocate::body};
};
struct Block {
  std::vector<Stmt> stmts;
  static constexpr auto fields = std::tuple{&Block::stmts};
};

struct StmtNode {
  using Kind = std::variant<For, Let, Store, If, Allocate, Block>;
  Kind kind;
};

template <class T>
const T* Stmt::as() const {
  return node_ ? std::get_if<T>(&node_->kind) : nullptr;
}

template <class... Lambdas>
decltype(auto) match(const Stmt& s, Lambdas&&... lambdas) {
  return std::visit(Overloaded<std::decay_t<Lambdas>...>{std::forward<Lambdas>(lambdas)...}, s.node().kind);
}

Stmt for_loop(VarId var, Expr extent, LoopKind kind, Stmt body);
Stmt let(VarId var, Expr value, Stmt body);
Stmt store(BufferId buffer, Expr index, Expr value, bool streaming = false);
Stmt if_then(Expr condition, Stmt then_case, Stmt else_case = {});
Stmt allocate(BufferId buffer, Stmt body);
/// Flattens nested blocks; a single statement is returned as it is.
Stmt block(std::vector<Stmt> stmts);

bool equal(const Stmt& a, const Stmt& b);

}  // namespace tunesmith::ir
