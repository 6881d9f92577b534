// Kernels that the tuner's tests work on.
#pragma once

#include "ir/canonical.h"
#include "ir/kernel.h"

namespace tunesmith::tuner {

/// C[i, j] = sum(k) A[i, k] * B[k, j]
inline ir::Kernel matmul_kernel(std::int64_t m, std::int64_t n, std::int64_t k) {
  ir::Kernel kernel;
  kernel.name = "matmul";
  using ir::Expr;
  auto buffer = [&](const char* name, std::int64_t rows, std::int64_t columns, ir::Role role) {
    return kernel.add_buffer({name, ir::DType::f32, {Expr(rows), Expr(columns)}, role, ir::Scope::global, {}});
  };
  const ir::BufferId a = buffer("A", m, k, ir::Role::input), b = buffer("B", k, n, ir::Role::input);
  const ir::BufferId c = buffer("C", m, n, ir::Role::output);
  const ir::VarId i = kernel.vars.add("i"), j = kernel.vars.add("j"), p = kernel.vars.add("k");
  ir::Stage stage;
  stage.name = "C";
  stage.outputs = {c};
  stage.spatial = {{i, Expr(m)}, {j, Expr(n)}};
  stage.reduce = {{p, Expr(k)}};
  stage.values = {ir::load(a, ir::DType::f32, {ir::var(i), ir::var(p)}) *
                  ir::load(b, ir::DType::f32, {ir::var(p), ir::var(j)})};
  stage.combiner = ir::plain_combiner(ir::CombinerKind::sum, ir::DType::f32);
  kernel.stages.push_back(std::move(stage));
  return ir::canonicalise(kernel);
}

}  // namespace tunesmith::tuner
