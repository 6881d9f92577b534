// Resize and the older Upsample.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tracer/composites.h"
#include "tracer/onnx/node.h"

namespace tunesmith::tracer {
namespace {

using Values = std::vector<ValueId>;
using Ints = std::vector<std::int64_t>;

/// Operator sets up to 10, and Upsample: no region, other defaults.
bool has_old_form(const Node& n) { return n.opset() < 11 || n.proto().op_type() == "Upsample"; }

/// The axes that are resized, counted from the front; without the attribute all of them.
std::vector<std::size_t> axes_of(const Node& n) {
  const std::size_t rank = n.rank(0);
  std::vector<std::size_t> axes;
  for (const std::int64_t axis : n.integers("axes")) {
    const auto d = static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis);
    if (d >= rank) n.refuse("axis {} is out of range", axis);
    axes.push_back(d);
  }
  if (axes.empty()) {
    axes.resize(rank);
    std::iota(axes.begin(), axes.end(), std::size_t{0});
  }
  return axes;
}

std::vector<double> scales_of(const Node& n) {
  std::vector<double> scales = n.reals("scales");
  if (const std::size_t operand = has_old_form(n) ? 1 : 2; !n.has("scales") && n.has_input(operand)) {
    const HostTensor given = n.constant(operand, "scales");
    for (std::int64_t i = 0; i < given.size(); ++i) scales.push_back(given.at(i));
  }
  for (const double scale : scales)
    if (!(scale > 0 && scale < 1e6)) n.refuse("the scale {} is out of range", scale);
  return scales;
}

void apply_scales(const std::vector<std::size_t>& axes, const std::vector<double>& scales, const Ints& dims,
                  ops::ResizeOptions& o) {
  for (std::size_t i = 0; i < axes.size(); ++i) {
    o.scales[axes[i]] = scales[i];
    o.sizes[axes[i]] = static_cast<std::int64_t>(std::floor(static_cast<double>(dims[axes[i]]) * scales[i]));
  }
}

/// Each axis to its size; or all by one factor, the smallest or largest that the sizes ask for.
void apply_sizes(const Node& n, const std::vector<std::size_t>& axes, const Ints& sizes, const Ints& dims,
                 ops::ResizeOptions& o) {
  const std::string policy = n.text("keep_aspect_ratio_policy", "stretch");
  if (!lists("stretch not_larger not_smaller", policy))
    n.refuse("attribute 'keep_aspect_ratio_policy' is '{}'; accepted: stretch, not_larger, not_smaller",
             policy);
  double common = policy == "not_smaller" ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t d = axes[i];
    if (dims[d] == 0) n.refuse("axis {} has no elements", d);
    o.sizes[d] = sizes[i];
    o.scales[d] = static_cast<double>(sizes[i]) / static_cast<double>(dims[d]);
    common = policy == "not_smaller" ? std::max(common, o.scales[d]) : std::min(common, o.scales[d]);
  }
  if (policy == "stretch") return;
  for (const std::size_t d : axes) {
    o.scales[d] = common;
    o.sizes[d] = static_cast<std::int64_t>(std::floor(common * static_cast<double>(dims[d]) + 0.5));
  }
}

/// Starts, then ends, of every axis; axes that are not resized are taken whole.
std::vector<double> region_of(const Node& n, const std::vector<std::size_t>& axes) {
  const HostTensor given = n.constant(1, "roi");
  const std::size_t rank = n.rank(0), count = axes.size();
  if (given.size() != static_cast<std::int64_t>(2 * count))
    n.refuse("roi has {} entries for {} axes; accepted: {}", given.size(), count, 2 * count);
  std::vector<double> region(2 * rank, 0.0);
  std::fill(region.begin() + static_cast<std::ptrdiff_t>(rank), region.end(), 1.0);
  for (std::size_t i = 0; i < count; ++i) {
    region[axes[i]] = given.at(static_cast<std::int64_t>(i));
    region[rank + axes[i]] = given.at(static_cast<std::int64_t>(count + i));
  }
  return region;
}

Values resize(const Node& n) {
  const bool old = has_old_form(n);
  ops::ResizeOptions o;
  o.mode = n.text("mode", "nearest");
  o.coordinates = n.text("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  o.nearest = n.text("nearest_mode", old ? "floor" : "round_prefer_floor");
  o.cubic_a = n.real("cubic_coeff_a", -0.75);
  o.exclude_outside = n.integer("exclude_outside", 0) != 0;
  o.antialias = n.integer("antialias", 0) != 0;
  o.extrapolation = n.real("extrapolation_value", 0);
  o.sizes = n.dims(0);
  o.scales.assign(o.sizes.size(), 1.0);
  const Ints dims = o.sizes;
  const std::vector<std::size_t> axes = axes_of(n);
  const std::vector<double> scales = scales_of(n);
  const Ints sizes = !old && n.has_input(3) ? n.constant_ints(3, "sizes") : Ints{};
  if (!sizes.empty() && sizes.size() != axes.size())
    n.refuse("{} sizes for {} axes", sizes.size(), axes.size());
  if (!scales.empty() && scales.size() != axes.size())
    n.refuse("{} scales for {} axes", scales.size(), axes.size());
  if (!sizes.empty())
    apply_sizes(n, axes, sizes, dims, o);
  else if (!scales.empty() || axes.empty())
    apply_scales(axes, scales, dims, o);
  else
    n.refuse("has neither scales nor sizes");
  if (o.coordinates == "tf_crop_and_resize") o.roi = region_of(n, axes);
  if (!old) n.ignore(1);  // a region of interest that other coordinates do not use
  return {ops::resize(n.graph(), n.input(0), o)};
}

constexpr Conversion table[] = {
    {"Resize", 10,
     "antialias@18 axes@18 coordinate_transformation_mode@11 cubic_coeff_a@11 exclude_outside@11 "
     "extrapolation_value@11 keep_aspect_ratio_policy@18 mode nearest_mode@11 #2@11 #3@11",
     resize},
    {"Upsample", 1, "mode scales@7<9 #1@9", resize, 10},
};

}  // namespace

std::span<const Conversion> resize_conversions() { return table; }

}  // namespace tunesmith::tracer
