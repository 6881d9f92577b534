#include "tracer/ops/resize.h"

#include <algorithm>
#include <cmath>

#include "ir/support/error.h"

namespace tunesmith::tracer {
namespace {

struct AxisRule {
  std::int64_t in = 1, out = 1;
  double scale = 1;
  double roi_start = 0, roi_end = 1;
  std::string mode, coordinates, nearest;
  double cubic_a = -0.75;
  bool exclude_outside = false, antialias = false;

  /// Place in the input, as a real number, of place `x` of the result.
  double coordinate(std::int64_t x) const {
    const auto at = static_cast<double>(x);
    const auto extent = static_cast<double>(in), result = static_cast<double>(out);
    if (coordinates == "asymmetric") return at / scale;
    if (coordinates == "align_corners") return out == 1 ? 0 : at * (extent - 1) / (result - 1);
    if (coordinates == "pytorch_half_pixel") return out > 1 ? (at + 0.5) / scale - 0.5 : 0;
    if (coordinates == "half_pixel_symmetric") {
      const double adjustment = result / (scale * extent);
      return extent / 2 * (1 - adjustment) + (at + 0.5) / scale - 0.5;
    }
    if (coordinates == "tf_crop_and_resize")
      return out > 1 ? roi_start * (extent - 1) + at * (roi_end - roi_start) * (extent - 1) / (result - 1)
                     : 0.5 * (roi_start + roi_end) * (extent - 1);
    if (coordinates == "half_pixel") return (at + 0.5) / scale - 0.5;
    throw_user_error("unknown coordinate rule '{}'", coordinates);
  }

  std::int64_t nearest_place(double x) const {
    if (nearest == "floor") return static_cast<std::int64_t>(std::floor(x));
    if (nearest == "ceil") return static_cast<std::int64_t>(std::ceil(x));
    if (nearest == "round_prefer_floor") return static_cast<std::int64_t>(std::ceil(x - 0.5));
    if (nearest == "round_prefer_ceil") return static_cast<std::int64_t>(std::floor(x + 0.5));
    throw_user_error("unknown rounding '{}'", nearest);
  }

  double kernel(double distance) const {
    const double d = std::abs(distance);
    if (mode == "linear") return std::max(0.0, 1 - d);
    const double a = cubic_a;
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    return 0;
  }

  std::vector<ResizeTap> taps(std::int64_t place) const {
    const double x = coordinate(place);
    if (coordinates == "tf_crop_and_resize" && (x < 0 || x > static_cast<double>(in - 1))) return {};
    if (mode == "nearest") return {{std::clamp<std::int64_t>(nearest_place(x), 0, in - 1), 1.0}};
    if (mode != "linear" && mode != "cubic") throw_user_error("unknown resize mode '{}'", mode);
    // Antialiasing widens the kernel when the axis shrinks.
    const double stretch = antialias ? std::min(1.0, scale) : 1.0;
    const double reach = (mode == "linear" ? 1 : 2) / stretch;
    const auto first = static_cast<std::int64_t>(std::floor(x - reach)) + (antialias ? 0 : 1);
    const auto last = static_cast<std::int64_t>(std::floor(x + reach));
    std::vector<ResizeTap> result;
    double total = 0;
    for (std::int64_t i = first; i <= last; ++i) {
      const double weight = kernel((static_cast<double>(i) - x) * stretch);
      const bool outside = i < 0 || i >= in;
      if (outside && exclude_outside) continue;
      if (weight == 0) continue;
      total += weight;
      const std::int64_t index = std::clamp<std::int64_t>(i, 0, in - 1);
      if (!result.empty() && result.back().index == index)
        result.back().weight += weight;
      else
        result.push_back({index, weight});
    }
    if (antialias || exclude_outside)
      for (ResizeTap& tap : result) tap.weight /= total;
    return result;
  }
};

}  // namespace

std::vector<ResizeAxis> resize_axes(const std::vector<std::int64_t>& input_shape,
                                    const Attributes& attributes) {
  const auto& sizes = attributes.get_ints("sizes");
  const auto& scales = attributes.get_floats("scales");
  const std::size_t rank = input_shape.size();
  std::vector<ResizeAxis> axes(rank);
  for (std::size_t d = 0; d < rank; ++d) {
    AxisRule rule;
    rule.in = input_shape[d];
    rule.out = sizes[d];
    rule.scale = scales[d];
    rule.mode = attributes.get_text("mode");
    rule.coordinates = attributes.get_text("coordinates");
    rule.nearest = attributes.get_text("nearest");
    rule.cubic_a = attributes.get_float("cubic_a");
    rule.exclude_outside = attributes.get_int("exclude_outside") != 0;
    rule.antialias = attributes.get_int("antialias") != 0;
    if (const auto& roi = attributes.get_floats("roi"); !roi.empty()) {
      rule.roi_start = roi.at(d);
      rule.roi_end = roi.at(rank + d);
    }
    const bool crops = rule.coordinates == "tf_crop_and_resize" && (rule.roi_start != 0 || rule.roi_end != 1);
    axes[d].is_identity = rule.in == rule.out && rule.scale == 1 && !crops;
    for (std::int64_t place = 0; place < rule.out; ++place)
      axes[d].places.push_back(axes[d].is_identity ? std::vector<ResizeTap>{{place, 1.0}} : rule.taps(place));
  }
  return axes;
}

}  // namespace tunesmith::tracer
