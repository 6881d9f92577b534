// Text forms. print and parse are inverse: parse(print(x)) prints to the same text.
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
