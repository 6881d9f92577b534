// Integer arithmetic of compiled code at the ends of the range, where the machine's own instructions trap or
// are undefined: what the interpreter says, and never a crash.
#include <limits>

#include "ir/interpret.h"
#include "ir/print.h"
#include "tests/codegen/run_nest.h"

namespace tunesmith::codegen {
namespace {

using ir::BinaryOp;
using ir::DType;
using ir::Expr;

/// out[i] = a[i] op b[i], in vectors with a rest.
ir::LoopNest binary_nest(BinaryOp op, DType dtype, std::int64_t size, std::int64_t lanes) {
  ir::LoopNest nest;
  nest.name = "binary";
  auto buffer = [&](const char* name, ir::Role role) {
    return nest.add_buffer({name, dtype, {Expr(size)}, role, ir::Scope::global, {}});
  };
  const ir::BufferId a = buffer("a", ir::Role::input), b = buffer("b", ir::Role::input);
  const ir::BufferId out = buffer("out", ir::Role::output);
  nest.arguments = {a, b, out};
  auto part = [&](std::int64_t begin, std::int64_t count, std::int64_t width) {
    const ir::VarId outer = nest.vars.add("o"), inner = nest.vars.add("i");
    const Expr at = Expr(begin) + ir::var(outer) * width + ir::var(inner);
    const Expr value = ir::binary(op, ir::load(a, dtype, {at}), ir::load(b, dtype, {at}));
    return ir::for_loop(outer, count, ir::LoopKind::serial,
                        ir::for_loop(inner, width, ir::LoopKind::vectorize, ir::store(out, at, value)));
  };
  const std::int64_t whole = size / lanes;
  nest.body = ir::block({part(0, whole, lanes), part(whole * lanes, 1, size % lanes)});
  return nest;
}

std::vector<std::int64_t> awkward_values(DType dtype) {
  const int bits = ir::bit_width(dtype);
  if (ir::is_unsigned_integer(dtype)) {
    const std::int64_t most = bits == 64 ? -1 : (std::int64_t{1} << bits) - 1;  // as 64 bits
    return {0, 1, 2, 3, 7, bits - 1, bits, bits + 1, most, most - 1};
  }
  const std::int64_t least =
      bits == 64 ? std::numeric_limits<std::int64_t>::min() : -(std::int64_t{1} << (bits - 1));
  return {0, 1, -1, 2, -2, 3, -3, 7, -7, bits - 1, bits, bits + 1, least, least + 1, -(least + 1)};
}

bool divides(BinaryOp op) {
  return op == BinaryOp::div || op == BinaryOp::mod || op == BinaryOp::floor_div || op == BinaryOp::floor_mod;
}

/// Every pair of awkward values; a divisor of 0, which has no result, is given to the machine only.
void expect_interpreted(BinaryOp op, DType dtype) {
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
  for (const std::int64_t x : awkward_values(dtype))
    for (const std::int64_t y : awkward_values(dtype)) pairs.emplace_back(x, y);
  const auto size = static_cast<std::int64_t>(pairs.size());
  ir::HostTensor a(dtype, {size}), b(dtype, {size}), nonzero(dtype, {size});
  for (std::int64_t i = 0; i < size; ++i) {
    const auto [x, y] = pairs[static_cast<std::size_t>(i)];
    a.set_int(i, x);
    b.set_int(i, y);
    nonzero.set_int(i, divides(op) && y == 0 ? 1 : y);
  }
  const ir::LoopNest nest = binary_nest(op, dtype, size, 16);
  const auto want = ir::interpret(nest, std::vector{a, nonzero});
  ASSERT_TRUE(want) << want.error().message;
  const auto got = run_nest(nest, {a, b});
  ASSERT_TRUE(got) << got.error().message;
  for (std::int64_t i = 0; i < size; ++i) {
    const auto [x, y] = pairs[static_cast<std::size_t>(i)];
    if (divides(op) && y == 0) continue;
    EXPECT_EQ((*got)[0].int_at(i), (*want)[0].int_at(i)) << x << " " << ir::to_string(op) << " " << y;
  }
}

class IntegerOps : public ::testing::TestWithParam<DType> {};

TEST_P(IntegerOps, AgreeWithTheInterpreterAtTheEndsOfTheRange) {
  for (const BinaryOp op :
       {BinaryOp::add, BinaryOp::sub, BinaryOp::mul, BinaryOp::div, BinaryOp::mod, BinaryOp::floor_div,
        BinaryOp::floor_mod, BinaryOp::min, BinaryOp::max, BinaryOp::pow, BinaryOp::shift_left,
        BinaryOp::shift_right, BinaryOp::bit_and, BinaryOp::bit_or, BinaryOp::bit_xor}) {
    SCOPED_TRACE(ir::to_string(op));
    expect_interpreted(op, GetParam());
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, IntegerOps,
                         ::testing::Values(DType::i8, DType::i16, DType::i32, DType::i64, DType::u8,
                                           DType::u16, DType::u32, DType::u64),
                         [](const auto& info) { return std::string(ir::to_string(info.param)); });

}  // namespace
}  // namespace tunesmith::codegen
