// Simplification of statements: expressions with the ranges that the loops around them give.
#include <algorithm>

#include "ir/simplify.h"
#include "ir/support/check.h"
#include "ir/traverse.h"

namespace tunesmith::ir {
namespace {

const Stmt& nothing() {
  static const Stmt empty = block({});
  return empty;
}
bool is_nothing(const Stmt& s) {
  const auto* b = s.as<Block>();
  return b && b->stmts.empty();
}

/// Narrows the ranges by what `condition` says of single variables: v < c, c < v, v == c, joined by `and`.
void narrow(VarRanges& ranges, const Expr& condition) {
  const auto* b = condition.as<Binary>();
  if (!b) return;
  if (b->op == BinaryOp::bit_and) {
    narrow(ranges, b->a);
    narrow(ranges, b->b);
    return;
  }
  auto range_of = [&](const Expr& e) -> Interval* {
    const auto* v = e.as<Var>();
    const auto found = v ? ranges.find(v->id) : ranges.end();
    return found == ranges.end() ? nullptr : &found->second;
  };
  if (const auto* c = as_int(b->b)) {
    Interval* range = range_of(b->a);
    if (range && b->op == BinaryOp::lt) range->max = std::min(range->max, *c - 1);
    if (range && b->op == BinaryOp::eq) *range = {std::max(range->min, *c), std::min(range->max, *c)};
  } else if (const auto* low = as_int(b->a)) {
    Interval* range = range_of(b->b);
    if (range && b->op == BinaryOp::lt) range->min = std::max(range->min, *low + 1);
  }
}

class StmtSimplifier {
 public:
  explicit StmtSimplifier(VarRanges ranges) : ranges_(std::move(ranges)) {}

  Stmt run(const Stmt& s) {
    return match(
        s, [&](const For& n) { return loop(n, s); }, [&](const Let& n) { return binding(n, s); },
        [&](const Store& n) {
          const Expr index = expr(n.index), value = expr(n.value);
          return index.same_as(n.index) && value.same_as(n.value)
                     ? s
                     : store(n.buffer, index, value, n.streaming);
        },
        [&](const If& n) { return branch(n, s); },
        [&](const Allocate& n) {
          const Stmt body = run(n.body);
          if (is_nothing(body)) return nothing();
          return body.same_as(n.body) ? s : allocate(n.buffer, body);
        },
        [&](const Block& n) { return sequence(n, s); });
  }

 private:
  Expr expr(const Expr& e) const { return simplify(e, ranges_); }

  /// Runs `body` with `id` in a range; nullopt: nothing is known.
  Stmt with_range(VarId id, const std::optional<Interval>& range, const Stmt& body) {
    const auto found = ranges_.find(id);
    const auto outer = found == ranges_.end() ? std::nullopt : std::optional(found->second);
    if (range)
      ranges_[id] = *range;
    else
      ranges_.erase(id);
    const Stmt result = run(body);
    if (outer)
      ranges_[id] = *outer;
    else
      ranges_.erase(id);
    return result;
  }

  Stmt loop(const For& n, const Stmt& s) {
    const Expr extent = expr(n.extent);
    const auto* count = as_int(extent);
    if (count && *count <= 0) return nothing();
    if (count && *count == 1) return run(substitute(n.body, {{n.var, Expr(0)}}));
    const auto range = bounds(extent, ranges_);
    // Inside the body the loop runs, so the extent is at least 1.
    const Stmt body = with_range(
        n.var, range ? std::optional(Interval{0, std::max<std::int64_t>(range->max - 1, 0)}) : std::nullopt,
        n.body);
    if (is_nothing(body)) return nothing();
    return extent.same_as(n.extent) && body.same_as(n.body) ? s : for_loop(n.var, extent, n.kind, body);
  }

  Stmt binding(const Let& n, const Stmt& s) {
    const Expr value = expr(n.value);
    if (value.as<IntImm>() || value.as<FloatImm>() || value.as<Var>())
      return run(substitute(n.body, {{n.var, value}}));
    const Stmt body = with_range(n.var, bounds(value, ranges_), n.body);
    if (is_nothing(body)) return nothing();
    return value.same_as(n.value) && body.same_as(n.body) ? s : let(n.var, value, body);
  }

  Stmt branch(const If& n, const Stmt& s) {
    const Expr condition = expr(n.condition);
    if (const auto* truth = as_int(condition)) {
      if (*truth) return run(n.then_case);
      return n.else_case ? run(n.else_case) : nothing();
    }
    const VarRanges outer = ranges_;
    narrow(ranges_, condition);
    Stmt then_case = run(n.then_case);
    ranges_ = outer;
    Stmt else_case = n.else_case ? run(n.else_case) : Stmt{};
    if (else_case && is_nothing(else_case)) else_case = {};
    if (is_nothing(then_case)) {
      if (!else_case) return nothing();
      return if_then(expr(logical_not(condition)), else_case);
    }
    const bool same =
        condition.same_as(n.condition) && then_case.same_as(n.then_case) && else_case.same_as(n.else_case);
    return same ? s : if_then(condition, then_case, else_case);
  }

  Stmt sequence(const Block& n, const Stmt& s) {
    std::vector<Stmt> stmts;
    bool changed = false;
    for (const Stmt& child : n.stmts) {
      Stmt next = run(child);
      changed |= !next.same_as(child);
      if (!is_nothing(next)) stmts.push_back(std::move(next));
    }
    return changed ? block(std::move(stmts)) : s;
  }

  VarRanges ranges_;
};

}  // namespace

Stmt simplify(const Stmt& s, VarRanges ranges) { return StmtSimplifier(std::move(ranges)).run(s); }

}  // namespace tunesmith::ir
