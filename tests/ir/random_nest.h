// Turns a kernel into a loop nest stage by stage, with random splits, guards, lets and loop kinds: a
// source of varied valid nests whose meaning is known.
#pragma once

#include "ir/traverse.h"
#include "tests/ir/random_kernel.h"

namespace tunesmith::ir::testing {

class NestGenerator {
 public:
  NestGenerator(const Kernel& kernel, Rng& rng) : kernel_(kernel), rng_(rng) {}

  LoopNest run() {
    nest_.name = kernel_.name;
    nest_.vars = kernel_.vars;
    nest_.buffers = kernel_.buffers;
    nest_.arguments = arguments(kernel_);
    for (std::uint32_t i = 0; i < nest_.buffers.size(); ++i)
      if (nest_.buffers[i].role == Role::temp) nest_.workspace.push_back(BufferId{i});
    std::vector<Stmt> stages;
    for (const Stage& stage : kernel_.stages) stages.push_back(lower(stage));
    nest_.body = block(std::move(stages));
    return nest_;
  }

 private:
  Expr flatten(const Expr& e) {
    return rewrite(e, [&](const Expr& node) -> std::optional<Expr> {
      const auto* l = node.as<Load>();
      if (!l || index_of(l->buffer) >= kernel_.buffers.size()) return std::nullopt;
      return load(l->buffer, l->dtype, {flat_index(kernel_.buffer(l->buffer), l->indices)},
                  rng_.below(8) == 0 ? rng_.between(1, 99) : 0);
    });
  }

  LoopKind kind(bool may_be_parallel) {
    static constexpr LoopKind usual[] = {LoopKind::serial, LoopKind::unroll, LoopKind::vectorize};
    return may_be_parallel ? LoopKind::parallel : usual[rng_.below(3)];
  }

  /// Loops that bind the axis: one loop, or two with a guard, joined by a let or by substitution.
  Stmt loops(const Axis& axis, Stmt body, bool may_be_parallel) {
    if (rng_.below(2)) return for_loop(axis.var, axis.extent, kind(may_be_parallel), body);
    const std::int64_t extent = int_value(axis.extent), factor = rng_.between(1, 4);
    const VarId outer = nest_.vars.add("i.0"), inner = nest_.vars.add("i.1");
    const Expr joined = var(outer) * factor + var(inner);
    if (extent % factor != 0) body = if_then(joined < axis.extent, body);
    body = rng_.below(2) ? let(axis.var, joined, body) : substitute(body, {{axis.var, joined}});
    body = for_loop(inner, factor, kind(false), body);
    return for_loop(outer, (extent + factor - 1) / factor, kind(may_be_parallel), body);
  }

  Stmt lower(const Stage& stage) {
    std::vector<Expr> point;
    for (const Axis& axis : stage.spatial) point.push_back(var(axis.var));
    auto store_outputs = [&](const std::vector<Expr>& values) {
      std::vector<Stmt> stores;
      for (std::size_t c = 0; c < values.size(); ++c)
        stores.push_back(store(stage.outputs[c], flat_index(kernel_.buffer(stage.outputs[c]), point),
                               flatten(values[c]), rng_.below(4) == 0));
      return block(std::move(stores));
    };
    Stmt body = stage.combiner ? reduction(stage, store_outputs) : store_outputs(stage.values);
    for (std::size_t d = stage.spatial.size(); d-- > 0;)
      body = loops(stage.spatial[d], body, d == 0 && rng_.below(2));
    return body;
  }

  template <class StoreOutputs>
  Stmt reduction(const Stage& stage, StoreOutputs&& store_outputs) {
    std::vector<BufferId> states, next;
    std::vector<Expr> state_values, next_values;
    for (BufferId id : stage.outputs) {
      const DType dtype = kernel_.buffer(id).dtype;
      for (auto [ids, values] : {std::pair(&states, &state_values), std::pair(&next, &next_values)}) {
        ids->push_back(nest_.add_buffer({"acc", dtype, {}, Role::temp, Scope::local, {}}));
        values->push_back(load(ids->back(), dtype, {Expr(0)}));
      }
    }
    std::vector<Stmt> init, compute, update;
    std::vector<Expr> values;
    for (const Expr& value : stage.values) values.push_back(flatten(value));
    const std::vector<Expr> combined = combine(*stage.combiner, state_values, values);
    for (std::size_t c = 0; c < states.size(); ++c) {
      init.push_back(store(states[c], 0, stage.combiner->identity[c]));
      compute.push_back(store(next[c], 0, combined[c]));
      update.push_back(store(states[c], 0, next_values[c]));
    }
    Stmt body = block({block(compute), block(update)});
    for (std::size_t d = stage.reduce.size(); d-- > 0;) body = loops(stage.reduce[d], body, false);
    body = block({block(init), body, store_outputs(state_values)});
    for (std::size_t c = 0; c < states.size(); ++c) body = allocate(states[c], allocate(next[c], body));
    return body;
  }

  const Kernel& kernel_;
  Rng& rng_;
  LoopNest nest_;
};

}  // namespace tunesmith::ir::testing
