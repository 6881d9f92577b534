#include "schedules/prune.h"

#include <algorithm>

#include "ir/traverse.h"
#include "schedules/loads.h"

namespace tunesmith::schedules {
namespace {

using ir::BufferId;
using ir::Expr;
using ir::Stmt;

void mark_used(const Stmt& s, std::vector<bool>& used) {
  ir::walk(s, [&](const Stmt& x) {
    if (const auto* st = x.as<ir::Store>()) used[ir::index_of(st->buffer)] = true;
    if (const auto* a = x.as<ir::Allocate>()) used[ir::index_of(a->buffer)] = true;
    return true;
  });
  ir::walk_exprs(s, [&](const Expr& e) {
    for_each_load(e, [&](const ir::Load& l) { used[ir::index_of(l.buffer)] = true; });
  });
}

/// Puts new numbers in place of the old ones.
class Renumbering {
 public:
  explicit Renumbering(std::vector<BufferId> numbers) : numbers_(std::move(numbers)) {}

  BufferId operator()(BufferId id) const { return numbers_[ir::index_of(id)]; }
  Expr operator()(const Expr& e) const {
    return ir::rewrite(e, [&](const Expr& x) -> std::optional<Expr> {
      const auto* l = x.as<ir::Load>();
      if (!l || (*this)(l->buffer) == l->buffer) return std::nullopt;
      return ir::load((*this)(l->buffer), l->dtype, l->indices);
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
  std::vector<BufferId> numbers_;
};

}  // namespace

void prune_buffers(ir::LoopNest& nest) {
  std::vector<bool> used(nest.buffers.size(), false);
  for (BufferId id : nest.arguments) used[ir::index_of(id)] = true;
  mark_used(nest.body, used);
  if (nest.prepare) mark_used(nest.prepare, used);
  if (std::ranges::find(used, false) == used.end()) return;

  std::vector<BufferId> numbers(nest.buffers.size());
  std::vector<ir::Buffer> kept;
  for (std::size_t b = 0; b < nest.buffers.size(); ++b) {
    numbers[b] = BufferId{static_cast<std::uint32_t>(kept.size())};
    if (used[b]) kept.push_back(std::move(nest.buffers[b]));
  }
  std::erase_if(nest.workspace, [&](BufferId id) { return !used[ir::index_of(id)]; });
  nest.buffers = std::move(kept);
  const Renumbering renumber(std::move(numbers));
  for (auto* list : {&nest.arguments, &nest.workspace})
    for (BufferId& id : *list) id = renumber(id);
  nest.body = renumber(nest.body);
  if (nest.prepare) nest.prepare = renumber(nest.prepare);
}

}  // namespace tunesmith::schedules
