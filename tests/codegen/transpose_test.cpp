// Strided loads of unrolled steps become rows that are transposed in registers.
#include <gtest/gtest.h>

#include "tests/codegen/hand_nest.h"

namespace tunesmith::codegen {
namespace {

/// y[r * lanes + l] = value(x[l * pitch + r]) over unrolled r and vectorized l.
Nest transposition(std::int64_t steps, std::int64_t lanes, std::int64_t pitch) {
  Nest nest;
  const BufferId x = nest.buffer_of("x", lanes * pitch, Role::input);
  const BufferId y = nest.buffer_of("y", steps * lanes, Role::output);
  const VarId r = nest.vars.add("r"), l = nest.vars.add("l");
  nest.body = for_loop(r, steps, LoopKind::unroll,
                       for_loop(l, lanes, LoopKind::vectorize,
                                store(y, var(r) * lanes + var(l), nest.at(x, var(l) * pitch + var(r)))));
  return nest;
}

TEST(TransposedLoads, EverySizeOfTile) {
  for (std::int64_t steps : {1, 3, 4, 5, 8, 15, 16, 17, 33})
    for (std::int64_t lanes : {2, 4, 5, 8, 13, 16, 17, 32})
      for (std::int64_t extra : {0, 3}) {
        const std::int64_t pitch = steps + extra;
        expect_same_as_interpreter(transposition(steps, lanes, pitch), {counting(lanes * pitch)}, 1);
      }
}

TEST(TransposedLoads, InsideLoopsThatMoveTheTile) {
  Nest nest;
  const BufferId x = nest.buffer_of("x", 64 * 48, Role::input),
                 y = nest.buffer_of("y", 48 * 64, Role::output);
  const VarId a = nest.vars.add("a"), c = nest.vars.add("c"), r = nest.vars.add("r"), l = nest.vars.add("l");
  const Expr column = var(c) * 16 + var(r), row = var(a) * 16 + var(l);
  nest.body =
      for_loop(a, 4, LoopKind::parallel,
               for_loop(c, 3, LoopKind::serial,
                        for_loop(r, 16, LoopKind::unroll,
                                 for_loop(l, 16, LoopKind::vectorize,
                                          store(y, column * 64 + row,
                                                nest.at(x, row * 48 + column) * nest.at(x, column))))));
  for (int threads : {1, 2}) expect_same_as_interpreter(nest, {counting(64 * 48)}, threads);
}

TEST(TransposedLoads, AStoreToTheSameBufferIsSeenByLaterSteps) {
  Nest nest;
  const BufferId x = nest.buffer_of("x", 16 * 16, Role::input),
                 y = nest.buffer_of("y", 16 * 17, Role::output);
  const VarId i = nest.vars.add("i"), r = nest.vars.add("r"), l = nest.vars.add("l");
  // Step r overwrites what step r + 1 reads.
  nest.body = block(
      {for_loop(i, 16 * 17, LoopKind::serial, store(y, var(i), nest.at(x, floor_mod(var(i), 256)))),
       for_loop(
           r, 15, LoopKind::unroll,
           for_loop(l, 16, LoopKind::vectorize,
                    store(y, var(l) * 17 + var(r) + 1, nest.at(y, var(l) * 17 + var(r)) + float_imm(1))))});
  expect_same_as_interpreter(nest, {counting(16 * 16)}, 1);
}

TEST(TransposedLoads, StepsThatDoNotReadAreNotReadAhead) {
  // Only the first three of sixteen steps are inside of x.
  for (bool branch : {false, true}) {
    Nest nest;
    const BufferId x = nest.buffer_of("x", 15 * 3 + 3, Role::input),
                   y = nest.buffer_of("y", 256, Role::output);
    const VarId r = nest.vars.add("r"), l = nest.vars.add("l");
    const Expr place = var(r) * 16 + var(l), inside = var(r) < Expr(3);
    const Expr value = nest.at(x, var(l) * 3 + var(r));
    const Stmt guarded = branch ? if_then(inside, store(y, place, value), store(y, place, float_imm(0)))
                                : store(y, place, select(inside, value, float_imm(0)));
    nest.body = for_loop(r, 16, LoopKind::unroll, for_loop(l, 16, LoopKind::vectorize, guarded));
    expect_same_as_interpreter(nest, {counting(15 * 3 + 3)}, 1);
  }
}

}  // namespace
}  // namespace tunesmith::codegen
