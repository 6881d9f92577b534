// Region: what part of a buffer is read inside one iteration of a loop. Internal to the room.
//
// A region is a range in each dimension: the hull of all reads by the stages that run inside. It is never too
// small; where reads are not understood it is the whole dimension. Not synchronised.
#pragma once

#include <optional>
#include <vector>

#include "ir/affine.h"
#include "schedules/frame.h"
#include "schedules/tree.h"

namespace tunesmith::schedules {

class RegionFinder {
 public:
  /// `frames`: one a stage, those of the stages being lowered are active. `ranges`: of bound loop variables.
  RegionFinder(const LoopTree& tree, const std::vector<Frame>& frames, const ir::VarRanges& ranges)
      : tree_(tree), frames_(frames), ranges_(ranges) {}

  /// The points that a stage attached where lowering stands must compute: one range an axis.
  std::vector<Range> axes_to_compute(StageIndex stage) const;

 private:
  std::vector<Range> axes_of(StageIndex stage) const;
  std::vector<Range> axes_from_readers(StageIndex stage) const;
  std::vector<Range> axes_from_host(StageIndex stage) const;
  Range whole_axis(const ir::Axis& axis) const;
  void add_reads(StageIndex reader, ir::BufferId buffer, const std::vector<ir::Axis>& dims,
                 std::vector<std::optional<Range>>& region) const;
  std::optional<Range> hull(const ir::Expr& index, const std::vector<ir::Axis>& axes,
                            const std::vector<Range>& ranges) const;
  std::optional<Range> quotient(const ir::Binary& e, const std::vector<ir::Axis>& axes,
                                const std::vector<Range>& ranges) const;
  Range clamped(Range range, const ir::Expr& size) const;

  const LoopTree& tree_;
  const std::vector<Frame>& frames_;
  const ir::VarRanges& ranges_;
};

}  // namespace tunesmith::schedules
