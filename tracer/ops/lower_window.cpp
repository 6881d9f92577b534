#include "tracer/ops/lower_window.h"

#include <algorithm>

namespace tunesmith::tracer {

using namespace ir;
using Extents = std::vector<std::int64_t>;

Window window_of(const Attributes& attributes, Extents kernel) {
  Window window;
  window.kernel = std::move(kernel);
  const std::size_t rank = window.rank();
  window.strides = attributes.get_ints("strides");
  window.dilations = attributes.get_ints("dilations");
  const Extents& pads = attributes.get_ints("pads");
  window.pads_begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
  window.pads_end.assign(pads.begin() + static_cast<std::ptrdiff_t>(rank), pads.end());
  return window;
}

TensorView padded_stage(KernelBuilder& builder, const std::string& name, const TensorView& x,
                        const Extents& before, const Extents& after, const Expr& outside) {
  auto is_zero = [](std::int64_t pad) { return pad == 0; };
  if (std::ranges::all_of(before, is_zero) && std::ranges::all_of(after, is_zero)) return x;
  Extents all_before(x.shape.size() - before.size(), 0), all_after = all_before;
  all_before.insert(all_before.end(), before.begin(), before.end());
  all_after.insert(all_after.end(), after.begin(), after.end());
  return builder.materialise(name, padded_view(x, all_before, all_after, outside));
}

CompactAxes::CompactAxes(const Extents& all) {
  for (std::int64_t extent : all) {
    present_.push_back(extent != 1);
    if (extent != 1) extents.push_back(extent);
  }
}

std::vector<Expr> CompactAxes::of(Indices reduce) const {
  std::vector<Expr> result;
  std::size_t next = 0;
  for (bool present : present_) result.push_back(present ? reduce[next++] : Expr(0));
  return result;
}

}  // namespace tunesmith::tracer
