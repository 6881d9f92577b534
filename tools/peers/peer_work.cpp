#include <algorithm>

#include "ir/support/check.h"
#include "tools/peers/peer.h"

namespace tunesmith::tools {

const ir::HostTensor& PeerWork::operand(std::string_view name) const {
  const auto found = std::ranges::find(operands, name, &PeerOperand::name);
  TS_CHECK(found != operands.end(), name);
  return found->data;
}

bool PeerWork::is_constant(std::string_view name) const {
  const auto found = std::ranges::find(operands, name, &PeerOperand::name);
  return found != operands.end() && found->constant;
}

}  // namespace tunesmith::tools
