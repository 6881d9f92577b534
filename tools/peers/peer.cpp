#include "tools/peers/peer.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

namespace tunesmith::tools {
namespace {

struct PeerRow {
  std::string name;
  std::function<Expected<std::unique_ptr<Peer>, Error>()> open;
};

const std::vector<PeerRow>& peers() {
  static const std::vector<PeerRow> rows = {
      {"onednn", [] { return open_adapter("onednn", "libdnnl-dev"); }},
      {"openblas", [] { return open_blas("libopenblas.so.0", "openblas_set_num_threads"); }},
      {"blis", [] { return open_blas("libblis.so.4", "bli_thread_set_num_threads"); }},
      {"libxsmm", [] { return open_adapter("libxsmm", "libxsmm-dev"); }},
      {"onnxruntime", open_onnxruntime},
      {"loops", open_loops},
  };
  return rows;
}

}  // namespace

std::vector<std::string> peer_names() {
  std::vector<std::string> names;
  for (const PeerRow& row : peers()) names.push_back(row.name);
  return names;
}

Expected<std::unique_ptr<Peer>, Error> open_peer(const std::string& name) {
  const auto found = std::ranges::find(peers(), name, &PeerRow::name);
  if (found == peers().end())
    throw_user_error("--against: unknown peer '{}'; accepted: {}", name, fmt::join(peer_names(), ", "));
  return found->open();
}

}  // namespace tunesmith::tools
