// The geometry of sliding windows, shared by the lowerings of convolutions and pooling.
#pragma once

#include <cstdint>
#include <vector>

#include "tracer/ops/lower_util.h"

namespace tunesmith::tracer {

/// One entry a spatial dimension.
struct Window {
  std::vector<std::int64_t> kernel, strides, dilations, pads_begin, pads_end;

  std::size_t rank() const { return kernel.size(); }
  /// Elements of the (padded) input that a window spans.
  std::int64_t span(std::size_t d) const { return (kernel[d] - 1) * dilations[d] + 1; }
};

/// Strides, dilations and pads as the attributes give them; `kernel` is given by the caller.
Window window_of(const Attributes& attributes, std::vector<std::int64_t> kernel);

/// `x` ([N, C, spatial…]) with `outside` around it, as a stage of its own where it has any padding at all.
TensorView padded_stage(KernelBuilder& builder, const std::string& name, const TensorView& x,
                        const std::vector<std::int64_t>& before, const std::vector<std::int64_t>& after,
                        const ir::Expr& outside);

/// Extents of more than 1 become reduction axes: `of` finds the index of each dimension, 0 where there is
/// none.
struct CompactAxes {
  explicit CompactAxes(const std::vector<std::int64_t>& extents);
  std::vector<std::int64_t> extents;
  std::vector<ir::Expr> of(Indices reduce) const;

 private:
  std::vector<bool> present_;
};

}  // namespace tunesmith::tracer
