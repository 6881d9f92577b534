#include "schedules/check_nest.h"

#include <algorithm>

#include "ir/traverse.h"
#include "schedules/loads.h"

namespace tunesmith::schedules {
namespace {

using Code = ScheduleError::Code;
using ir::LoopKind;

/// True when all loops of `stage` from `position` on, and of what is attached to them, are unrolled.
bool only_unrolled_inside(const LoopTree& tree, StageIndex stage, std::size_t position) {
  const TreeStage& s = tree.stages[stage];
  for (std::size_t p = position; p < s.order.size(); ++p)
    if (s.nodes[s.order[p]].kind != LoopKind::unroll) return false;
  for (StageIndex other : tree.sequence) {
    const auto& place = tree.stages[other].place;
    if (place && place->host == stage && tree.position(stage, place->loop) + 1 >= position) return false;
  }
  return !s.tile || tree.position(stage, s.tile->at) + 1 < position;
}

/// The loops that a node was split or fused into.
std::vector<NodeIndex> loops_of(const TreeStage& s, NodeIndex node) {
  std::vector<NodeIndex> loops, below{node};
  while (!below.empty()) {
    const NodeIndex n = below.back();
    below.pop_back();
    const Node& part = s.nodes[n];
    if (part.use == Node::Use::loop) loops.push_back(n);
    if (part.use != Node::Use::loop) below.push_back(part.first);
    if (part.use == Node::Use::split) below.push_back(part.second);
  }
  return loops;
}

/// What keeps blocks of a stage from being computed again where they overlap.
std::optional<ScheduleError> check_overlaps(const TreeStage& s) {
  // Further inside, the state of a reduction is not begun anew, but goes on from what it is.
  const auto begins = std::ranges::find_if(s.order, [&](NodeIndex loop) {
    return s.nodes[loop].is_reduction || (s.tile && s.tile->at == loop);
  });
  const bool in_tile = begins != s.order.end() && !s.nodes[*begins].is_reduction;
  const auto end = in_tile ? begins + 1 : begins;
  for (const Node& split : s.nodes) {
    if (split.use != Node::Use::split || split.tail != Tail::overlap) continue;
    for (const NodeIndex loop : loops_of(s, split.first)) {
      if (std::find(s.order.begin(), end, loop) == end)
        return ScheduleError{Code::overlap_reduction, split.kind_step};
      if (s.nodes[loop].kind == LoopKind::vectorize)
        return ScheduleError{Code::overlap_concurrent, split.kind_step};
    }
    for (const NodeIndex part : {split.first, split.second})
      for (const NodeIndex loop : loops_of(s, part))
        if (ir::is_concurrent(s.nodes[loop].kind))
          return ScheduleError{Code::overlap_concurrent, split.kind_step};
  }
  return std::nullopt;
}

class RegisterCheck {
 public:
  explicit RegisterCheck(const ir::LoopNest& nest)
      : nest_(nest), expanded_(nest.vars.size(), false), depth_(nest.buffers.size(), 0) {}

  /// A buffer whose index is not constant, or that other threads use.
  std::optional<ir::BufferId> run() {
    for (const ir::Stmt& part : {nest_.prepare, nest_.body})
      if (part) visit(part);
    return bad_;
  }

 private:
  void visit(const ir::Stmt& s) {
    const auto* f = s.as<ir::For>();
    const bool is_parallel = f && f->kind == LoopKind::parallel;
    if (f) expanded_[ir::index_of(f->var)] = ir::is_expanded(f->kind) || ir::is_thread(f->kind);
    if (const auto* a = s.as<ir::Allocate>()) depth_[ir::index_of(a->buffer)] = parallel_;
    parallel_ += is_parallel;
    if (const auto* l = s.as<ir::Let>()) expanded_[ir::index_of(l->var)] = is_constant(l->value);
    if (const auto* st = s.as<ir::Store>()) check(st->buffer, st->index);
    ir::for_each_child(
        s, [&](const ir::Stmt& child) { visit(child); },
        [&](const ir::Expr& e) {
          for_each_load(e, [&](const ir::Load& l) { check(l.buffer, l.indices[0]); });
        });
    parallel_ -= is_parallel;
  }
  bool is_constant(const ir::Expr& e) const {
    bool constant = true;
    ir::walk(e, [&](const ir::Expr& x) {
      if (const auto* v = x.as<ir::Var>()) constant &= expanded_[ir::index_of(v->id)];
      if (x.as<ir::Load>()) constant = false;
      return constant;
    });
    return constant;
  }
  void check(ir::BufferId buffer, const ir::Expr& index) {
    if (nest_.buffer(buffer).scope != ir::Scope::registers) return;
    if (!is_constant(index) || depth_[ir::index_of(buffer)] != parallel_) bad_ = buffer;
  }

  const ir::LoopNest& nest_;
  std::vector<bool> expanded_;  // variables that are constant in a thread once unroll and vectorize loops are expanded
  std::vector<int> depth_;  // parallel loops around the allocation of a buffer
  int parallel_ = 0;
  std::optional<ir::BufferId> bad_;
};

/// Statements once all copies are made, of vectorized loops one for each vector.
class CodeSize {
 public:
  static constexpr std::int64_t limit = 1 << 15;

  explicit CodeSize(const ir::LoopNest& nest) {
    for (const ir::Stmt& part : {nest.prepare, nest.body})
      if (part) visit(part, 1);
  }
  bool is_too_large() const { return statements_ > limit; }
  ir::VarId longest_loop() const { return longest_; }

 private:
  static constexpr std::int64_t lanes = 16;

  void visit(const ir::Stmt& s, std::int64_t copies) {
    if (const auto* f = s.as<ir::For>(); f && ir::is_expanded(f->kind)) {
      const std::int64_t extent = ir::int_value(f->extent);
      if (extent > longest_extent_) {
        longest_extent_ = extent;
        longest_ = f->var;
      }
      const std::int64_t more = f->kind == LoopKind::unroll ? extent : (extent + lanes - 1) / lanes;
      copies = std::min(copies, limit + 1) * std::min(more, limit + 1);
    }
    if (s.as<ir::Store>()) statements_ += std::min(copies, limit + 1);
    ir::for_each_child(
        s, [&](const ir::Stmt& child) { visit(child, copies); }, [](const ir::Expr&) {});
  }

  std::int64_t statements_ = 0;
  std::int64_t longest_extent_ = 0;
  ir::VarId longest_{};
};

/// The step that put a kernel buffer into registers.
std::uint32_t register_step(const LoopTree& tree, const std::string& buffer) {
  std::uint32_t step = no_step;
  for (const TreeStage& s : tree.stages)
    for (ir::BufferId output : s.def.outputs) {
      if (tree.kernel.buffer(output).name != buffer) continue;
      if (s.place && s.place->scope == ir::Scope::registers) step = s.place->step;
      if (s.tile && s.tile->scope == ir::Scope::registers) step = s.tile->step;
    }
  return step;
}

}  // namespace

std::optional<ScheduleError> check_annotations(const LoopTree& tree) {
  for (StageIndex stage : tree.sequence) {
    const TreeStage& s = tree.stages[stage];
    if (const auto error = check_overlaps(s)) return error;
    for (std::size_t p = 0; p < s.order.size(); ++p) {
      const Node& node = s.nodes[s.order[p]];
      if (node.kind != LoopKind::vectorize) continue;
      if (!only_unrolled_inside(tree, stage, p + 1))
        return ScheduleError{Code::vectorize_not_inner, node.kind_step};
      if (node.is_reduction && !s.def.combiner->associative)  // lanes are joined in another order
        return ScheduleError{Code::not_associative, node.kind_step};
      if (node.is_reduction && s.def.combiner->kind == ir::CombinerKind::tuple)
        return ScheduleError{Code::vectorized_tuple, node.kind_step};
    }
  }
  return std::nullopt;
}

std::optional<ScheduleError> check_registers(const LoopTree& tree, const ir::LoopNest& nest) {
  const bool any =
      std::ranges::any_of(nest.buffers, [](const ir::Buffer& b) { return b.scope == ir::Scope::registers; });
  if (!any) return std::nullopt;
  const auto bad = RegisterCheck(nest).run();
  if (!bad) return std::nullopt;
  return ScheduleError{Code::registers_not_constant, register_step(tree, nest.buffer(*bad).name)};
}

std::optional<ScheduleError> check_code_size(const LoopTree& tree, const ir::LoopNest& nest) {
  const CodeSize size(nest);
  if (!size.is_too_large()) return std::nullopt;
  std::uint32_t step = no_step;
  for (const TreeStage& s : tree.stages)
    for (const Node& node : s.nodes)
      if (node.use == Node::Use::loop && node.var == size.longest_loop()) step = node.kind_step;
  return ScheduleError{Code::too_much_code, step};
}

}  // namespace tunesmith::schedules
