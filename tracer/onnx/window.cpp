#include "tracer/onnx/window.h"

namespace tunesmith::tracer {

using Ints = std::vector<std::int64_t>;

void require_entries(const Node& n, std::string_view name, const Ints& values, std::size_t count,
                     std::int64_t least) {
  if (values.size() != count)
    n.refuse("attribute '{}' has {} entries; accepted: {}", name, values.size(), count);
  for (std::int64_t value : values)
    if (value < least) n.refuse("attribute '{}' holds {}; accepted: {} or more", name, value, least);
}

void require_window(const Node& n, const Ints& kernel, const Ints& strides, const Ints& dilations) {
  if (n.rank(0) < 3) n.refuse("operand 0 has {} dimensions; 3 or more are needed", n.rank(0));
  const std::size_t rank = n.rank(0) - 2;
  require_entries(n, "kernel_shape", kernel, rank, 1);
  require_entries(n, "strides", strides, rank, 1);
  require_entries(n, "dilations", dilations, rank, 1);
}

Ints pads_of(const Node& n, const Ints& kernel, const Ints& strides, const Ints& dilations) {
  const std::string mode = n.text("auto_pad", "NOTSET");
  const std::size_t rank = kernel.size();
  if (mode == "NOTSET") return n.integers("pads", Ints(2 * rank, 0));
  if (mode == "VALID") return Ints(2 * rank, 0);
  if (mode != "SAME_UPPER" && mode != "SAME_LOWER")
    n.refuse("attribute 'auto_pad' is '{}'; accepted: NOTSET, VALID, SAME_UPPER, SAME_LOWER", mode);
  const Ints dims = n.dims(0);
  return ops::same_pads(std::span(dims).subspan(2), kernel, strides, dilations, mode == "SAME_UPPER");
}

Ints window_of(const Node& n, std::size_t weight) {
  const Ints w = n.dims(weight);
  if (w.size() < 3) n.refuse("the weight has fewer than 3 dimensions");
  const Ints spatial(w.begin() + 2, w.end());
  const Ints stated = n.integers("kernel_shape", spatial);
  if (stated != spatial) n.refuse("attribute 'kernel_shape' does not agree with the weight");
  return spatial;
}

ops::ConvOptions unpadded_options(const Node& n, const Ints& kernel) {
  ops::ConvOptions o;
  o.strides = n.integers("strides", Ints(kernel.size(), 1));
  o.dilations = n.integers("dilations", Ints(kernel.size(), 1));
  o.groups = n.integer("group", 1);
  require_window(n, kernel, o.strides, o.dilations);
  return o;
}

ops::ConvOptions conv_options(const Node& n, std::size_t weight) {
  const Ints kernel = window_of(n, weight);
  ops::ConvOptions o = unpadded_options(n, kernel);
  o.pads = pads_of(n, kernel, o.strides, o.dilations);
  return o;
}

}  // namespace tunesmith::tracer
