#include "ir/stmt.h"

#include "ir/fields.h"
#include "ir/support/check.h"

namespace tunesmith::ir {

std::string_view to_string(LoopKind kind) {
  switch (kind) {
    case LoopKind::serial: return "serial";
    case LoopKind::parallel: return "parallel";
    case LoopKind::vectorize: return "vectorize";
    case LoopKind::unroll: return "unroll";
    case LoopKind::block_x: return "block_x";
    case LoopKind::block_y: return "block_y";
    case LoopKind::block_z: return "block_z";
    case LoopKind::thread_x: return "thread_x";
    case LoopKind::thread_y: return "thread_y";
    case LoopKind::thread_z: return "thread_z";
  }
  TS_UNREACHABLE("unknown loop kind");
}

Stmt make_stmt(StmtNode node) {
  Stmt s;
  s.node_ = std::make_shared<const StmtNode>(std::move(node));
  return s;
}

Stmt for_loop(VarId var, Expr extent, LoopKind kind, Stmt body) {
  TS_CHECK(extent && extent.dtype() == index_dtype, "the extent of a loop is not an i64 expression");
  TS_CHECK(body, "a loop without a body");
  return make_stmt({For{var, std::move(extent), kind, std::move(body)}});
}

Stmt let(VarId var, Expr value, Stmt body) {
  TS_CHECK(value && body, "a let without a value or body");
  return make_stmt({Let{var, std::move(value), std::move(body)}});
}

Stmt store(BufferId buffer, Expr index, Expr value, bool streaming) {
  TS_CHECK(index && index.dtype() == index_dtype, "the index of a store is not an i64 expression");
  TS_CHECK(value, "a store without a value");
  return make_stmt({Store{buffer, std::move(index), std::move(value), streaming}});
}

Stmt if_then(Expr condition, Stmt then_case, Stmt else_case) {
  TS_CHECK(condition && condition.dtype() == DType::boolean, "the condition of an if is not boolean");
  TS_CHECK(then_case, "an if without a then case");
  return make_stmt({If{std::move(condition), std::move(then_case), std::move(else_case)}});
}

Stmt allocate(BufferId buffer, Stmt body) {
  TS_CHECK(body, "an allocation without a body");
  return make_stmt({Allocate{buffer, std::move(body)}});
}

Stmt block(std::vector<Stmt> stmts) {
  std::vector<Stmt> flat;
  flat.reserve(stmts.size());
  for (Stmt& s : stmts) {
    TS_CHECK(s, "a block with a null statement");
    if (const auto* inner = s.as<Block>())
      flat.insert(flat.end(), inner->stmts.begin(), inner->stmts.end());
    else
      flat.push_back(std::move(s));
  }
  if (flat.size() == 1) return flat.front();
  return make_stmt({Block{std::move(flat)}});
}

bool equal(const Stmt& a, const Stmt& b) {
  if (a.same_as(b)) return true;
  if (!a || !b) return false;
  return std::visit(
      [](const auto& x, const auto& y) {
        if constexpr (std::is_same_v<decltype(x), decltype(y)>)
          return detail::equal_nodes(x, y);
        else
          return false;
      },
      a.node().kind, b.node().kind);
}

}  // namespace tunesmith::ir
