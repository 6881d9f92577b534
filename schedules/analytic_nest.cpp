#include "schedules/analytic_nest.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "ir/traverse.h"
#include "schedules/sketch_structure.h"

namespace tunesmith::schedules {

using namespace ir;
using i64 = std::int64_t;

namespace {

constexpr i64 most_sides = 16;
constexpr i64 fewest_transposed = 4;  // strided loads of so many unrolled steps become transposed rows

/// Port slots of the distinct sub-expressions below `e`, index arithmetic inside loads excluded. A select whose side
/// unrolling decides costs nothing.
class OpCounter {
 public:
  explicit OpCounter(const std::vector<LoopInfo>& loops) : loops_(loops) {}

  double slots = 0;
  double flops = 0;
  int widest_bytes = 1;

  void add(const Expr& e) {
    if (!seen_.insert(&e.node()).second) return;
    if (e.dtype() != index_dtype)
      widest_bytes = std::max(widest_bytes, static_cast<int>(size_bytes(e.dtype())));
    if (e.as<Load>()) return;
    if (const auto* choice = e.as<Select>(); choice && is_decided(choice->condition)) {
      add(choice->yes);
      add(choice->no);
      return;
    }
    slots += operation_slots(e);
    if (const auto* b = e.as<Binary>()) {
      if (b->op == BinaryOp::add || b->op == BinaryOp::sub) fuse_multiply(*b);
      if (is_float(b->a.dtype())) ++flops;
    }
    for_each_child(e, [&](const Expr& child) { add(child); });
  }

 private:
  /// Over unrolled loops alone.
  bool is_decided(const Expr& condition) const {
    bool decided = true;
    walk(condition, [&](const Expr& e) {
      const auto* v = e.as<Var>();
      decided &= !e.as<Load>() && (!v || std::ranges::any_of(loops_, [&](const LoopInfo& loop) {
        return loop.var == v->id && loop.kind == LoopKind::unroll;
      }));
      return decided;
    });
    return decided;
  }
  void fuse_multiply(const Binary& sum) {
    for (const Expr& side : {sum.a, sum.b}) {
      const auto* product = side.as<Binary>();
      if (!product || product->op != BinaryOp::mul || !is_float(side.dtype())) continue;
      slots -= 1;
      return;
    }
  }
  const std::vector<LoopInfo>& loops_;
  std::unordered_set<const ExprNode*> seen_;
};

/// `e` where the variable `var` is `at`: selects that compare it with a number are replaced by one side.
Expr side_of(const Expr& e, VarId var, i64 at) {
  return rewrite(e, [&](const Expr& node) -> std::optional<Expr> {
    const auto* choice = node.as<Select>();
    const auto number = choice ? picked_by(*choice, var) : std::nullopt;
    if (!number) return std::nullopt;
    return *number == at ? choice->yes : choice->no;
  });
}

bool picks_sides(const Expr& e, VarId var) {
  bool found = false;
  std::unordered_set<const ExprNode*> seen;
  walk(e, [&](const Expr& node) {
    if (found || !seen.insert(&node.node()).second) return false;
    if (const auto* choice = node.as<Select>()) found = picked_by(*choice, var).has_value();
    return true;
  });
  return found;
}

/// Collects the bodies and loops of a nest.
class Collector : public NestBodies {
 public:
  Collector(const LoopNest& of, const Machine& on, int with)
      : NestBodies{of, on, std::max(1, with), Prober(of.vars.size())} {}

  void visit(const Stmt& s) {
    match(
        s, [&](const For& f) { visit_for(f); },
        [&](const Let& l) {
          prober.bind(l.var, l.value);
          visit(l.body);
          prober.unbind(l.var);
        },
        [&](const ir::Store& st) { visit_store(st); }, [&](const If& i) { visit_if(i); },
        [&](const Allocate& a) { visit(a.body); },
        [&](const Block& b) {
          for (const Stmt& child : b.stmts) visit(child);
        });
  }

 private:
  void visit_for(const For& f) {
    LoopInfo loop;
    loop.var = f.var;
    loop.kind = f.kind;
    loop.extent = std::max<i64>(0, prober.eval(f.extent));
    loop.trips = prober.mean(f.extent, loops_);
    if (loop.extent <= 0 || loop.trips <= 0) return;
    if (f.kind == LoopKind::parallel) {
      double outer = 1;
      for (const LoopInfo& l : loops_) outer *= l.trips * l.probability;
      const double chunks = loop.trips;
      loop.trips = std::ceil(chunks / threads);
      launches += outer;
      parallel_chunks = std::max(parallel_chunks, chunks);
      imbalance = std::max(imbalance, loop.trips * threads / chunks - 1);
    }
    loop.probability = guard_;
    const double saved_guard = guard_;
    const std::size_t saved_group = group_;
    guard_ = 1;
    if (f.kind == LoopKind::serial || f.kind == LoopKind::parallel) group_ = group_count++;
    loops_.push_back(loop);
    path_.push_back(nodes.size());
    nodes.emplace_back();
    prober.set(f.var, 0);
    visit(f.body);
    path_.pop_back();
    loops_.pop_back();
    group_ = saved_group;
    guard_ = saved_guard;
  }

  void visit_if(const If& i) {
    const double p = prober.probability(i.condition, loops_);
    const double saved = guard_;
    guard_ = saved * p;
    if (guard_ > 0) visit(i.then_case);
    guard_ = saved * (1 - p);
    if (i.else_case && guard_ > 0) visit(i.else_case);
    guard_ = saved;
  }

  /// The values that a store has in the steps of the loop that picks sides of its selects; one where none does.
  std::vector<Expr> sides_of(const Expr& value) const {
    for (const LoopInfo& loop : loops_) {
      if (loop.extent < 2 || loop.extent > most_sides || !picks_sides(value, loop.var)) continue;
      std::vector<Expr> sides;
      for (i64 at = 0; at < loop.extent; ++at) sides.push_back(side_of(value, loop.var, at));
      return sides;
    }
    return {value};
  }

  void visit_store(const ir::Store& st) {
    Body body;
    body.loops = loops_;
    body.nodes = path_;
    body.group = group_;
    body.probability = guard_;
    const std::vector<Expr> sides = sides_of(st.value);
    for (const Expr& side : sides) {
      OpCounter counter(loops_);
      counter.add(side);
      body.slots += counter.slots / static_cast<double>(sides.size());
      body.flops += counter.flops / static_cast<double>(sides.size());
      body.element_bytes = std::max({body.element_bytes, counter.widest_bytes,
                                     static_cast<int>(size_bytes(st.value.dtype()))});
    }
    const Role role = nest.buffer(st.buffer).role;
    body.to_temporary = role == Role::temp || role == Role::prepared;

    Access target = access(st.buffer, st.index, true);
    target.streaming = st.streaming;
    std::unordered_set<std::uint64_t> seen;
    walk(sides[sides.size() / 2], [&](const Expr& e) {  // a typical side
      if (!seen.insert(e.hash()).second) return false;
      const auto* l = e.as<Load>();
      if (!l) return true;
      body.accesses.push_back(access(l->buffer, l->indices.at(0), false));
      body.accesses.back().fetches_ahead = l->ahead != 0;
      load_rows(body.accesses.back());
      if (l->buffer == st.buffer && equal(l->indices[0], st.index)) body.is_accumulation = true;
      return true;
    });
    body.accesses.push_back(std::move(target));
    bodies.push_back(std::move(body));
  }

  Access access(BufferId buffer, const Expr& index, bool is_store) {
    Access a;
    a.buffer = buffer;
    a.element_bytes = static_cast<int>(size_bytes(nest.buffer(buffer).dtype));
    a.is_store = is_store;
    a.index_hash = index.hash();
    prober.take_data_dependence();
    for (const LoopInfo& loop : loops_) a.walks.push_back(prober.walk(index, loop.var, loop.extent));
    a.data_dependent = prober.take_data_dependence();
    return a;
  }

  /// Strided lanes of an unroll loop that steps by one: the code generator loads rows and transposes them.
  void load_rows(Access& a) const {
    if (loops_.empty() || loops_.back().kind != LoopKind::vectorize) return;
    Walk& lanes = a.walks.back();
    if (!lanes.varies() || !lanes.is_regular || lanes.stride == 1) return;
    for (std::size_t d = loops_.size() - 1; d-- > 0;) {
      Walk& steps = a.walks[d];
      if (loops_[d].kind != LoopKind::unroll) return;
      if (!steps.is_regular || steps.stride != 1 || steps.count < fewest_transposed) continue;
      std::swap(lanes, steps);
      a.is_transposed = true;
      return;
    }
  }

  std::vector<LoopInfo> loops_;
  std::vector<std::size_t> path_;
  std::size_t group_ = 0;
  double guard_ = 1;
};

}  // namespace

NestBodies collect_bodies(const LoopNest& nest, const Machine& machine, int threads) {
  Collector collector(nest, machine, threads);
  collector.visit(nest.body);
  return std::move(static_cast<NestBodies&>(collector));
}

}  // namespace tunesmith::schedules
