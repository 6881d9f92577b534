// Frame: what lowering knows of a stage's iteration variables at one place of the nest. Internal to the room.
//
// A frame is filled from the outside in: binding a loop gives its value, and with it the values and extents
// that follow. Copying a frame is how lowering returns to an earlier place. Not synchronised.
#pragma once

#include <optional>
#include <vector>

#include "schedules/extent.h"
#include "schedules/tree.h"

namespace tunesmith::schedules {

/// A part of an axis: base, base + 1, … It has one element at least, and lies in what the loops around walk.
struct Range {
  ir::Expr base = 0;
  Extent extent;
  /// Where this does not hold, guards skip all of it, and the one element stands for nothing; null: always
  /// holds.
  ir::Expr condition;
  /// Of the reduction that rfactor split: it may reach past the end.
  bool may_overshoot = false;
};

/// A split as extents see it: whole = outer * factor + inner.
struct SplitView {
  NodeIndex whole = no_node;  // no_node: the reduction axis that rfactor split
  NodeIndex outer = 0, inner = 0;
  std::int64_t factor = 1;
  Tail tail = Tail::peel;
};

class Frame {
 public:
  Frame() = default;
  /// REQUIRES: one range an axis, in the order of the stage's axes.
  Frame(const TreeStage& stage, std::vector<Range> axes);

  bool is_active() const { return stage_ != nullptr; }
  const Extent& extent(NodeIndex node) const { return extents_[node]; }
  bool has_value(NodeIndex node) const { return static_cast<bool>(values_[node]); }
  const ir::Expr& value(NodeIndex node) const { return values_[node]; }
  /// Value of an axis. REQUIRES: all its loops are bound.
  ir::Expr axis_value(std::size_t axis) const { return axes_[axis].base + values_[axis]; }
  /// The part of an axis that the loops not bound yet walk.
  Range axis_range(std::size_t axis) const;

  /// Gives a loop its value and finds what follows.
  void bind(NodeIndex loop, ir::Expr value);
  void set_extent(NodeIndex node, Extent extent);
  /// Names a value that is known; what follows from it is in terms of the name.
  void rename(NodeIndex node, ir::Expr name);

  const std::vector<SplitView>& splits() const { return splits_; }
  Extent whole_extent(const SplitView& split) const;
  /// Splits whose outer value is known, but the extent of the inner part is not, as it is a ragged one.
  const SplitView* pending() const;
  /// The inner part takes whole tiles, and what is past the end is skipped by a guard.
  void guard(const SplitView& split);
  /// The loop runs to the upper bound of its extent, and what is past its end is skipped by a guard.
  void guard_loop(NodeIndex loop) { guarded_loops_.push_back(loop); }
  /// The outermost part of an axis that leaves the extent of `node` unknown. REQUIRES: it is unknown.
  const SplitView& unknown_part(NodeIndex node) const;
  /// Conditions of guards of spatial loops that are decided at this place, and no longer needed inside of it;
  /// null: none.
  ir::Expr take_decided();
  /// What is left of the guards at a statement; null: none.
  ir::Expr condition() const;
  /// For statements over spatial axes alone: what reduction loops say of tails and guards is not looked at.
  void leave_reduction();

 private:
  ir::Expr condition_of(const SplitView& split) const;
  /// The first element of a block. REQUIRES: the split's extent is known.
  ir::Expr block_start(NodeIndex split, const ir::Expr& block) const;
  bool blocks_overlap(NodeIndex split) const;
  void propagate();
  Range range(NodeIndex node) const;
  Range unbounded_range(NodeIndex node) const;
  bool can_overshoot(NodeIndex node, const Range& range) const;
  bool is_guarded(NodeIndex node) const;
  bool is_untouched(NodeIndex node) const;

  const TreeStage* stage_ = nullptr;
  std::vector<Range> axes_;
  std::vector<ir::Expr> values_;   // one a node; null: not known
  std::vector<Extent> extents_;    // one a node
  std::vector<SplitView> splits_;  // outer splits before the splits of their parts
  std::vector<SplitView> guarded_;
  std::vector<NodeIndex> guarded_loops_;
};

}  // namespace tunesmith::schedules
