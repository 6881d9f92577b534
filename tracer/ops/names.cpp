#include "tracer/ops/names.h"

#include "ir/support/error.h"

namespace tunesmith::tracer {
namespace {

template <class Op>
Op from_name(std::string_view name, int count) {
  for (int i = 0; i < count; ++i)
    if (ir::to_string(static_cast<Op>(i)) == name) return static_cast<Op>(i);
  throw_user_error("there is no scalar operation '{}'", name);
}

}  // namespace

ir::UnaryOp unary_from_name(std::string_view name) {
  return from_name<ir::UnaryOp>(name, ir::unary_op_count);
}
ir::BinaryOp binary_from_name(std::string_view name) {
  return from_name<ir::BinaryOp>(name, ir::binary_op_count);
}

}  // namespace tunesmith::tracer
