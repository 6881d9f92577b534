// Internal: the checks that kernels and loop nests share.
#pragma once

#include <optional>
#include <string>
#include <unordered_set>

#include "ir/kernel.h"
#include "ir/traverse.h"

namespace tunesmith::ir {

using VarSet = std::unordered_set<VarId>;
using BufferSet = std::unordered_set<BufferId>;

struct ExprContext {
  const VarTable& vars;
  const std::vector<Buffer>& buffers;
  const VarSet& scope;        // variables that may appear
  const BufferSet* readable;  // kernels: buffers written so far; null: no loads at all
  bool flat;                  // nests: loads have one flat index and any buffer may be read
};

/// What is wrong with an expression or load; nullopt: nothing.
std::optional<std::string> expr_problem(const Expr& root, const ExprContext& context);
std::optional<std::string> load_problem(const Load& load, const ExprContext& context);

}  // namespace tunesmith::ir
