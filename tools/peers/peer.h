// Peers: other libraries that run the same work, so that `tunesmith bench --against` can time them in turn
// with Tunesmith, in one process run and on the same data. A peer is loaded when it is asked for; Tunesmith
// needs none.
//
// Not synchronised: one thread uses a peer and its runs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ir/host_tensor.h"
#include "ir/support/error.h"
#include "ir/support/expected.h"
#include "tools/cli/op_spec.h"

namespace tunesmith::tools {

struct PeerOperand {
  std::string name;  // as in the operator text's graph, or the model's input
  ir::HostTensor data;
  bool constant = false;  // a peer may bring it into a form of its own before it is timed
};

/// What to run: an operator text or a model file.
struct PeerWork {
  const OpText* op = nullptr;  // null: the model file
  const tracer::Graph* graph = nullptr;
  std::string model_path;
  std::vector<PeerOperand> operands;
  std::vector<std::vector<std::int64_t>> output_shapes;
  std::int32_t threads = 1;

  /// REQUIRES: an operand of that name.
  const ir::HostTensor& operand(std::string_view name) const;
  bool is_constant(std::string_view name) const;
};

/// One piece of work, ready to run again and again.
class PeerRun {
 public:
  virtual ~PeerRun() = default;
  /// Runs `repeat` times; ns that all of them took.
  virtual Expected<double, Error> run(std::int64_t repeat) = 0;
  /// Of the last run, row-major, in the order of the graph's outputs.
  virtual Expected<std::vector<ir::HostTensor>, Error> outputs() = 0;
};

class Peer {
 public:
  virtual ~Peer() = default;
  virtual std::string version() const = 0;
  /// Null where the peer does not offer this work.
  virtual Expected<std::unique_ptr<PeerRun>, Error> prepare(const PeerWork& work) = 0;
};

/// Names that open_peer takes.
std::vector<std::string> peer_names();
/// The error says what is not installed. Throws a UserError for a name that is none of peer_names().
Expected<std::unique_ptr<Peer>, Error> open_peer(const std::string& name);

// One file each.
Expected<std::unique_ptr<Peer>, Error> open_blas(const std::string& library, std::string_view threads_symbol);
/// The peer of the module tunesmith-peer-<name>.so; `package` is what to install where it was not built.
Expected<std::unique_ptr<Peer>, Error> open_adapter(const std::string& name, const std::string& package);
Expected<std::unique_ptr<Peer>, Error> open_onnxruntime();
Expected<std::unique_ptr<Peer>, Error> open_loops();

}  // namespace tunesmith::tools
