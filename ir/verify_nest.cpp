#include <fmt/format.h>

#include "ir/support/check.h"
#include "ir/verify.h"
#include "ir/verify_expr.h"

namespace tunesmith::ir {
namespace {


class NestVerifier {
 public:
  explicit NestVerifier(const LoopNest& nest) : nest_(nest) {}

  Expected<void, Error> run() {
    for (const Symbol& symbol : nest_.symbols) enter(symbol.var, false);
    check_buffers();
    in_prepare_ = true;
    if (nest_.prepare) visit(nest_.prepare);
    in_prepare_ = false;
    if (!nest_.body) fail("there is no body");
    if (nest_.body) visit(nest_.body);
    check_allocated();
    if (error_.empty()) return {};
    return Unexpected(make_error("nest '{}': {}", nest_.name, error_));
  }

 private:
  void fail(std::string message) {
    if (error_.empty()) error_ = std::move(message);
  }
  std::string name(VarId id) const {
    return index_of(id) < nest_.vars.size() ? "'" + nest_.vars.name(id) + "'"
                                            : fmt::format("#{}", index_of(id));
  }
  bool known(BufferId id) {
    if (index_of(id) < nest_.buffers.size()) return true;
    fail(fmt::format("buffer #{} is not in the list", index_of(id)));
    return false;
  }

  /// Argument places: inputs and constants, then outputs, then prepared buffers.
  static int rank_of(Role role) {
    switch (role) {
      case Role::input:
      case Role::constant: return 0;
      case Role::output: return 1;
      case Role::prepared: return 2;
      case Role::temp: return 3;
    }
    TS_UNREACHABLE("unknown role");
  }

  void check_buffers() {
    int last = 0;
    for (BufferId id : nest_.arguments) {
      if (!known(id)) return;
      const Buffer& buffer = nest_.buffer(id);
      const int rank = rank_of(buffer.role);
      if (rank == 3) fail(fmt::format("argument '{}' is a temporary", buffer.name));
      if (rank < last)
        fail(fmt::format("argument '{}' ({}) is out of order", buffer.name, to_string(buffer.role)));
      if (buffer.scope != Scope::global) fail(fmt::format("argument '{}' is not global", buffer.name));
      if (!live_.insert(id).second) fail(fmt::format("argument '{}' is listed twice", buffer.name));
      last = rank;
    }
    for (BufferId id : nest_.workspace) {
      if (!known(id)) return;
      const Buffer& buffer = nest_.buffer(id);
      if (buffer.scope != Scope::global || buffer.role != Role::temp)
        fail(fmt::format("workspace '{}' is not a global temporary", buffer.name));
      if (!live_.insert(id).second) fail(fmt::format("workspace '{}' is listed twice", buffer.name));
    }
    for (const Buffer& buffer : nest_.buffers)
      if (auto problem = layout_problem(buffer))
        fail(*problem);
      else if (auto size = size_problem(buffer))
        fail(*size);
  }

  void check_allocated() {
    for (std::uint32_t i = 0; i < nest_.buffers.size(); ++i)
      if (!live_.contains(BufferId{i}) && !allocated_.contains(BufferId{i}))
        fail(fmt::format("buffer '{}' is neither an argument, workspace nor allocated",
                         nest_.buffers[i].name));
  }

  void enter(VarId id, bool expanded) {
    if (index_of(id) >= nest_.vars.size())
      return fail(fmt::format("variable #{} is not in the table", index_of(id)));
    if (!scope_.insert(id).second) fail(fmt::format("variable {} is bound again inside its scope", name(id)));
    if (expanded) expanded_.insert(id);
  }
  void leave(VarId id) {
    scope_.erase(id);
    expanded_.erase(id);
  }

  void check(const Expr& e, std::string_view what) {
    if (!error_.empty()) return;
    const ExprContext context{nest_.vars, nest_.buffers, scope_, nullptr, true};
    if (auto problem = expr_problem(e, context)) return fail(fmt::format("{}: {}", what, *problem));
    std::unordered_set<const ExprNode*> seen;
    walk(e, [&](const Expr& node) {
      if (!error_.empty() || !seen.insert(&node.node()).second) return false;
      if (const auto* l = node.as<Load>()) check_access(l->buffer, l->indices[0], false);
      return true;
    });
  }

  void check_access(BufferId id, const Expr& index, bool is_store) {
    if (!known(id)) return;
    const Buffer& buffer = nest_.buffer(id);
    if (!live_.contains(id)) return fail(fmt::format("'{}' is used outside of its allocation", buffer.name));
    const bool given = buffer.role == Role::input || buffer.role == Role::constant;
    const bool kept = buffer.role == Role::prepared && !in_prepare_;
    if (is_store && (given || kept))
      fail(fmt::format("a store to '{}', which is {}", buffer.name, to_string(buffer.role)));
    if (buffer.scope != Scope::registers) return;
    if (!is_constant_when_expanded(index))
      fail(fmt::format("'{}' is in registers, but an index is not constant once loops are expanded",
                       buffer.name));
    if (parallel_depth_.at(id) != parallel_)
      fail(fmt::format("a parallel loop lies between the registers '{}' and their use", buffer.name));
  }

  bool is_constant_when_expanded(const Expr& index) const {
    bool constant = true;
    walk(index, [&](const Expr& e) {
      if (e.as<Load>()) constant = false;
      if (const auto* v = e.as<Var>()) constant &= expanded_.contains(v->id);
      return constant;
    });
    return constant;
  }

  void visit(const Stmt& s) {
    if (!error_.empty()) return;
    match(
        s, [&](const For& n) { visit_loop(n); },
        [&](const Let& n) {
          check(n.value, "the value of a let");
          enter(n.var, is_constant_when_expanded(n.value));
          visit(n.body);
          leave(n.var);
        },
        [&](const Store& n) {
          check(n.index, "the index of a store");
          check(n.value, "the value of a store");
          if (!error_.empty() || !known(n.buffer)) return;
          const Buffer& buffer = nest_.buffer(n.buffer);
          if (buffer.dtype != n.value.dtype())
            fail(fmt::format("a store of {} to '{}' of {}", to_string(n.value.dtype()), buffer.name,
                             to_string(buffer.dtype)));
          check_access(n.buffer, n.index, true);
        },
        [&](const If& n) {
          check(n.condition, "the condition of an if");
          visit(n.then_case);
          if (n.else_case) visit(n.else_case);
        },
        [&](const Allocate& n) { visit_allocation(n); },
        [&](const Block& n) {
          for (const Stmt& child : n.stmts) visit(child);
        });
  }

  void visit_loop(const For& n) {
    check(n.extent, "the extent of a loop");
    if (is_expanded(n.kind) && !as_int(n.extent))
      fail(fmt::format("the {} loop {} has an extent that is not constant", to_string(n.kind), name(n.var)));
    const bool is_parallel = n.kind == LoopKind::parallel;
    if (is_parallel && parallel_ > 0)
      fail(fmt::format("the parallel loop {} is inside another", name(n.var)));
    enter(n.var, is_expanded(n.kind) || is_thread(n.kind));
    parallel_ += is_parallel;
    visit(n.body);
    parallel_ -= is_parallel;
    leave(n.var);
  }

  void visit_allocation(const Allocate& n) {
    if (!known(n.buffer)) return;
    const Buffer& buffer = nest_.buffer(n.buffer);
    if (live_.contains(n.buffer) || !allocated_.insert(n.buffer).second)
      return fail(fmt::format("'{}' is allocated more than once, or is an argument", buffer.name));
    if (buffer.role != Role::temp)
      return fail(fmt::format("'{}' is allocated, but {}", buffer.name, to_string(buffer.role)));
    for (const Expr& extent : buffer.shape) check(extent, fmt::format("an extent of '{}'", buffer.name));
    live_.insert(n.buffer);
    parallel_depth_[n.buffer] = parallel_;
    visit(n.body);
    live_.erase(n.buffer);
  }

  const LoopNest& nest_;
  VarSet scope_;
  VarSet expanded_;  // variables in scope that are constant in a thread once unroll and vectorize loops are expanded
  BufferSet live_, allocated_;
  std::unordered_map<BufferId, int> parallel_depth_;  // at the allocation
  int parallel_ = 0;
  bool in_prepare_ = false;
  std::string error_;
};

}  // namespace

Expected<void, Error> verify(const LoopNest& nest) { return NestVerifier(nest).run(); }

}  // namespace tunesmith::ir
