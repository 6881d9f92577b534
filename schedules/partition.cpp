#include "schedules/partition.h"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <vector>

#include "ir/affine.h"
#include "ir/integer_ops.h"
#include "ir/simplify.h"
#include "ir/traverse.h"
#include "schedules/renumber.h"

namespace tunesmith::schedules {
namespace {

using ir::Affine;
using ir::BufferId;
using ir::Expr;
using ir::Interval;
using ir::LoopKind;
using ir::Stmt;
using ir::VarId;
using ir::VarRanges;
using i64 = std::int64_t;

constexpr double largest_nest = 3000;  // statements, expanded: the instruction cache, and compile time
constexpr double largest_growth = 8;   // of a nest, counted in the same way
constexpr i64 lanes = 16;              // of one vector statement, for counting only

i64 ceil_div(i64 a, i64 b) { return -ir::floor_div_i64(-a, b); }

/// Statements once unroll and vectorize loops are expanded.
double expanded_size(const Stmt& s, double copies = 1) {
  if (s.as<ir::Store>()) return copies;
  if (const auto* loop = s.as<ir::For>())
    if (const i64* extent = ir::as_int(loop->extent)) {
      if (loop->kind == LoopKind::unroll) copies *= static_cast<double>(*extent);
      if (loop->kind == LoopKind::vectorize) copies *= static_cast<double>(ceil_div(*extent, lanes));
    }
  double size = 0;
  ir::for_each_child(
      s, [&](const Stmt& child) { size += expanded_size(child, copies); }, [](const Expr&) {});
  return size;
}

bool has_blocks(const Stmt& s) {
  bool found = false;
  ir::walk(s, [&](const Stmt& x) {
    const auto* loop = x.as<ir::For>();
    found = found || (loop != nullptr && ir::is_block(loop->kind));
    return !found;
  });
  return found;
}

/// Which conditions count as guards.
enum class Guards : std::uint8_t {
  all,
  values,  // of single values only: a statement that branches already gains nothing from another branch
};

/// The values of one variable for which every guard below it that it decides holds.
class Interior {
 public:
  Interior(VarId var, Interval range, const VarRanges& ranges, Guards guards)
      : var_(var), range_(range), ranges_(ranges), guards_(guards) {}

  /// Inclusive; nullopt where no guard depends on the variable, or where no value satisfies all that do.
  std::optional<Interval> of(const Stmt& body) {
    inside_ = range_;
    visit(body);
    const bool smaller = inside_.min > range_.min || inside_.max < range_.max;
    if (!smaller || inside_.min > inside_.max) return std::nullopt;
    return inside_;
  }

 private:
  void visit(const Stmt& s) {
    if (const auto* loop = s.as<ir::For>()) {
      if (const auto extent = ir::bounds(loop->extent, ranges_)) {
        const auto outer = bind(loop->var, {0, std::max<i64>(0, extent->max - 1)});
        visit(loop->body);
        restore(loop->var, outer);
        return;
      }
    }
    if (const auto* let = s.as<ir::Let>()) {
      if (const auto value = ir::bounds(let->value, ranges_)) {
        const auto outer = bind(let->var, *value);
        visit(let->body);
        restore(let->var, outer);
        return;
      }
    }
    const auto* branch = s.as<ir::If>();
    if (branch != nullptr && guards_ == Guards::all) visit_condition(branch->condition);
    ir::for_each_child(
        s, [&](const Stmt& child) { visit(child); },
        [&](const Expr& e) {
          std::unordered_set<const ir::ExprNode*> seen;
          ir::walk(e, [&](const Expr& node) {
            if (!seen.insert(&node.node()).second) return false;
            if (const auto* choice = node.as<ir::Select>()) visit_condition(choice->condition);
            return true;
          });
        });
  }

  void visit_condition(const Expr& condition) {
    const auto* n = condition.as<ir::Binary>();
    if (n == nullptr) return;
    if (n->op == ir::BinaryOp::bit_and) {
      visit_condition(n->a);
      visit_condition(n->b);
    } else if (n->op == ir::BinaryOp::lt && n->a.dtype() == ir::index_dtype) {
      visit_comparison(ir::to_affine(n->b - n->a));
    }
  }

  /// distance > 0, whatever the other variables are.
  void visit_comparison(const Affine& distance) {
    const i64 step = distance.coefficient(var_);
    if (step == 0 || distance.hides(var_)) return;
    Affine rest = distance;
    std::erase_if(rest.terms, [&](const ir::AffineTerm& t) {
      const auto* v = t.term.as<ir::Var>();
      return v != nullptr && v->id == var_;
    });
    const auto range = ir::bounds(ir::to_expr(rest), ranges_);
    if (!range) return;
    const i64 needed = 1 - range->min;  // step * x >= needed
    Interval holds = range_;
    if (step > 0)
      holds.min = std::max(holds.min, ceil_div(needed, step));
    else
      holds.max = std::min(holds.max, ir::floor_div_i64(-needed, -step));
    if (holds.min > holds.max) return;  // this guard is not one of the ends
    inside_.min = std::max(inside_.min, holds.min);
    inside_.max = std::min(inside_.max, holds.max);
  }

  std::optional<Interval> bind(VarId var, Interval range) {
    const auto found = ranges_.find(var);
    const auto outer = found == ranges_.end() ? std::nullopt : std::optional(found->second);
    ranges_[var] = range;
    return outer;
  }
  void restore(VarId var, std::optional<Interval> outer) {
    if (outer)
      ranges_[var] = *outer;
    else
      ranges_.erase(var);
  }

  VarId var_;
  Interval range_;
  VarRanges ranges_;  // of everything in scope save the variable
  Guards guards_;
  Interval inside_;
};

class Partition {
 public:
  explicit Partition(ir::LoopNest& nest) : nest_(nest), room_(room_of(expanded_size(nest.body))) {}

  Stmt visit(const Stmt& s) {
    return ir::match(
        s, [&](const ir::For& n) { return visit_loop(s, n); },
        [&](const ir::Let& n) { return visit_let(s, n); }, [&](const ir::Store&) { return s; },
        [&](const ir::If& n) {
          return ir::if_then(n.condition, visit(n.then_case), n.else_case ? visit(n.else_case) : Stmt{});
        },
        [&](const ir::Allocate& n) { return ir::allocate(n.buffer, visit(n.body)); },
        [&](const ir::Block& n) {
          std::vector<Stmt> stmts;
          for (const Stmt& child : n.stmts) stmts.push_back(visit(child));
          return ir::block(std::move(stmts));
        });
  }

 private:
  static double room_of(double size) { return std::min(largest_nest, largest_growth * size) - size; }

  Stmt visit_loop(const Stmt& s, const ir::For& n) {
    if (n.kind == LoopKind::unroll || n.kind == LoopKind::vectorize) return s;
    const auto extent = ir::bounds(n.extent, ranges_);
    if (!extent || extent->max < 1) return s;
    const Interval range{0, extent->max - 1};
    const bool is_counted = ir::as_int(n.extent) != nullptr && n.kind == LoopKind::serial;
    const auto inside = Interior(n.var, range, ranges_, is_counted ? Guards::all : Guards::values).of(n.body);
    if (inside && is_counted) {
      const int ends = (inside->min > 0 ? 1 : 0) + (inside->max < range.max ? 1 : 0);
      if (!take_room(ends * expanded_size(n.body))) return in_range(n.var, range, [&] { return keep(s, n); });
      std::vector<Stmt> parts;
      if (inside->min > 0) parts.push_back(part(n, 0, inside->min - 1));
      parts.push_back(part(n, inside->min, inside->max));
      if (inside->max < range.max) parts.push_back(part(n, inside->max + 1, range.max));
      return ir::block(std::move(parts));
    }
    // Threads of a GPU that take another branch than their neighbours gain nothing; nothing may stand around its blocks.
    const bool may_branch = !ir::is_thread(n.kind) && !ir::is_block(n.kind);
    return in_range(n.var, range, [&] {
      if (inside && may_branch && take_room(expanded_size(n.body)))
        return ir::for_loop(n.var, n.extent, n.kind, branch(n.var, *inside, n.body));
      return keep(s, n);
    });
  }

  Stmt visit_let(const Stmt& s, const ir::Let& n) {
    const auto range = ir::bounds(n.value, ranges_);
    if (!range) return s;
    const auto inside = Interior(n.var, *range, ranges_, Guards::values).of(n.body);
    return in_range(n.var, *range, [&] {
      if (inside && !has_blocks(n.body) && take_room(expanded_size(n.body)))
        return ir::let(n.var, n.value, branch(n.var, *inside, n.body));
      return ir::let(n.var, n.value, visit(n.body));
    });
  }

  Stmt keep(const Stmt& s, const ir::For& n) {
    const Stmt body = visit(n.body);
    return body.same_as(n.body) ? s : ir::for_loop(n.var, n.extent, n.kind, body);
  }

  /// Iterations [first, last] of a loop, with their conditions decided.
  Stmt part(const ir::For& n, i64 first, i64 last) {
    const Stmt body = fresh(ir::substitute(n.body, {{n.var, ir::var(n.var) + first}}));
    const Stmt loop = ir::simplify(ir::for_loop(n.var, last - first + 1, n.kind, body), ranges_);
    return visit(loop);
  }

  Stmt branch(VarId var, Interval inside, const Stmt& body) {
    const Expr x = ir::var(var);
    const Expr condition = ir::logical_and(Expr(inside.min - 1) < x, x < Expr(inside.max + 1));
    const Interval all = ranges_[var];
    ranges_[var] = inside;
    const Stmt inner = visit(ir::simplify(fresh(body), ranges_));
    ranges_[var] = all;
    return ir::if_then(ir::simplify(condition, ranges_), inner, visit(body));
  }

  /// A copy with allocations of its own.
  Stmt fresh(const Stmt& body) {
    std::vector<BufferId> numbers;
    for (std::size_t b = 0; b < nest_.buffers.size(); ++b)
      numbers.push_back(BufferId{static_cast<std::uint32_t>(b)});
    ir::walk(body, [&](const Stmt& s) {
      if (const auto* a = s.as<ir::Allocate>())
        numbers[ir::index_of(a->buffer)] = nest_.add_buffer(nest_.buffer(a->buffer));
      return true;
    });
    return renumber_buffers(body, numbers);
  }

  bool take_room(double statements) {
    if (statements > room_) return false;
    room_ -= statements;
    return true;
  }

  template <class Make>
  Stmt in_range(VarId var, Interval range, Make&& make) {
    ranges_[var] = range;
    Stmt result = make();
    ranges_.erase(var);
    return result;
  }

  ir::LoopNest& nest_;
  double room_;  // statements that copies may still add
  VarRanges ranges_;
};

}  // namespace

void partition_loops(ir::LoopNest& nest) { nest.body = Partition(nest).visit(nest.body); }

}  // namespace tunesmith::schedules
