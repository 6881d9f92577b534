// Operator texts of the command line, such as "matmul:m=1024,n=1024,k=1024,epilogue=bias+relu".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tracer/graph.h"

namespace tunesmith::tools {

/// True for texts that name an operator of the list below (as opposed to a path).
bool is_op_spec(std::string_view text);

/// The graph of an operator text. Throws a UserError that names the operator or key at fault and lists what is
/// accepted.
tracer::Graph parse_op_spec(std::string_view text);

/// One line an operator: its keys with their defaults.
std::string op_spec_help();

}  // namespace tunesmith::tools
