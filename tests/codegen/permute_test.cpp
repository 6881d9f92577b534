// Vector loads whose lanes lie at constant distances become vectors that are shuffled into place.
#include <gtest/gtest.h>

#include <functional>

#include "tests/codegen/hand_nest.h"

namespace tunesmith::codegen {
namespace {

/// y[i * lanes + l] = x[index(i * lanes + l)], over serial i and vectorized l. x ends with the last element
/// that is read.
void expect_permutation(std::int64_t rows, std::int64_t lanes, std::int64_t size,
                        const std::function<Expr(Expr)>& index) {
  Nest nest;
  const BufferId x = nest.buffer_of("x", size, Role::input),
                 y = nest.buffer_of("y", rows * lanes, Role::output);
  const VarId i = nest.vars.add("i"), l = nest.vars.add("l");
  const Expr place = var(i) * lanes + var(l);
  nest.body = for_loop(i, rows, LoopKind::serial,
                       for_loop(l, lanes, LoopKind::vectorize, store(y, place, nest.at(x, index(place)))));
  expect_same_as_interpreter(nest, {counting(size)}, 1);
}

TEST(PermutedLoads, Strides) {
  for (std::int64_t stride : {2, 3, 4, 5, 7})
    for (std::int64_t lanes : {2, 3, 8, 13, 16, 40})
      expect_permutation(3, lanes, (3 * lanes - 1) * stride + 1, [&](const Expr& p) { return p * stride; });
}

TEST(PermutedLoads, Reversed) {
  for (std::int64_t stride : {1, 2})
    for (std::int64_t lanes : {2, 7, 16, 33})
      expect_permutation(2, lanes, (2 * lanes - 1) * stride + 1,
                         [&](const Expr& p) { return Expr((2 * lanes - 1) * stride) - p * stride; });
}

TEST(PermutedLoads, OneElementForSeveralLanes) {
  for (std::int64_t members : {2, 4, 8})
    for (std::int64_t lanes : {8, 16, 32})
      expect_permutation(4, lanes, 4 * lanes,
                         [&](const Expr& p) { return floor_div(p, members) * members + 1; });
}

TEST(PermutedLoads, ALetWithAValueALane) {
  Nest nest;
  const BufferId x = nest.buffer_of("x", 64, Role::input), y = nest.buffer_of("y", 16, Role::output);
  const VarId l = nest.vars.add("l"), place = nest.vars.add("place");
  nest.body =
      for_loop(l, 16, LoopKind::vectorize,
               let(place, floor_mod(var(l) * 5, 64), store(y, var(l), nest.at(x, var(place) + 1 - 1))));
  expect_same_as_interpreter(nest, {counting(64)}, 1);
}

TEST(PermutedLoads, TurningRows) {
  for (std::int64_t turn : {3, 8, 16, 24})
    expect_permutation(3, 48, 144, [&](const Expr& p) { return floor_mod(p, turn); });
}

}  // namespace
}  // namespace tunesmith::codegen
