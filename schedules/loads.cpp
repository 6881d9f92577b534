#include "schedules/loads.h"

#include <unordered_set>

#include "ir/traverse.h"

namespace tunesmith::schedules {

void for_each_load(const ir::Expr& e, const std::function<void(const ir::Load&)>& visit) {
  std::unordered_set<const ir::ExprNode*> seen;
  ir::walk(e, [&](const ir::Expr& x) {
    if (!seen.insert(&x.node()).second) return false;
    if (const auto* l = x.as<ir::Load>()) visit(*l);
    return true;
  });
}

}  // namespace tunesmith::schedules
