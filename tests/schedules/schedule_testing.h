// Helpers of the tests of schedules: small kernels, comparison with the reference, random schedules.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <string>

#include "ir/interpret.h"
#include "ir/print.h"
#include "ir/support/rng.h"
#include "ir/traverse.h"
#include "ir/verify.h"
#include "schedules/apply.h"
#include "schedules/steps.h"
#include "tests/ir/kernels.h"

namespace tunesmith::schedules::testing {

using namespace ir;

inline Schedule parsed(std::string_view text) {
  auto schedule = parse_schedule(text);
  EXPECT_TRUE(schedule.has_value()) << (schedule ? "" : schedule.error().message);
  return schedule ? *schedule : Schedule{};
}

/// The code that apply gives for the text; "legal" when it applies.
inline std::string refusal(const Kernel& kernel, std::string_view text) {
  const Schedule schedule = parsed(text);
  const auto nest = schedules::apply(kernel, schedule);
  if (nest) return "legal";
  const std::string explanation = render(kernel, schedule, nest.error());
  EXPECT_NE(explanation.find(to_string(nest.error().code)), std::string::npos);
  return std::string(to_string(nest.error().code));
}

/// The body of the nest as text.
inline std::string body_of(const Kernel& kernel, std::string_view text) {
  const Schedule schedule = parsed(text);
  const auto nest = schedules::apply(kernel, schedule);
  if (!nest) return render(kernel, schedule, nest.error());
  const std::string all = print(*nest);
  const std::size_t start = all.find("  prepare:");
  return all.substr(start == std::string::npos ? all.find("  body:") : start);
}

/// Inputs of small multiples of a quarter: sums of products are exact in any order.
inline std::vector<HostTensor> exact_inputs(const Kernel& kernel, Rng& rng) {
  std::vector<HostTensor> inputs;
  for (BufferId id : arguments(kernel)) {
    const Buffer& buffer = kernel.buffer(id);
    if (buffer.role == Role::output) continue;
    std::vector<std::int64_t> shape;
    for (const Expr& e : buffer.shape) shape.push_back(int_value(e));
    HostTensor logical(buffer.dtype, shape);
    for (std::int64_t i = 0; i < logical.size(); ++i)
      logical.set(i, static_cast<double>(rng.between(-8, 8)) / (is_float(buffer.dtype) ? 4 : 1));
    inputs.push_back(to_physical(logical, buffer));
  }
  return inputs;
}

/// The statement with the iterations of its parallel loops in reverse order.
inline Stmt with_parallel_reversed(const Stmt& s) {
  return match(
      s,
      [&](const For& n) {
        Stmt body = with_parallel_reversed(n.body);
        if (n.kind == LoopKind::parallel)
          body = substitute(body, Bindings{{n.var, n.extent - 1 - var(n.var)}});
        return for_loop(n.var, n.extent, n.kind, body);
      },
      [&](const Let& n) { return let(n.var, n.value, with_parallel_reversed(n.body)); },
      [&](const Store&) { return s; },
      [&](const If& n) {
        return if_then(n.condition, with_parallel_reversed(n.then_case),
                       n.else_case ? with_parallel_reversed(n.else_case) : Stmt{});
      },
      [&](const Allocate& n) { return allocate(n.buffer, with_parallel_reversed(n.body)); },
      [&](const Block& n) {
        std::vector<Stmt> stmts;
        for (const Stmt& child : n.stmts) stmts.push_back(with_parallel_reversed(child));
        return block(std::move(stmts));
      });
}

/// The nest means the same as the kernel, to the given relative error, whatever the order of parallel
/// iterations.
inline void expect_same_meaning(const Kernel& kernel, const Schedule& schedule, double tolerance = 1e-9,
                                std::uint64_t seed = 1) {
  auto nest = schedules::apply(kernel, schedule);
  ASSERT_TRUE(nest.has_value()) << print_schedule(schedule) << "\n" << render(kernel, schedule, nest.error());
  nest->body = with_parallel_reversed(nest->body);
  const auto verified = verify(*nest);
  ASSERT_TRUE(verified.has_value()) << verified.error().message << "\n"
                                    << print_schedule(schedule) << "\n"
                                    << print(kernel) << print(*nest);
  Rng rng(seed);
  const std::vector<HostTensor> inputs = exact_inputs(kernel, rng);
  const auto expected = interpret(kernel, inputs);
  const auto got = interpret(*nest, inputs);
  ASSERT_TRUE(expected.has_value()) << expected.error().message;
  ASSERT_TRUE(got.has_value()) << got.error().message << "\n"
                               << print_schedule(schedule) << "\n"
                               << print(kernel) << print(*nest);
  ASSERT_EQ(expected->size(), got->size());
  for (std::size_t o = 0; o < got->size(); ++o)
    for (std::int64_t i = 0; i < (*got)[o].size(); ++i) {
      const double a = (*expected)[o].at(i), b = (*got)[o].at(i);
      const bool same = a == b || (std::isnan(a) && std::isnan(b)) ||
                        std::abs(a - b) <= tolerance * std::max(1.0, std::abs(a));
      ASSERT_TRUE(same) << "output " << o << " element " << i << ": " << a << " became " << b << "\n"
                        << print_schedule(schedule) << "\n"
                        << print(kernel) << print(*nest);
    }
}
inline void expect_same_meaning(const Kernel& kernel, std::string_view text, double tolerance = 1e-9) {
  expect_same_meaning(kernel, parsed(text), tolerance);
}

/// C = A B; D = max(C + bias, 0). Stages s0 'C' (i, j, k), s1 'D' (i, j); buffers b0 A, b1 B, b2 C, b3 bias.
inline Kernel matmul_relu(std::int64_t m, std::int64_t k, std::int64_t n, Role weights = Role::input) {
  Kernel kernel = ir::testing::matmul(m, k, n);
  kernel.buffers[1].role = weights;
  kernel.buffers[2].role = Role::temp;
  const BufferId bias = kernel.add_buffer({"bias", DType::f32, {n}, Role::constant, Scope::global, {}});
  const BufferId d = kernel.add_buffer({"D", DType::f32, {m, n}, Role::output, Scope::global, {}});
  const VarId i = kernel.vars.add("i"), j = kernel.vars.add("j");
  const Expr sum = load(BufferId{2}, DType::f32, {var(i), var(j)}) + load(bias, DType::f32, {var(j)});
  kernel.stages.push_back({"D", {d}, {{i, m}, {j, n}}, {}, {max(sum, float_imm(0))}, {}});
  return kernel;
}

/// P = pad(X); Y[h, w] = sum(r, s) P[h + r, w + s] * W[r, s]. Stages s0 'P' (h, w), s1 'Y' (h, w, r, s);
/// buffers b0 X, b1 W, b2 P, b3 Y.
inline Kernel padded_window(std::int64_t h, std::int64_t w, std::int64_t window) {
  Kernel kernel;
  kernel.name = "window";
  const std::int64_t pad = window / 2;
  const BufferId x = kernel.add_buffer({"X", DType::f32, {h, w}, Role::input, Scope::global, {}});
  const BufferId f =
      kernel.add_buffer({"W", DType::f32, {window, window}, Role::constant, Scope::global, {}});
  const BufferId p =
      kernel.add_buffer({"P", DType::f32, {h + 2 * pad, w + 2 * pad}, Role::temp, Scope::global, {}});
  const BufferId y = kernel.add_buffer({"Y", DType::f32, {h, w}, Role::output, Scope::global, {}});
  const VarId ph = kernel.vars.add("h"), pw = kernel.vars.add("w");
  const Expr row = var(ph) - pad, column = var(pw) - pad;
  const Expr inside = logical_and(logical_and(row >= Expr(0), row < Expr(h)),
                                  logical_and(column >= Expr(0), column < Expr(w)));
  kernel.stages.push_back({"P",
                           {p},
                           {{ph, h + 2 * pad}, {pw, w + 2 * pad}},
                           {},
                           {select(inside, load(x, DType::f32, {row, column}), float_imm(0))},
                           {}});
  const VarId i = kernel.vars.add("h"), j = kernel.vars.add("w"), r = kernel.vars.add("r"),
              s = kernel.vars.add("s");
  const Expr product =
      load(p, DType::f32, {var(i) + var(r), var(j) + var(s)}) * load(f, DType::f32, {var(r), var(s)});
  kernel.stages.push_back({"Y",
                           {y},
                           {{i, h}, {j, w}},
                           {{r, window}, {s, window}},
                           {product},
                           plain_combiner(CombinerKind::sum, DType::f32)});
  return kernel;
}

/// M = max(j) X; Y = X - M. Stages s0 'M' (i, j), s1 'Y' (i, j); buffers b0 X, b1 M, b2 Y.
inline Kernel row_shift(std::int64_t rows, std::int64_t columns) {
  Kernel kernel;
  kernel.name = "row_shift";
  const BufferId x = kernel.add_buffer({"X", DType::f32, {rows, columns}, Role::input, Scope::global, {}});
  const BufferId m = kernel.add_buffer({"M", DType::f32, {rows}, Role::temp, Scope::global, {}});
  const BufferId y = kernel.add_buffer({"Y", DType::f32, {rows, columns}, Role::output, Scope::global, {}});
  const VarId i = kernel.vars.add("i"), j = kernel.vars.add("j");
  kernel.stages.push_back({"M",
                           {m},
                           {{i, rows}},
                           {{j, columns}},
                           {load(x, DType::f32, {var(i), var(j)})},
                           plain_combiner(CombinerKind::max, DType::f32)});
  const VarId i2 = kernel.vars.add("i"), j2 = kernel.vars.add("j");
  kernel.stages.push_back({"Y",
                           {y},
                           {{i2, rows}, {j2, columns}},
                           {},
                           {load(x, DType::f32, {var(i2), var(j2)}) - load(m, DType::f32, {var(i2)})},
                           {}});
  return kernel;
}

/// Y[j, i] = X[i, j]; stage s0 (j, i), buffers b0 X, b1 Y.
inline Kernel transposed(std::int64_t rows, std::int64_t columns) {
  Kernel kernel;
  kernel.name = "transpose";
  const BufferId x = kernel.add_buffer({"X", DType::f32, {rows, columns}, Role::input, Scope::global, {}});
  const BufferId y = kernel.add_buffer({"Y", DType::f32, {columns, rows}, Role::output, Scope::global, {}});
  const VarId j = kernel.vars.add("j"), i = kernel.vars.add("i");
  kernel.stages.push_back(
      {"Y", {y}, {{j, columns}, {i, rows}}, {}, {load(x, DType::f32, {var(i), var(j)})}, {}});
  return kernel;
}

}  // namespace tunesmith::schedules::testing
