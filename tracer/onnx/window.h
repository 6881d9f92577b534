// The attributes of convolutions and pooling that say how a window moves over the spatial axes of operand 0.
// Internal to tracer/onnx. Each function refuses the node where an attribute does not fit.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tracer/onnx/node.h"

namespace tunesmith::tracer {

/// Refuses attribute `name` unless it has `count` entries of `least` or more.
void require_entries(const Node& n, std::string_view name, const std::vector<std::int64_t>& values,
                     std::size_t count, std::int64_t least);
/// Refuses a window that does not have one entry a spatial axis.
void require_window(const Node& n, const std::vector<std::int64_t>& kernel,
                    const std::vector<std::int64_t>& strides, const std::vector<std::int64_t>& dilations);
/// Pads from auto_pad, or as given. `kernel`: one entry a spatial axis.
std::vector<std::int64_t> pads_of(const Node& n, const std::vector<std::int64_t>& kernel,
                                  const std::vector<std::int64_t>& strides,
                                  const std::vector<std::int64_t>& dilations);
/// The window of the weight, which attribute kernel_shape may repeat. `weight`: the operand.
std::vector<std::int64_t> window_of(const Node& n, std::size_t weight);
/// Strides, dilations and groups; no pads.
ops::ConvOptions unpadded_options(const Node& n, const std::vector<std::int64_t>& kernel);
/// All options of a convolution whose weight is operand `weight`.
ops::ConvOptions conv_options(const Node& n, std::size_t weight);

}  // namespace tunesmith::tracer
