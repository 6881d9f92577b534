// Kernels that the tuner's tests work on.
#pragma once

#include "ir/canonical.h"
#include "ir/kernel.h"

namespace tunesmith::tuner {

/// C[i, j] = sum(k) A[i, k] * B[k, j]
inline ir::Kernel matmul_kernel(std::int64_t m, std::int64_t n, std::int64_t k,
                                ir::DType dtype = ir::DType::f32) {
  ir::Kernel kernel;
  kernel.name = "matmul";
  using ir::Expr;
  auto buffer = [&](const char* name, std::int64_t rows, std::int64_t columns, ir::Role role) {
    return kernel.add_buffer({name, dtype, {Expr(rows), Expr(columns)}, role, ir::Scope::global, {}});
  };
  const ir::BufferId a = buffer("A", m, k, ir::Role::input), b = buffer("B", k, n, ir::Role::input);
  const ir::BufferId c = buffer("C", m, n, ir::Role::output);
  const ir::VarId i = kernel.vars.add("i"), j = kernel.vars.add("j"), p = kernel.vars.add("k");
  ir::Stage stage;
  stage.name = "C";
  stage.outputs = {c};
  stage.spatial = {{i, Expr(m)}, {j, Expr(n)}};
  stage.reduce = {{p, Expr(k)}};
  stage.values = {ir::load(a, dtype, {ir::var(i), ir::var(p)}) *
                  ir::load(b, dtype, {ir::var(p), ir::var(j)})};
  stage.combiner = ir::plain_combiner(ir::CombinerKind::sum, dtype);
  kernel.stages.push_back(std::move(stage));
  return ir::canonicalise(kernel);
}

/// y[i, j] = table[place(rows[i]), j], `place` being the expression that `place` makes of the element.
template <class Place>
ir::Kernel gather_kernel(std::int64_t table_rows, std::int64_t rows, std::int64_t columns,
                         ir::DType index_dtype, Place&& place) {
  ir::Kernel kernel;
  kernel.name = "gather";
  using ir::Expr;
  auto buffer = [&](const char* name, ir::DType dtype, std::vector<Expr> shape, ir::Role role) {
    return kernel.add_buffer({name, dtype, std::move(shape), role, ir::Scope::global, {}});
  };
  const ir::BufferId table =
      buffer("table", ir::DType::f32, {Expr(table_rows), Expr(columns)}, ir::Role::input);
  const ir::BufferId index = buffer("rows", index_dtype, {Expr(rows)}, ir::Role::input);
  const ir::BufferId y = buffer("y", ir::DType::f32, {Expr(rows), Expr(columns)}, ir::Role::output);
  const ir::VarId i = kernel.vars.add("i"), j = kernel.vars.add("j");
  ir::Stage stage;
  stage.name = "y";
  stage.outputs = {y};
  stage.spatial = {{i, Expr(rows)}, {j, Expr(columns)}};
  stage.values = {
      ir::load(table, ir::DType::f32, {place(ir::load(index, index_dtype, {ir::var(i)})), ir::var(j)})};
  kernel.stages.push_back(std::move(stage));
  return ir::canonicalise(kernel);
}

}  // namespace tunesmith::tuner
