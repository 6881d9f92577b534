// Text forms. print and parse are inverse: parse(print(x)) prints to the same text.
//
// Operators, loosest first: | ^ & (== != < <= > >=) (<< >>) (+ -) (* / // %), then unary - and !. `//` and
// `%` are floor_div and floor_mod. Everything else is a call by its stable name: max(a, b), exp(x),
// select(c, a, b), f16(x) for a cast, bit_cast(i32, x). Constants: 3 is i64, 1.5 is f32, others carry their
// dtype: 3:i32, 1.5:f16. Names are made unique by a suffix.
#pragma once

#include <string>
#include <string_view>

#include "ir/loop_nest.h"
#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::ir {

std::string print(const Expr& e, const VarTable& vars, const std::vector<Buffer>& buffers);
std::string print(const Kernel& kernel);
std::string print(const LoopNest& nest);

/// An error names line and column and what was expected.
Expected<Kernel, Error> parse_kernel(std::string_view text);
Expected<LoopNest, Error> parse_loop_nest(std::string_view text);

}  // namespace tunesmith::ir
