// The state of lowering, shared by its parts: loops (lower_loops.cpp), attached stages and tiles
// (lower_attach.cpp), statements (lower_leaf.cpp). Internal to the room. Not synchronised.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "ir/affine.h"
#include "ir/loop_nest.h"
#include "schedules/frame.h"
#include "schedules/tree.h"

namespace tunesmith::schedules {

/// Where the elements of a kernel buffer are at present: element `i` is at `i - base` of a nest buffer.
struct View {
  bool exists = false;
  ir::BufferId buffer{};
  std::vector<ir::Expr> base;  // empty: all zero
};

/// What the loops of a stage are emitted for.
enum class Phase : std::uint8_t {
  whole,       // everything; of a reduction: until its first reduction loop or its tile
  initialise,  // identity to the state; spatial loops only, like the next two
  fetch,       // state from memory to the tile
  update,      // state (+) value
  put,         // state from the tile to memory
};
constexpr bool is_spatial_only(Phase phase) {
  return phase == Phase::initialise || phase == Phase::fetch || phase == Phase::put;
}

class Lowering {
 public:
  explicit Lowering(const LoopTree& tree);
  std::optional<ir::LoopNest> run();

 private:
  using Emit = std::function<ir::Stmt()>;

  // Loops.
  ir::Stmt nest_of(StageIndex stage, std::vector<Range> axes);
  ir::Stmt for_each_size(StageIndex stage, std::size_t axis);
  ir::Stmt loops(StageIndex stage, std::size_t position, Phase phase);
  ir::Stmt loop(StageIndex stage, std::size_t position, Phase phase);
  ir::Stmt peeled(StageIndex stage, std::size_t position, Phase phase, const SplitView& split);
  ir::Stmt bound(StageIndex stage, std::size_t position, Phase phase, ir::Expr value);
  ir::Stmt resolved(StageIndex stage, std::size_t position, Phase phase);
  ir::Stmt sizes_of_tail(StageIndex stage, const SplitView& split, const Emit& emit);
  ir::Stmt body(StageIndex stage, std::size_t position, Phase phase);
  bool needs_constant(StageIndex stage, NodeIndex node) const;
  ir::Stmt with_frame(StageIndex stage, const Emit& emit);
  ir::Stmt counted(ir::VarId var, const Extent& extent, ir::LoopKind kind, const Emit& emit);

  // Attached stages and tiles.
  ir::Stmt with_producers(StageIndex stage, NodeIndex loop, const Emit& rest);
  ir::Stmt attached_producer(StageIndex producer, const Emit& rest);
  ir::Stmt consumers(StageIndex stage, std::size_t position);
  ir::Stmt with_tile(StageIndex stage, std::size_t position);
  std::vector<Range> whole_blocks(StageIndex stage, std::vector<Range> axes) const;
  ir::BufferId region_buffer(ir::BufferId buffer, const std::vector<Range>& axes, ir::Scope scope);
  bool needed_outside(StageIndex stage, NodeIndex loop) const;
  /// All enclosing reduction loops up to `position` are in their first (last) iteration; null: there are
  /// none.
  ir::Expr outer_iteration(StageIndex stage, std::size_t position, bool last) const;

  // Statements.
  ir::Stmt leaf(StageIndex stage, Phase phase);
  ir::Stmt map_stores(StageIndex stage);
  ir::Stmt update_stores(StageIndex stage);
  ir::Expr translate(StageIndex stage, const ir::Expr& e);
  std::vector<ir::Expr> point_of(StageIndex stage) const;
  View& view(ir::BufferId buffer);
  ir::Expr flat(const View& view, const std::vector<ir::Expr>& point) const;
  ir::Expr read(ir::BufferId buffer, const View& view, const std::vector<ir::Expr>& point,
                std::int64_t ahead = 0) const;

  const LoopTree& tree_;
  ir::LoopNest nest_;
  std::vector<Frame> frames_;                    // one a stage
  std::vector<std::vector<View>> memory_views_;  // one a stage: its outputs outside of its tile
  std::vector<View> views_;                      // one a kernel buffer
  ir::VarRanges ranges_;                         // of the loop variables around
  int concurrent_depth_ = 0;  // loops around whose iterations may run at the same time
  int leaves_ = 0;  // emitted so far; past the limit nothing more is emitted
};

}  // namespace tunesmith::schedules
