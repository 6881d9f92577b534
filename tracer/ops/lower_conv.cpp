// Convolutions of any number of spatial dimensions, and their transposes.
//
// Padding is a stage of its own, which a schedule may compute anywhere or inline. Groups are an axis: the
// stage walks the output channels as [group, channel in group] where both exceed 1, so that every index is
// affine; a depthwise convolution is one reduction over the window. A transposed convolution is gathered:
// the output splits into the residues of the stride (one axis each, where the shape allows it), and each
// residue is an ordinary convolution with every stride-th tap.
#include <algorithm>

#include "tracer/ops/lower.h"
#include "tracer/ops/lower_window.h"

namespace tunesmith::tracer {

using namespace ir;
using Extents = std::vector<std::int64_t>;

namespace {

Extents spatial_of(const Extents& shape) { return {shape.begin() + 2, shape.end()}; }

/// The stage walks output channels as [group, member] where that is more than a renaming.
void split_groups(KernelBuilder& builder, const Extents& shape, std::int64_t groups, std::int64_t members) {
  if (groups > 1 && members > 1) builder.split_axis(shape, 1, members);
}

TensorView with_bias(const TensorView& sum, std::span<const TensorView> inputs) {
  if (inputs.size() < 3) return sum;
  return {sum.dtype, sum.shape, [sum, bias = cast_view(inputs[2], sum.dtype)](Indices i) {
            return sum(i) + bias(i.subspan(1, 1));
          }};
}

/// Channel `c` of the group that output channel `k` belongs to.
Expr grouped_channel(const Expr& k, const Expr& c, std::int64_t groups, std::int64_t members,
                     std::int64_t channels) {
  if (groups == 1) return c;
  const Expr group = members == 1 ? k : floor_div(k, members);
  return channels == 1 ? group : group * channels + c;
}

}  // namespace

std::vector<TensorView> lower_conv(KernelBuilder& builder, std::span<const TensorView> inputs,
                                   const Attributes& attributes, std::span<const TensorType> outputs) {
  const TensorView& w = inputs[1];
  const std::int64_t groups = attributes.get_int("groups");
  const std::int64_t channels = w.shape[1], members = w.shape[0] / groups;
  const Window window = window_of(attributes, spatial_of(w.shape));
  const DType acc = accumulator_dtype(inputs[0].dtype);
  const TensorView x = padded_stage(builder, "conv.pad", inputs[0], window.pads_begin, window.pads_end,
                                    constant(0, inputs[0].dtype));
  const Extents shape = to_ints(outputs[0].shape);
  split_groups(builder, shape, groups, members);

  Extents taps{channels};
  taps.insert(taps.end(), window.kernel.begin(), window.kernel.end());
  const CompactAxes axes(taps);
  const TensorView sum =
      builder.reduce("conv", acc, shape, axes.extents, CombinerKind::sum, [&](Indices i, Indices reduce) {
        const std::vector<Expr> r = axes.of(reduce);
        std::vector<Expr> xi{i[0], grouped_channel(i[1], r[0], groups, members, channels)}, wi{i[1]};
        for (std::size_t d = 0; d < window.rank(); ++d)
          xi.push_back(i[2 + d] * window.strides[d] + r[1 + d] * window.dilations[d]);
        wi.insert(wi.end(), r.begin(), r.end());
        return cast(acc, x(xi)) * cast(acc, w(wi));
      });
  return {cast_view(with_bias(sum, inputs), outputs[0].dtype)};
}

namespace {

/// A transposed convolution as seen from its output: which input elements and taps meet at a place.
struct Gather {
  TensorView x;  // with enough zeros around it
  Extents taps;  // a spatial dimension
  /// Input place and tap of spatial dimension d, for an output place and the t-th tap of its residue, and
  /// whether that tap exists (null: always).
  struct Meeting {
    Expr place, tap, exists;
  };
  std::function<Meeting(std::size_t d, const Expr& out, const Expr& t)> meet;
};

/// Without dilation: o + pad = q * stride + residue meets input q - t by tap t * stride + residue.
Gather gather_by_residue(KernelBuilder& builder, const TensorView& x, const Window& window,
                         const Extents& shape) {
  Gather gather;
  Extents before, after;
  for (std::size_t d = 0; d < window.rank(); ++d) {
    const std::int64_t stride = window.strides[d];
    gather.taps.push_back((window.kernel[d] + stride - 1) / stride);
    // A negative pad begins in front of the first element that a tap meets.
    const std::int64_t cropped = std::max<std::int64_t>(0, -window.pads_begin[d]);
    before.push_back(gather.taps[d] - 1 + (cropped + stride - 1) / stride);
    const std::int64_t last = (shape[2 + d] - 1 + window.pads_begin[d]) / stride;
    after.push_back(std::max<std::int64_t>(0, last - (x.shape[2 + d] - 1)));
    if (stride > 1 && shape[2 + d] % stride == 0 && shape[2 + d] > stride)
      builder.split_axis(shape, static_cast<std::int32_t>(2 + d), stride);
  }
  gather.x = padded_stage(builder, "conv_transpose.pad", x, before, after, constant(0, x.dtype));
  gather.meet = [window, before](std::size_t d, const Expr& out, const Expr& t) {
    const std::int64_t stride = window.strides[d], pad = window.pads_begin[d];
    const Expr place = pad == 0 ? out : out + pad;
    const Expr quotient = stride == 1 ? place : floor_div(place, stride);
    const Expr tap = stride == 1 ? t : t * stride + floor_mod(place, stride);
    const bool always = window.kernel[d] % stride == 0;
    return Gather::Meeting{quotient - t + before[d], tap, always ? Expr() : tap < Expr(window.kernel[d])};
  };
  return gather;
}

/// With dilation: zeros between the input's elements, then an ordinary convolution with mirrored taps.
Gather gather_from_stuffed(KernelBuilder& builder, const TensorView& x, const Window& window,
                           const Extents& shape) {
  TensorView stuffed{x.dtype, {x.shape[0], x.shape[1]}, {}};
  for (std::size_t d = 0; d < window.rank(); ++d) stuffed.shape.push_back(shape[2 + d] + window.span(d) - 1);
  stuffed.at = [&](Indices i) {
    Guard guard;
    std::vector<Expr> xi{i[0], i[1]};
    for (std::size_t d = 0; d < window.rank(); ++d) {
      const Expr place = i[2 + d] - (window.span(d) - 1 - window.pads_begin[d]);
      const std::int64_t stride = window.strides[d];
      xi.push_back(floor_div(place, stride));
      guard.require(place >= Expr(0));
      guard.require(xi.back() < Expr(x.shape[2 + d]));
      if (stride > 1) guard.require(binary(BinaryOp::eq, floor_mod(place, stride), Expr(0)));
    }
    return guard.choose(x(xi), constant(0, x.dtype));
  };
  Gather gather;
  gather.x = builder.materialise("conv_transpose.stuff", stuffed);
  gather.taps = window.kernel;
  gather.meet = [window](std::size_t d, const Expr& out, const Expr& t) {
    return Gather::Meeting{out + t * window.dilations[d], Expr(window.kernel[d] - 1) - t, {}};
  };
  return gather;
}

}  // namespace

std::vector<TensorView> lower_conv_transpose(KernelBuilder& builder, std::span<const TensorView> inputs,
                                             const Attributes& attributes,
                                             std::span<const TensorType> outputs) {
  const TensorView& w = inputs[1];
  const std::int64_t groups = attributes.get_int("groups");
  const std::int64_t channels = w.shape[0] / groups, members = w.shape[1];
  const Window window = window_of(attributes, spatial_of(w.shape));
  const DType acc = accumulator_dtype(inputs[0].dtype);
  const Extents shape = to_ints(outputs[0].shape);
  const bool dilated = std::ranges::any_of(window.dilations, [](std::int64_t d) { return d != 1; });
  const Gather gather = dilated ? gather_from_stuffed(builder, inputs[0], window, shape)
                                : gather_by_residue(builder, inputs[0], window, shape);
  split_groups(builder, shape, groups, members);

  Extents taps{channels};
  taps.insert(taps.end(), gather.taps.begin(), gather.taps.end());
  const CompactAxes axes(taps);
  const TensorView sum = builder.reduce(
      "conv_transpose", acc, shape, axes.extents, CombinerKind::sum, [&](Indices i, Indices reduce) {
        const std::vector<Expr> r = axes.of(reduce);
        const Expr channel = grouped_channel(i[1], r[0], groups, members, channels);
        const Expr member = groups == 1 ? i[1] : members == 1 ? Expr(0) : floor_mod(i[1], members);
        std::vector<Expr> xi{i[0], channel}, wi{channel, member};
        Guard guard;
        for (std::size_t d = 0; d < window.rank(); ++d) {
          const auto meeting = gather.meet(d, i[2 + d], r[1 + d]);
          xi.push_back(meeting.place);
          wi.push_back(meeting.tap);
          if (meeting.exists) guard.require(meeting.exists);
        }
        return guard.choose(cast(acc, gather.x(xi)) * cast(acc, w(wi)), constant(0, acc));
      });
  return {cast_view(with_bias(sum, inputs), outputs[0].dtype)};
}

}  // namespace tunesmith::tracer
