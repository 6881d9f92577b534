// The analytic model on nests written by hand: the terms that must come out, and which of two nests is
// faster.
#include "schedules/analytic.h"

#include <gtest/gtest.h>

#include "schedules/analytic_access.h"

namespace tunesmith::schedules {
namespace {

using namespace ir;
using i64 = std::int64_t;

struct Nest {
  LoopNest nest;

  BufferId buffer(i64 elements, Role role, Scope scope = Scope::global, DType dtype = DType::f32) {
    Buffer b;
    b.name = "b";
    b.dtype = dtype;
    b.shape = {Expr(elements)};
    b.role = role;
    b.scope = scope;
    return nest.add_buffer(std::move(b));
  }
  VarId loop(const char* name) { return nest.vars.add(name); }
  static Expr at(BufferId id, Expr index) { return load(id, DType::f32, {std::move(index)}); }
};

/// out[i] = x[i] + y[i] in loops of the given kind.
Nest add_nest(i64 size, bool vectorised, bool streaming, bool parallel = false) {
  Nest n;
  const BufferId x = n.buffer(size, Role::input), y = n.buffer(size, Role::input),
                 out = n.buffer(size, Role::output);
  const VarId i = n.loop("i"), v = n.loop("v");
  const Expr index = vectorised ? var(i) * 16 + var(v) : var(i);
  Stmt body = store(out, index, Nest::at(x, index) + Nest::at(y, index), streaming);
  if (vectorised) body = for_loop(v, 16, LoopKind::vectorize, body);
  n.nest.body =
      for_loop(i, vectorised ? size / 16 : size, parallel ? LoopKind::parallel : LoopKind::serial, body);
  return n;
}

/// C[m,n] += A[m,k] B[k,n] with a register tile of mr x (nrv * 16).
Nest gemm_nest(i64 size, i64 mr, i64 nrv) {
  Nest n;
  const BufferId a = n.buffer(size * size, Role::input), b = n.buffer(size * size, Role::input);
  const BufferId c = n.buffer(size * size, Role::output);
  const BufferId acc = n.buffer(mr * nrv * 16, Role::temp, Scope::registers);
  const VarId m0 = n.loop("m0"), n0 = n.loop("n0"), k = n.loop("k"), m1 = n.loop("m1"), n1 = n.loop("n1"),
              v = n.loop("v");
  const Expr row = var(m0) * mr + var(m1);
  const Expr column = (var(n0) * nrv + var(n1)) * 16 + var(v);
  const Expr tile = (var(m1) * nrv + var(n1)) * 16 + var(v);
  auto unrolled = [&](Stmt s) {
    return for_loop(m1, mr, LoopKind::unroll,
                    for_loop(n1, nrv, LoopKind::unroll, for_loop(v, 16, LoopKind::vectorize, s)));
  };
  const Stmt update = unrolled(
      store(acc, tile,
            Nest::at(acc, tile) + Nest::at(a, row * size + var(k)) * Nest::at(b, var(k) * size + column)));
  const Stmt work =
      block({unrolled(store(acc, tile, float_imm(0))), for_loop(k, size, LoopKind::serial, update),
             unrolled(store(c, row * size + column, Nest::at(acc, tile)))});
  n.nest.body = for_loop(m0, size / mr, LoopKind::serial,
                         for_loop(n0, size / (nrv * 16), LoopKind::serial, allocate(acc, work)));
  return n;
}

TEST(AnalyticModel, StreamsAreBoundByDramAndStreamingStoresSaveTheReadOfTheLine) {
  const i64 size = 16 << 20;
  const AnalyticCost plain = analytic_cost(add_nest(size, true, false).nest, Machine{}, 1);
  const AnalyticCost streaming = analytic_cost(add_nest(size, true, true).nest, Machine{}, 1);
  EXPECT_NEAR(plain.dram_ns, 4.0 * size * 4 / Machine{}.dram_gbps, 0.02 * plain.dram_ns);
  EXPECT_LT(streaming.time_ns, 0.85 * plain.time_ns);
  EXPECT_GT(plain.dram_ns, plain.fma_ns);
}

TEST(AnalyticModel, WhatFitsInACacheDoesNotTouchDram) {
  const AnalyticCost cost = analytic_cost(add_nest(4096, true, false).nest, Machine{}, 1);
  EXPECT_EQ(cost.dram_ns, 0);
  const AnalyticCost scalar = analytic_cost(add_nest(4096, false, false).nest, Machine{}, 1);
  EXPECT_GT(scalar.time_ns, 1.5 * cost.time_ns);
}

TEST(AnalyticModel, RegisterTilesReachThePeakAndSpillsCost) {
  const Machine machine;
  const double peak_ns = 2.0 * 128 * 128 * 128 / machine.peak_gflops();
  const AnalyticCost good = analytic_cost(gemm_nest(128, 8, 2).nest, machine, 1);
  EXPECT_NEAR(good.fma_ns, peak_ns, 0.1 * peak_ns);
  EXPECT_LT(good.time_ns, 1.5 * peak_ns);
  EXPECT_EQ(good.spilled_registers, 0);
  EXPECT_EQ(good.live_registers, 8 * 2 + 2 + 1 + 1);
  const AnalyticCost spilling = analytic_cost(gemm_nest(128, 16, 4).nest, machine, 1);
  EXPECT_GT(spilling.spilled_registers, 0);
  EXPECT_GT(spilling.time_ns, 1.3 * good.time_ns);
  const AnalyticCost narrow = analytic_cost(gemm_nest(128, 1, 1).nest, machine, 1);
  EXPECT_GT(narrow.latency_ns, 2 * peak_ns);  // one accumulator: the chain decides
  EXPECT_GT(narrow.time_ns, 2 * good.time_ns);
}

TEST(AnalyticModel, ParallelLoopsShareWorkAndPayTheLaunch) {
  const i64 size = 1 << 16;
  Machine machine;
  machine.parallel_launch_ns = 500;
  const AnalyticCost one = analytic_cost(add_nest(size, true, false, true).nest, machine, 1);
  const AnalyticCost two = analytic_cost(add_nest(size, true, false, true).nest, machine, 2);
  EXPECT_EQ(one.launch_ns, 0);
  EXPECT_EQ(two.launch_ns, 500);
  EXPECT_NEAR(two.time_ns - 500, one.time_ns / 2, 0.1 * one.time_ns);
  const AnalyticCost three = analytic_cost(add_nest(64, true, false, true).nest, machine, 3);
  EXPECT_NEAR(three.imbalance, 6.0 / 4 - 1, 1e-9);
}

TEST(AnalyticModel, StridedVectorsCountAsGathers) {
  Nest n;
  const BufferId x = n.buffer(256 * 256, Role::input), out = n.buffer(256 * 256, Role::output);
  const VarId i = n.loop("i"), j = n.loop("j"), v = n.loop("v");
  const Expr column = var(j) * 16 + var(v);
  n.nest.body =
      for_loop(i, 256, LoopKind::serial,
               for_loop(j, 16, LoopKind::serial,
                        for_loop(v, 16, LoopKind::vectorize,
                                 store(out, var(i) * 256 + column, Nest::at(x, column * 256 + var(i))))));
  const AnalyticCost cost = analytic_cost(n.nest, Machine{}, 1);
  EXPECT_EQ(cost.gathers, 256 * 256);
  EXPECT_EQ(cost.max_stride_bytes, 16 * 256 * 4);
}

TEST(AnalyticModel, GuardsCountByTheShareOfIterationsThatPass) {
  Nest n;
  const BufferId x = n.buffer(1000, Role::input), out = n.buffer(1000, Role::output);
  const VarId i = n.loop("i");
  const Stmt body = store(out, var(i), Nest::at(x, var(i)) + float_imm(1));
  n.nest.body = for_loop(i, 1000, LoopKind::serial, if_then(var(i) < 250, body));
  EXPECT_EQ(analytic_cost(n.nest, Machine{}, 1).vector_stores, 250);
}

TEST(AnalyticFootprint, CountsLinesAndJoinsOverlappingWindows) {
  Access a;
  a.element_bytes = 4;
  a.walks = {{1024, 8}, {1, 64}};  // 8 rows of 64 elements, 4 KB apart
  EXPECT_EQ(footprint(a, 0, 64).bytes, 8 * 256);
  EXPECT_EQ(footprint(a, 0, 64).set_bytes, 8 * 4096);  // the rows share their sets
  EXPECT_EQ(footprint(a, 1, 64).bytes, 256);
  a.walks = {{1024, 8}};
  EXPECT_EQ(footprint(a, 0, 64).bytes, 8 * 64);
  a.walks = {{1, 14}, {1, 3}};  // a sliding window
  EXPECT_EQ(footprint(a, 0, 4).bytes, 16 * 4);
  a.walks = {{2, 100}};  // every second element: whole lines
  EXPECT_EQ(footprint(a, 0, 64).bytes, 800);
}

TEST(AnalyticProber, SeesThroughFusedVariables) {
  VarTable vars;
  const VarId f = vars.add("f");
  Prober prober(vars.size());
  const Walk rows = prober.walk(floor_div(var(f), Expr(7)) * 100, f, 21);
  EXPECT_EQ(rows.count, 3);
  EXPECT_FALSE(rows.is_regular);
  const Walk straight = prober.walk(floor_div(var(f), Expr(7)) * 7 + floor_mod(var(f), Expr(7)), f, 21);
  EXPECT_TRUE(straight.is_regular);
  EXPECT_EQ(straight.stride, 1);
  EXPECT_EQ(prober.walk(Expr(3), f, 21).count, 1);
}

/// out[i, v] = x[v] + … for the side that `i` picks: eight additions on one side, none on the other.
TEST(Analytic, OneSideOfAChoiceCounts) {
  auto cost = [](bool by_loop) {
    Nest n;
    const BufferId x = n.buffer(16, Role::input), out = n.buffer(2 * 16, Role::output);
    const VarId i = n.loop("i"), v = n.loop("v");
    const Expr element = Nest::at(x, var(v));
    Expr sum = element;
    for (int k = 1; k <= 8; ++k) sum = sum + element * float_imm(k, DType::f32);
    const Expr condition = by_loop ? binary(BinaryOp::eq, var(i), Expr(0)) : element < float_imm(1, DType::f32);
    n.nest.body = for_loop(i, 2, LoopKind::unroll,
                           for_loop(v, 16, LoopKind::vectorize,
                                    store(out, var(i) * 16 + var(v), select(condition, sum, element))));
    return analytic_cost(n.nest, Machine{}, 1).vector_ops;
  };
  EXPECT_EQ(cost(true), 8);
  EXPECT_GE(cost(false), 2 * 8);
}

}  // namespace
}  // namespace tunesmith::schedules
