// Resampling geometry of the resize operator (ONNX Resize, opsets 10 to 19, states the coordinate rules).
//
// Attributes: sizes (the result's shape), scales (one a axis, result / input), mode nearest | linear | cubic,
// coordinates half_pixel | half_pixel_symmetric | pytorch_half_pixel | asymmetric | align_corners |
// tf_crop_and_resize, nearest round_prefer_floor | round_prefer_ceil | floor | ceil, cubic_a,
// exclude_outside, antialias, extrapolation (value outside for tf_crop_and_resize), roi (starts, then ends,
// as fractions; empty unless tf_crop_and_resize). An axis is resampled on its own; a result element is the
// sum over the product of its axes' taps.
#pragma once

#include <cstdint>
#include <vector>

#include "tracer/graph.h"

namespace tunesmith::tracer {

struct ResizeTap {
  std::int64_t index = 0;  // in the input, always inside
  double weight = 1;
};

/// Taps of every place of one axis of the result; an empty list: the place takes the extrapolation value.
struct ResizeAxis {
  std::vector<std::vector<ResizeTap>> places;
  /// Every place is the input's place of the same number.
  bool is_identity = false;
};

/// Interpolated integers are rounded, ties to even. A cubic may overshoot the range of narrow ones, where it
/// ends then.
inline bool saturates_when_interpolated(ir::DType dtype) {
  return !ir::is_float(dtype) && ir::bit_width(dtype) <= 16;
}

/// One entry an axis. REQUIRES: the shape rule accepted the attributes. Throws a UserError for an unknown
/// mode.
std::vector<ResizeAxis> resize_axes(const std::vector<std::int64_t>& input_shape,
                                    const Attributes& attributes);

}  // namespace tunesmith::tracer
