// Scalar operations by the names that attributes carry.
#pragma once

#include <string_view>

#include "ir/expr.h"

namespace tunesmith::tracer {

/// Throw a UserError for a name that is not one.
ir::UnaryOp unary_from_name(std::string_view name);
ir::BinaryOp binary_from_name(std::string_view name);

}  // namespace tunesmith::tracer
