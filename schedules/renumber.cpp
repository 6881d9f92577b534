#include "schedules/renumber.h"

#include <vector>

#include "ir/traverse.h"

namespace tunesmith::schedules {
namespace {

using ir::BufferId;
using ir::Expr;
using ir::Stmt;

class Renumbering {
 public:
  explicit Renumbering(std::span<const BufferId> numbers) : numbers_(numbers) {}

  BufferId operator()(BufferId id) const { return numbers_[ir::index_of(id)]; }
  Expr operator()(const Expr& e) const {
    return ir::rewrite(e, [&](const Expr& x) -> std::optional<Expr> {
      const auto* l = x.as<ir::Load>();
      if (!l || (*this)(l->buffer) == l->buffer) return std::nullopt;
      return ir::load((*this)(l->buffer), l->dtype, l->indices, l->ahead);
    });
  }
  Stmt operator()(const Stmt& s) const {
    return ir::match(
        s, [&](const ir::For& n) { return ir::for_loop(n.var, (*this)(n.extent), n.kind, (*this)(n.body)); },
        [&](const ir::Let& n) { return ir::let(n.var, (*this)(n.value), (*this)(n.body)); },
        [&](const ir::Store& n) {
          return ir::store((*this)(n.buffer), (*this)(n.index), (*this)(n.value), n.streaming);
        },
        [&](const ir::If& n) {
          return ir::if_then((*this)(n.condition), (*this)(n.then_case),
                             n.else_case ? (*this)(n.else_case) : Stmt{});
        },
        [&](const ir::Allocate& n) { return ir::allocate((*this)(n.buffer), (*this)(n.body)); },
        [&](const ir::Block& n) {
          std::vector<Stmt> stmts;
          for (const Stmt& child : n.stmts) stmts.push_back((*this)(child));
          return ir::block(std::move(stmts));
        });
  }

 private:
  std::span<const BufferId> numbers_;
};

}  // namespace

ir::Stmt renumber_buffers(const ir::Stmt& s, std::span<const ir::BufferId> numbers) {
  return Renumbering(numbers)(s);
}

}  // namespace tunesmith::schedules
