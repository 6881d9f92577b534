// Expressions as CUDA C++ text. Internal to the folder.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>

#include "ir/affine.h"
#include "ir/loop_nest.h"

namespace tunesmith::codegen::cuda {

/// Thrown where an expression has no text; caught by make_program.
struct PrintError {
  std::string message;
};

/// The type of an element in memory, e.g. "float"; booleans take a byte. Throws where the GPU has none.
std::string memory_type(ir::DType dtype);
/// The type of a value, e.g. "ts_half".
std::string value_type(ir::DType dtype);

struct ExprPrinter {
  const ir::VarRanges& ranges;
  std::function<std::string(ir::VarId)> variable;
  /// An element as an lvalue, e.g. "A[i * 4 + 1]".
  std::function<std::string(ir::BufferId, const ir::Expr& index)> element;

  /// Nodes that have a name already.
  std::unordered_map<const ir::ExprNode*, std::string> named;

  std::string operator()(const ir::Expr& e) const;

 private:
  std::string binary(const ir::Binary& n, const ir::Expr& e) const;
  bool is_natural(const ir::Expr& e) const;
};

}  // namespace tunesmith::codegen::cuda
