// LoopTree: a kernel while steps rewrite it. Internal to the room.
//
// Each stage has iteration nodes. A node starts as an axis; split and fuse make new nodes from it. The nodes
// that are loops stand in `order`, outermost first. A stage stands at the root, or is attached inside a loop
// of another stage (its host): before what the loop did so far (compute_at) or after it
// (reverse_compute_at). Extents are not stored: lowering finds them from the outside in, since an attached
// stage covers only the region that its host needs, and a ragged tile is lowered for each of its sizes.
// Invariants: stage numbers never change; `sequence` lists all live stages, producers before readers.
// Not synchronised.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "ir/kernel.h"
#include "ir/stmt.h"
#include "schedules/apply.h"
#include "schedules/schedule.h"

namespace tunesmith::schedules {

using NodeIndex = std::uint32_t;
using Status = Expected<void, ScheduleError::Code>;
inline Unexpected<ScheduleError::Code> refuse(ScheduleError::Code code) { return Unexpected(code); }

inline constexpr std::uint32_t no_step = 0xffffffff;
inline constexpr NodeIndex no_node = 0xffffffff;

/// An iteration variable. Node numbers are local to their stage.
struct Node {
  enum class Use : std::uint8_t {
    loop,   // stands in the stage's order
    split,  // = first * factor + second
    fused,  // a part of `first`: the outer one when `is_outer`; `second` is the other part
  };
  LoopId id;
  ir::VarId var{};  // of the loop; unused while not a loop
  bool is_reduction = false;
  Use use = Use::loop;
  NodeIndex first = 0, second = 0;
  std::int64_t factor = 1;
  Tail tail = Tail::peel;
  bool is_outer = false;
  ir::LoopKind kind = ir::LoopKind::serial;
  std::uint32_t kind_step = no_step;  // the step that chose the kind; of a split, the step that split
};

/// A place inside a loop of another stage.
struct Place {
  StageIndex host = 0;
  NodeIndex loop = 0;
  bool after = false;  // reverse_compute_at
  ir::Scope scope = ir::Scope::local;
  std::uint32_t step = no_step;
  /// After: for each spatial axis, the axis of the host that it walks along with; no_node: none, so that
  /// each iteration covers the whole axis.
  std::vector<NodeIndex> host_axis;
};

struct Tile {
  NodeIndex at = 0;
  ir::Scope scope = ir::Scope::registers;
  std::uint32_t step = no_step;
};

/// The partial stage of an rfactor whose factor does not divide: outer * factor + inner < extent.
struct PartialTail {
  NodeIndex outer = 0, inner = 0;
  std::int64_t factor = 1, extent = 1;
};

struct TreeStage {
  ir::Stage def;
  std::vector<Node> nodes;       // the axes first: spatial, then reduction
  std::vector<NodeIndex> order;  // loops, outermost first
  std::optional<Place> place;
  std::optional<Tile> tile;
  std::optional<PartialTail> partial;
  bool streaming = false;
  std::map<ir::BufferId, std::int64_t> ahead;  // of its reads, what is fetched ahead
  bool live = true;        // false: inlined
  bool is_copy = false;    // made by StageBuffer
  bool scheduled = false;  // some step changed its loops
  std::uint32_t fuse_count = 0;
};

struct LoopTree {
  explicit LoopTree(const ir::Kernel& kernel);

  ir::Kernel kernel;  // variables and buffers; the stages live in `stages`
  std::vector<TreeStage> stages;
  std::vector<StageIndex> sequence;

  TreeStage* find(StageIndex stage);
  /// A loop at present.
  std::optional<NodeIndex> find(const LoopId& loop) const;
  /// Place of a loop in its stage's order. REQUIRES: it is a loop.
  std::size_t position(StageIndex stage, NodeIndex loop) const;

  /// Adds a stage with one loop an axis to the sequence, before or after another stage.
  StageIndex add_stage(ir::Stage def, StageIndex neighbour, bool before);
  NodeIndex add_node(StageIndex stage, LoopId id, bool is_reduction, std::string name);

  std::optional<StageIndex> producer(ir::BufferId buffer) const;
  bool reads(StageIndex reader, ir::BufferId buffer) const;
  std::vector<StageIndex> readers(ir::BufferId buffer) const;
  /// True when `stage` runs inside the loop, at any depth.
  bool is_inside(StageIndex stage, StageIndex host, NodeIndex loop) const;
  /// True when every producer that `stage` reads is complete where the stage stands.
  bool inputs_finished(StageIndex stage) const;
  /// True when the stage, or the one that it is attached to in the end, makes a prepared buffer.
  bool runs_in_prepare(StageIndex stage) const;
  /// True when a parallel loop of `stage`, or of a stage attached to it, lies inside another parallel loop.
  bool has_nested_parallel(StageIndex stage) const;
  /// Everything attached at `from`, and the tile there, moves to `to`.
  void move_attached(StageIndex stage, NodeIndex from, NodeIndex to);
  /// True when a stage is attached at the loop, or a tile starts there.
  bool is_attach_point(StageIndex stage, NodeIndex loop) const;

 private:
  bool is_finished_before(StageIndex producer, StageIndex reader) const;
  StageIndex root_of(StageIndex stage) const;
  bool has_parallel_inside(StageIndex stage, std::size_t from) const;
};

/// Loads of `buffer` in the values of a stage become loads of `replacement`.
void redirect_loads(ir::Stage& stage, ir::BufferId buffer, ir::BufferId replacement);

}  // namespace tunesmith::schedules
