// Operator texts of the command line, such as "matmul:m=1024,n=1024,k=1024,epilogue=bias+relu".
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tracer/graph.h"

namespace tunesmith::tools {

/// An operator text, taken apart: every key with its value, defaults filled in.
struct OpText {
  std::string name;
  std::map<std::string, std::int64_t, std::less<>> numbers;
  ir::DType dtype = ir::DType::f32;
  std::vector<std::string> epilogue;

  std::int64_t operator[](std::string_view key) const { return numbers.find(key)->second; }
};

/// The graph of an operator text, with its operands by name ("x", "weight", …). Operands are inputs of the
/// graph; the weights are constants with random values where the text says constant=1.
struct OpGraph {
  OpText text;
  tracer::Graph graph;
  std::vector<std::pair<std::string, tracer::ValueId>> operands;
};

/// True for texts that name an operator of the list below (as opposed to a path).
bool is_op_spec(std::string_view text);

/// The graph of an operator text. Throws a UserError that names the operator or key at fault and lists what
/// is accepted.
OpGraph parse_op_spec(std::string_view text);

/// One line an operator: its keys with their defaults.
std::string op_spec_help();

}  // namespace tunesmith::tools
