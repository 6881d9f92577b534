// Small kernels and nests that several tests use.
#pragma once

#include <functional>

#include "ir/loop_nest.h"

namespace tunesmith::ir::testing {

inline std::vector<Expr> exprs(const std::vector<std::int64_t>& values) {
  return {values.begin(), values.end()};
}

/// C[m, n] = sum(k) A[m, k] * B[k, n]
inline Kernel matmul(std::int64_t m, std::int64_t k, std::int64_t n) {
  Kernel kernel;
  kernel.name = "matmul";
  const BufferId a = kernel.add_buffer({"A", DType::f32, {m, k}, Role::input, Scope::global, {}});
  const BufferId b = kernel.add_buffer({"B", DType::f32, {k, n}, Role::input, Scope::global, {}});
  const BufferId c = kernel.add_buffer({"C", DType::f32, {m, n}, Role::output, Scope::global, {}});
  const VarId i = kernel.vars.add("i"), j = kernel.vars.add("j"), r = kernel.vars.add("k");
  const Expr value = load(a, DType::f32, {var(i), var(r)}) * load(b, DType::f32, {var(r), var(j)});
  kernel.stages.push_back(
      {"C", {c}, {{i, m}, {j, n}}, {{r, k}}, {value}, plain_combiner(CombinerKind::sum, DType::f32)});
  return kernel;
}

/// Y[...] = f(X[...])
inline Kernel elementwise(DType dtype, const std::vector<std::int64_t>& shape,
                          const std::function<Expr(const Expr&)>& f) {
  Kernel kernel;
  kernel.name = "elementwise";
  const BufferId x = kernel.add_buffer({"X", dtype, exprs(shape), Role::input, Scope::global, {}});
  Stage stage{"Y", {}, {}, {}, {}, {}};
  std::vector<Expr> indices;
  for (std::int64_t extent : shape) {
    stage.spatial.push_back({kernel.vars.add("i"), extent});
    indices.push_back(var(stage.spatial.back().var));
  }
  stage.values = {f(load(x, dtype, indices))};
  const DType result = stage.values[0].dtype();
  stage.outputs = {kernel.add_buffer({"Y", result, exprs(shape), Role::output, Scope::global, {}})};
  kernel.stages.push_back(stage);
  return kernel;
}

/// The largest element of each row and the first place where it stands, as one tuple reduction.
inline Kernel argmax(std::int64_t rows, std::int64_t columns) {
  Kernel kernel;
  kernel.name = "argmax";
  const BufferId x = kernel.add_buffer({"X", DType::f32, {rows, columns}, Role::input, Scope::global, {}});
  const BufferId best = kernel.add_buffer({"best", DType::f32, {rows}, Role::output, Scope::global, {}});
  const BufferId where = kernel.add_buffer({"where", DType::i64, {rows}, Role::output, Scope::global, {}});
  const VarId i = kernel.vars.add("i"), k = kernel.vars.add("k");
  const VarId s0 = kernel.vars.add("s0"), s1 = kernel.vars.add("s1");
  const VarId v0 = kernel.vars.add("v0"), v1 = kernel.vars.add("v1");
  const Expr better = var(v0, DType::f32) > var(s0, DType::f32);
  Combiner combiner;
  combiner.kind = CombinerKind::tuple;
  combiner.identity = {float_imm(lowest(DType::f32)), Expr(0)};
  combiner.state = {s0, s1};
  combiner.value = {v0, v1};
  combiner.update = {select(better, var(v0, DType::f32), var(s0, DType::f32)),
                     select(better, var(v1), var(s1))};
  const std::vector<Expr> values = {load(x, DType::f32, {var(i), var(k)}), var(k)};
  kernel.stages.push_back({"argmax", {best, where}, {{i, rows}}, {{k, columns}}, values, combiner});
  return kernel;
}

/// A scheduled 2x3x2 product with its accumulators in registers.
inline LoopNest matmul_nest() {
  LoopNest nest;
  nest.name = "matmul";
  const BufferId a = nest.add_buffer({"A", DType::f32, {2, 3}, Role::input, Scope::global, {}});
  const BufferId b = nest.add_buffer({"B", DType::f32, {3, 2}, Role::input, Scope::global, {}});
  const BufferId c = nest.add_buffer({"C", DType::f32, {2, 2}, Role::output, Scope::global, {}});
  const BufferId acc = nest.add_buffer({"acc", DType::f32, {2}, Role::temp, Scope::registers, {}});
  nest.arguments = {a, b, c};
  const VarId i = nest.vars.add("i"), k = nest.vars.add("k");
  const VarId j0 = nest.vars.add("j"), j1 = nest.vars.add("j"), j2 = nest.vars.add("j");
  const Expr product =
      load(a, DType::f32, {var(i) * 3 + var(k)}) * load(b, DType::f32, {var(k) * 2 + var(j1)});
  auto lanes = [](VarId j, Stmt body) { return for_loop(j, 2, LoopKind::vectorize, std::move(body)); };
  nest.body = for_loop(
      i, 2, LoopKind::parallel,
      allocate(acc,
               block({lanes(j0, store(acc, var(j0), float_imm(0))),
                      for_loop(k, 3, LoopKind::serial,
                               lanes(j1, store(acc, var(j1), load(acc, DType::f32, {var(j1)}) + product))),
                      lanes(j2, store(c, var(i) * 2 + var(j2), load(acc, DType::f32, {var(j2)})))})));
  return nest;
}

}  // namespace tunesmith::ir::testing
