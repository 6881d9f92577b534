// Shapes, constants, and operators that move elements.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "tracer/composites.h"
#include "tracer/onnx/node.h"
#include "tracer/onnx/tensor_proto.h"

namespace tunesmith::tracer {
namespace {

using Values = std::vector<ValueId>;
using Ints = std::vector<std::int64_t>;

constexpr std::int64_t most_made_elements = std::int64_t{1} << 28;

std::int64_t product(std::span<const std::int64_t> values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{1}, std::multiplies<>());
}

/// Axes from an attribute (older operator sets) or operand `i`; empty when neither is there.
Ints axes_of(const Node& n, std::size_t i) {
  if (n.has("axes")) return n.integers("axes");
  return n.has_input(i) ? n.constant_ints(i, "axes") : Ints{};
}

Values constant(const Node& n) {
  Graph& g = n.graph();
  if (n.has("value")) return {g.add_constant(n.tensor("value"))};
  if (n.has("value_float")) return {ops::scalar(g, DType::f32, n.real("value_float", 0))};
  if (n.has("value_int")) {
    HostTensor tensor(DType::i64, {});
    tensor.set_int(0, n.integer("value_int", 0, Range::any));
    return {g.add_constant(std::move(tensor))};
  }
  if (n.has("value_ints")) return {ops::index_vector(g, n.integers("value_ints", {}, Range::any))};
  if (n.has("value_floats")) {
    const std::vector<double> values = n.reals("value_floats");
    HostTensor tensor(DType::f32, {static_cast<std::int64_t>(values.size())});
    for (std::size_t i = 0; i < values.size(); ++i) tensor.set(static_cast<std::int64_t>(i), values[i]);
    return {g.add_constant(std::move(tensor))};
  }
  n.refuse(
      "has no value that is supported; accepted: value, value_float, value_floats, value_int, value_ints");
}

Values constant_of_shape(const Node& n) {
  HostTensor value(DType::f32, {1});
  if (n.has("value")) value = n.tensor("value");
  if (value.size() != 1) n.refuse("attribute 'value' must have one element");
  const Ints dims = n.constant_ints(0, "shape");
  require_size(dims);
  return {ops::expand(n.graph(), n.graph().add_constant(value.reshaped({})), dims)};
}

Values shape(const Node& n) {
  const Ints dims = n.dims(0);
  const auto rank = static_cast<std::int64_t>(dims.size());
  auto bound = [&](std::int64_t value) {
    return std::clamp<std::int64_t>(value < 0 ? value + rank : value, 0, rank);
  };
  const std::int64_t start = bound(n.integer("start", 0, Range::any)),
                     end = bound(n.integer("end", rank, Range::any));
  return {
      ops::index_vector(n.graph(), start < end ? Ints(dims.begin() + start, dims.begin() + end) : Ints{})};
}

Values size(const Node& n) {
  HostTensor tensor(DType::i64, {});
  tensor.set_int(0, product(n.dims(0)));
  return {n.graph().add_constant(std::move(tensor))};
}

Values reshape(const Node& n) {
  const Ints dims = n.dims(0);
  Ints target = n.constant_ints(1, "shape");
  const bool allow_zero = n.integer("allowzero", 0) != 0;
  for (std::size_t d = 0; d < target.size(); ++d)
    if (target[d] == 0 && !allow_zero) {
      if (d >= dims.size())
        n.refuse("entry {} of the shape copies a dimension that the operand does not have", d);
      target[d] = dims[d];
    }
  const auto open = std::ranges::find(target, -1);
  Ints extents = target;
  if (open != target.end()) extents[static_cast<std::size_t>(open - target.begin())] = 1;
  require_size(extents);
  if (open != target.end()) {
    *open = 1;
    const std::int64_t rest = product(target);
    *open = rest == 0 ? 0 : product(dims) / rest;
  }
  return {ops::reshape(n.graph(), n.input(0), target)};
}

Values flatten(const Node& n) { return {ops::flatten(n.graph(), n.input(0), n.integer("axis", 1))}; }
Values squeeze(const Node& n) { return {ops::squeeze(n.graph(), n.input(0), axes_of(n, 1))}; }
Values unsqueeze(const Node& n) { return {ops::unsqueeze(n.graph(), n.input(0), axes_of(n, 1))}; }

Values transpose(const Node& n) {
  Ints reversed(n.rank(0));
  for (std::size_t d = 0; d < reversed.size(); ++d)
    reversed[d] = static_cast<std::int64_t>(reversed.size() - 1 - d);
  return {ops::transpose(n.graph(), n.input(0), n.integers("perm", reversed))};
}

Values expand(const Node& n) {
  const Ints want = n.constant_ints(1, "shape"), own = n.dims(0);
  Ints target(std::max(want.size(), own.size()), 1);
  for (std::size_t d = 0; d < target.size(); ++d) {
    const std::int64_t a = d < own.size() ? own[own.size() - 1 - d] : 1,
                       b = d < want.size() ? want[want.size() - 1 - d] : 1;
    if (a != b && a != 1 && b != 1) n.refuse("an axis of extent {} cannot be expanded to {}", a, b);
    target[target.size() - 1 - d] = a == 1 ? b : a;
  }
  require_size(target);
  return {ops::expand(n.graph(), n.input(0), target)};
}

Values concat(const Node& n) { return {ops::concat(n.graph(), n.all_inputs(), n.required_integer("axis"))}; }

Values slice(const Node& n) {
  const Ints dims = n.dims(0);
  const auto rank = static_cast<std::int64_t>(dims.size());
  Ints begin, end, axes, steps;
  if (n.opset() < 10) {
    begin = n.integers("starts", {}, Range::any);
    end = n.integers("ends", {}, Range::any);
    axes = n.integers("axes");
  } else {
    begin = n.constant_ints(1, "starts", Range::any);
    end = n.constant_ints(2, "ends", Range::any);
    if (n.has_input(3)) axes = n.constant_ints(3, "axes");
    if (n.has_input(4)) steps = n.constant_ints(4, "steps");
  }
  if (axes.empty())
    for (std::size_t i = 0; i < begin.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  if (steps.empty()) steps.assign(begin.size(), 1);
  if (end.size() != begin.size() || axes.size() != begin.size() || steps.size() != begin.size())
    n.refuse("starts, ends, axes and steps have different lengths");
  Ints starts(dims.size(), 0), sizes = dims, strides(dims.size(), 1);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] < -rank || axes[i] >= rank || steps[i] == 0)
      n.refuse("axis {} or step {} is out of range", axes[i], steps[i]);
    const auto d = static_cast<std::size_t>(axes[i] < 0 ? axes[i] + rank : axes[i]);
    const std::int64_t extent = dims[d], step = steps[i];
    strides[d] = step;
    if (extent == 0) continue;  // nothing to take, whatever the bounds
    // Bounds count from the end where negative and are cut to the axis; walking backwards, -1 means before
    // the front.
    auto cut = [&](std::int64_t bound, std::int64_t low, std::int64_t high) {
      return std::clamp(bound < 0 ? std::max(bound, -extent - 1) + extent : bound, low, high);
    };
    const std::int64_t first = step > 0 ? cut(begin[i], 0, extent) : cut(begin[i], 0, extent - 1);
    const std::int64_t last = step > 0 ? cut(end[i], 0, extent) : cut(end[i], -1, extent - 1);
    sizes[d] = std::max<std::int64_t>(
        0, step > 0 ? (last - first + step - 1) / step : (first - last - step - 1) / -step);
    starts[d] = sizes[d] == 0 ? 0 : first;
  }
  return {ops::slice(n.graph(), n.input(0), starts, sizes, strides)};
}

Values split(const Node& n) {
  const Ints dims = n.dims(0);
  const std::int64_t axis = n.integer("axis", 0);
  Ints sizes = n.has("split") ? n.integers("split") : n.has_input(1) ? n.constant_ints(1, "split") : Ints{};
  if (!sizes.empty()) return ops::split(n.graph(), n.input(0), axis, sizes);
  const auto parts = static_cast<std::int64_t>(n.output_count());
  if (n.integer("num_outputs", parts) != parts)
    n.refuse("attribute 'num_outputs' is {}, the node has {}", n.integer("num_outputs", parts), parts);
  return ops::split_evenly(n.graph(), n.input(0), axis, parts);
}

Values pad(const Node& n) {
  const std::size_t rank = n.rank(0);
  const bool old = n.opset() < 11;
  Ints given = old ? n.integers("pads") : n.constant_ints(1, "pads");
  Ints pads = given;
  if (!old && n.has_input(3)) {
    const Ints axes = n.constant_ints(3, "axes");
    pads.assign(2 * rank, 0);
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const auto d =
          static_cast<std::size_t>(axes[i] < 0 ? axes[i] + static_cast<std::int64_t>(rank) : axes[i]);
      if (d >= rank || given.size() != 2 * axes.size())
        n.refuse("pads and axes do not fit to {} dimensions", rank);
      pads[d] = given[i];
      pads[rank + d] = given[axes.size() + i];
    }
  }
  double value = old ? n.real("value", 0) : 0;
  if (!old && n.has_input(2)) value = n.constant_float(2, "constant_value");
  return {ops::pad(n.graph(), n.input(0), pads, n.text("mode", "constant"), value)};
}

Values tile(const Node& n) { return {ops::tile(n.graph(), n.input(0), n.constant_ints(1, "repeats"))}; }

/// Refuses indices (operand 1) that are known and lie outside of operand 0: element i indexes axis
/// `first` + i % `count`. REQUIRES: operands that the shape rule has accepted.
void require_in_range(const Node& n, std::int64_t first, std::int64_t count) {
  const auto indices = n.known(n.input(1));
  if (!indices) return;
  for (std::int64_t i = 0; i < indices->size(); ++i) {
    const std::int64_t axis = first + i % count, index = indices->int_at(i);
    const std::int64_t* extent = ir::as_int(n.type(0).shape.at(static_cast<std::size_t>(axis)));
    if (extent != nullptr && (index < -*extent || index >= *extent))
      n.refuse("index {} is out of range for axis {} of extent {}", index, axis, *extent);
  }
}

/// By indices along attribute 'axis' of operand 0.
Values indexed_along(const Node& n, ValueId result, std::int64_t axis) {
  require_in_range(n, axis < 0 ? axis + static_cast<std::int64_t>(n.rank(0)) : axis, 1);
  return {result};
}
Values gather(const Node& n) {
  const std::int64_t axis = n.integer("axis", 0);
  return indexed_along(n, ops::gather(n.graph(), n.input(0), n.input(1), axis), axis);
}
Values gather_elements(const Node& n) {
  const std::int64_t axis = n.integer("axis", 0);
  return indexed_along(n, ops::gather_elements(n.graph(), n.input(0), n.input(1), axis), axis);
}
Values scatter_elements(const Node& n) {
  const std::int64_t axis = n.integer("axis", 0);
  return indexed_along(
      n,
      ops::scatter_elements(n.graph(), n.input(0), n.input(1), n.input(2), axis, n.text("reduction", "none")),
      axis);
}

/// By tuples of indices along the last axis of operand 1, behind `first` axes that both operands share.
Values indexed_by_tuples(const Node& n, ValueId result, std::int64_t first) {
  const std::int64_t* length = ir::as_int(n.type(1).shape.back());
  if (length != nullptr && *length > 0) require_in_range(n, first, *length);
  return {result};
}
Values gather_nd(const Node& n) {
  const std::int64_t batch = n.integer("batch_dims", 0);
  return indexed_by_tuples(n, ops::gather_nd(n.graph(), n.input(0), n.input(1), batch), batch);
}
Values scatter_nd(const Node& n) {
  return indexed_by_tuples(
      n, ops::scatter_nd(n.graph(), n.input(0), n.input(1), n.input(2), n.text("reduction", "none")), 0);
}

/// How many numbers lie from `start` to before `limit` in steps of `delta`; exact in 64 bits.
std::uint64_t range_length(std::int64_t start, std::int64_t limit, std::int64_t delta) {
  const auto first = static_cast<std::uint64_t>(start), last = static_cast<std::uint64_t>(limit),
             step = static_cast<std::uint64_t>(delta);
  if (delta > 0 ? start >= limit : start <= limit) return 0;
  return delta > 0 ? (last - first - 1) / step + 1 : (first - last - 1) / (0 - step) + 1;
}

HostTensor integer_range(const Node& n, DType dtype, const HostTensor (&bounds)[3]) {
  const std::int64_t start = bounds[0].int_at(0), delta = bounds[2].int_at(0);
  if (delta == 0) n.refuse("the step is 0");
  const std::uint64_t count = range_length(start, bounds[1].int_at(0), delta);
  if (count > most_made_elements) n.refuse("a range of {} elements is too long", count);
  HostTensor tensor(dtype, {static_cast<std::int64_t>(count)});
  for (std::uint64_t i = 0; i < count; ++i)
    tensor.set_int(
        static_cast<std::int64_t>(i),
        static_cast<std::int64_t>(static_cast<std::uint64_t>(start) + i * static_cast<std::uint64_t>(delta)));
  return tensor;
}

HostTensor float_range(const Node& n, DType dtype, const HostTensor (&bounds)[3]) {
  const double start = bounds[0].at(0), limit = bounds[1].at(0), delta = bounds[2].at(0);
  if (delta == 0) n.refuse("the step is 0");
  const double steps = std::max(0.0, std::ceil((limit - start) / delta));
  if (!(steps <= static_cast<double>(most_made_elements)))
    n.refuse("a range of {} elements is too long", steps);
  HostTensor tensor(dtype, {static_cast<std::int64_t>(steps)});
  for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, start + static_cast<double>(i) * delta);
  return tensor;
}

Values range(const Node& n) {
  const DType dtype = n.type(0).dtype;
  const HostTensor bounds[] = {n.constant(0, "start"), n.constant(1, "limit"), n.constant(2, "delta")};
  for (const HostTensor& bound : bounds)
    if (bound.size() != 1 || bound.dtype() != dtype)
      n.refuse("start, limit and delta must be one number each, of one type");
  return {n.graph().add_constant(ir::is_float(dtype) ? float_range(n, dtype, bounds)
                                                     : integer_range(n, dtype, bounds))};
}

Values eye_like(const Node& n) {
  const Ints dims = n.dims(0);
  if (dims.size() != 2) n.refuse("needs an operand of 2 dimensions");
  const DType dtype =
      n.has("dtype") ? dtype_of(static_cast<std::int32_t>(n.integer("dtype", 1))) : n.type(0).dtype;
  if (product(dims) > most_made_elements) n.refuse("a matrix of {} elements is too large", product(dims));
  HostTensor tensor(dtype, dims);
  const std::int64_t k = n.integer("k", 0);
  for (std::int64_t i = 0; i < dims[0]; ++i)
    if (i + k >= 0 && i + k < dims[1]) {
      if (ir::is_float(dtype))
        tensor.set(i * dims[1] + i + k, 1);
      else
        tensor.set_int(i * dims[1] + i + k, 1);
    }
  return {n.graph().add_constant(std::move(tensor))};
}

Values trilu(const Node& n) {
  return {ops::trilu(n.graph(), n.input(0), n.integer("upper", 1) != 0,
                     n.has_input(1) ? n.constant_int(1, "k") : 0)};
}

Values one_hot(const Node& n) {
  Graph& g = n.graph();
  const ValueId values = n.input(2);
  auto pick = [&](std::int64_t i) { return ops::reshape(g, ops::slice(g, values, {i}, {1}, {1}), {}); };
  ValueId indices = n.input(0);
  if (g.type(indices).dtype != DType::i64) indices = ops::cast(g, indices, DType::i64);
  const double depth_given = n.constant_float(1, "depth");
  if (!(depth_given >= 0 && depth_given < static_cast<double>(most_made_elements)))
    n.refuse("the depth {} is out of range", depth_given);
  const auto depth = static_cast<std::int64_t>(depth_given);
  return {ops::one_hot(g, indices, depth, pick(1), pick(0), n.integer("axis", -1))};
}

/// The block size of an NCHW operand.
std::int64_t block_size(const Node& n, const Ints& dims) {
  const std::int64_t block = n.required_integer("blocksize");
  if (dims.size() != 4) n.refuse("the operand has {} dimensions; accepted: 4", dims.size());
  if (block < 1 || block > (1 << 15)) n.refuse("attribute 'blocksize' is {}", block);
  return block;
}

/// NCHW blocks of the channel axis to space, and back.
Values depth_to_space(const Node& n) {
  Graph& g = n.graph();
  const Ints d = n.dims(0);
  const std::int64_t b = block_size(n, d), c = d[1] / (b * b);
  const std::string mode = n.text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") n.refuse("attribute 'mode' is '{}'; accepted: DCR, CRD", mode);
  const bool crd = mode == "CRD";
  const ValueId split =
      ops::reshape(g, n.input(0), crd ? Ints{d[0], c, b, b, d[2], d[3]} : Ints{d[0], b, b, c, d[2], d[3]});
  const ValueId moved = ops::transpose(g, split, crd ? Ints{0, 1, 4, 2, 5, 3} : Ints{0, 3, 4, 1, 5, 2});
  return {ops::reshape(g, moved, {d[0], c, d[2] * b, d[3] * b})};
}

Values space_to_depth(const Node& n) {
  Graph& g = n.graph();
  const Ints d = n.dims(0);
  const std::int64_t b = block_size(n, d);
  const ValueId split = ops::reshape(g, n.input(0), {d[0], d[1], d[2] / b, b, d[3] / b, b});
  return {ops::reshape(g, ops::transpose(g, split, {0, 3, 5, 1, 2, 4}),
                       {d[0], d[1] * b * b, d[2] / b, d[3] / b})};
}

Values cum_sum(const Node& n) {
  const ops::CumulateOptions o{n.integer("exclusive", 0) != 0, n.integer("reverse", 0) != 0};
  return {ops::cumulative_sum(n.graph(), n.input(0), n.constant_int(1, "axis"), o)};
}

Values cum_prod(const Node& n) {
  const ops::CumulateOptions o{n.integer("exclusive", 0) != 0, n.integer("reverse", 0) != 0};
  return {ops::cumulative_product(n.graph(), n.input(0), n.constant_int(1, "axis"), o)};
}

Values top_k(const Node& n) {
  const std::int64_t k = n.opset() < 10 ? n.required_integer("k") : n.constant_int(1, "k");
  const auto [values, places] =
      ops::top_k(n.graph(), n.input(0), k, n.integer("axis", -1), n.integer("largest", 1) != 0);
  return {values, places};
}

constexpr Conversion table[] = {
    {"Concat", 1, "axis", concat},
    {"Constant", 1, "value value_float@12 value_floats@12 value_int@12 value_ints@12", constant},
    {"ConstantOfShape", 9, "value", constant_of_shape},
    {"CumProd", 26, "exclusive reverse", cum_prod},
    {"CumSum", 11, "exclusive reverse", cum_sum},
    {"DepthToSpace", 1, "blocksize mode@11", depth_to_space},
    {"Expand", 8, "", expand},
    {"EyeLike", 9, "dtype k", eye_like},
    {"Flatten", 1, "axis", flatten},
    {"Gather", 1, "axis", gather},
    {"GatherElements", 11, "axis", gather_elements},
    {"GatherND", 11, "batch_dims@12", gather_nd},
    {"OneHot", 9, "axis", one_hot},
    {"Pad", 1, "mode pads@2<11 value<11 #1@11 #2@11 #3@18", pad},
    {"Range", 11, "", range},
    {"Reshape", 1, "allowzero@14 #1@5", reshape},
    {"Scatter", 9, "axis", scatter_elements, 11},
    {"ScatterElements", 11, "axis reduction@16", scatter_elements},
    {"ScatterND", 11, "reduction@16", scatter_nd},
    {"Shape", 1, "start@15 end@15", shape},
    {"Size", 1, "", size},
    {"Slice", 1, "starts<10 ends<10 axes<10 #1@10 #2@10 #3@10 #4@10", slice},
    {"SpaceToDepth", 1, "blocksize", space_to_depth},
    {"Split", 1, "axis split<13 num_outputs@18 #1@13", split},
    {"Squeeze", 1, "axes<13 #1@13", squeeze},
    {"Tile", 1, "", tile},
    {"TopK", 1, "axis k<10 largest@11 sorted@11 #1@10", top_k},
    {"Transpose", 1, "perm", transpose},
    {"Trilu", 14, "upper", trilu},
    {"Unsqueeze", 1, "axes<13 #1@13", unsqueeze},
};

}  // namespace

std::span<const Conversion> movement_conversions() { return table; }

}  // namespace tunesmith::tracer
