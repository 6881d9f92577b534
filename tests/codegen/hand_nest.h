// Loop nests that tests write by hand, and their comparison with the interpreter.
#pragma once

#include "ir/interpret.h"
#include "ir/verify.h"
#include "tests/codegen/run_nest.h"

namespace tunesmith::codegen {

using namespace ir;  // NOLINT: the tests write loop nests by hand

struct Nest : LoopNest {
  BufferId buffer_of(const char* name, std::int64_t size, Role role, Scope scope = Scope::global) {
    const BufferId id = add_buffer({name, DType::f32, {Expr(size)}, role, scope, {}});
    if (role != Role::temp) arguments.push_back(id);
    return id;
  }
  Expr at(BufferId id, Expr index) const { return load(id, DType::f32, {std::move(index)}); }
};

inline HostTensor counting(std::int64_t size) {
  HostTensor tensor(DType::f32, {size});
  for (std::int64_t i = 0; i < size; ++i) tensor.set(i, static_cast<double>(i % 13) - 6);
  return tensor;
}

inline void expect_same_as_interpreter(const LoopNest& nest, const std::vector<HostTensor>& inputs,
                                       int threads) {
  ASSERT_TRUE(verify(nest)) << verify(nest).error().message;
  const auto want = interpret(nest, inputs);
  ASSERT_TRUE(want) << want.error().message;
  const auto got = run_nest(nest, inputs, threads);
  ASSERT_TRUE(got) << got.error().message;
  for (std::size_t o = 0; o < want->size(); ++o)
    for (std::int64_t i = 0; i < (*want)[o].size(); ++i)
      ASSERT_NEAR((*got)[o].at(i), (*want)[o].at(i), 1e-4) << "output " << o << " element " << i;
}

}  // namespace tunesmith::codegen
