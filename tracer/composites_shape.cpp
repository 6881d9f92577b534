// Composites that change shapes or choose elements by their place.
#include <algorithm>
#include <numeric>

#include "ir/support/error.h"
#include "tracer/composites.h"
#include "tracer/composites_util.h"
#include "tracer/ops/infer.h"

namespace tunesmith::tracer::ops {

using ir::BinaryOp;

namespace {

/// An extent as reshape takes it: -1 for a symbolic one, which is what is left when it is the only one.
std::int64_t open_extent(const Dim& dim) { return ir::as_int(dim) != nullptr ? *ir::as_int(dim) : -1; }

}  // namespace

ValueId squeeze(Graph& graph, ValueId x, Ints axes) {
  const Shape& shape = graph.type(x).shape;
  std::vector<bool> removed(shape.size(), false);
  for (std::int64_t axis : axes) {
    const std::size_t d = checked_axis(axis, shape.size());
    if (!ir::is_int(shape[d], 1))
      throw_user_error("squeeze: axis {} of {} has not the extent 1", d, tracer::to_string(shape));
    removed[d] = true;
  }
  Ints kept;
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (!(axes.empty() ? ir::is_int(shape[d], 1) : removed[d])) kept.push_back(open_extent(shape[d]));
  return reshape(graph, x, std::move(kept));
}

ValueId unsqueeze(Graph& graph, ValueId x, Ints axes) {
  const Shape& own = graph.type(x).shape;
  const std::size_t rank = own.size() + axes.size();
  std::vector<bool> added(rank, false);
  for (std::int64_t axis : axes) {
    const std::size_t d = checked_axis(axis, rank);
    if (added[d]) throw_user_error("unsqueeze: axis {} is given twice", d);
    added[d] = true;
  }
  Ints shape;
  std::size_t next = 0;
  for (std::size_t d = 0; d < rank; ++d) shape.push_back(added[d] ? 1 : open_extent(own[next++]));
  return reshape(graph, x, std::move(shape));
}

ValueId flatten(Graph& graph, ValueId x, std::int64_t axis) {
  const Shape& shape = graph.type(x).shape;
  const auto rank = static_cast<std::int64_t>(shape.size());
  if (axis < -rank || axis > rank)
    throw_user_error("flatten: axis {} is out of range for {} dimensions", axis, rank);
  const auto middle = shape.begin() + (axis < 0 ? axis + rank : axis);
  // The number of elements of a side, -1 where it has a symbolic extent.
  auto product = [](auto first, auto last) {
    std::int64_t count = 1;
    for (auto dim = first; dim != last; ++dim)
      count = ir::as_int(*dim) && count >= 0 ? count * *ir::as_int(*dim) : -1;
    return count;
  };
  return reshape(graph, x, {product(shape.begin(), middle), product(middle, shape.end())});
}

std::vector<ValueId> split(Graph& graph, ValueId x, std::int64_t axis, const Ints& sizes) {
  const Shape& shape = graph.type(x).shape;
  const std::size_t d = checked_axis(axis, shape.size());
  const bool whole = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}) == to_ints({shape[d]})[0];
  if (!whole || std::ranges::any_of(sizes, [](std::int64_t size) { return size < 0; }))
    throw_user_error("split: the sizes {} do not add up to axis {} of {}", tracer::to_string(to_shape(sizes)),
                     d, tracer::to_string(shape));
  std::vector<ValueId> parts;
  std::int64_t begin = 0;
  for (std::int64_t size : sizes) {
    parts.push_back(slice_axis(graph, x, axis, begin, begin + size));
    begin += size;
  }
  return parts;
}

std::vector<ValueId> split_evenly(Graph& graph, ValueId x, std::int64_t axis, std::int64_t parts) {
  const Shape& shape = graph.type(x).shape;
  const std::int64_t extent = to_ints({shape[checked_axis(axis, shape.size())]})[0];
  if (parts < 1) throw_user_error("split: {} parts were asked for", parts);
  const std::int64_t size = (extent + parts - 1) / parts;
  Ints sizes;
  for (std::int64_t p = 0; p < parts; ++p)
    sizes.push_back(std::clamp<std::int64_t>(extent - p * size, 0, size));
  return split(graph, x, axis, sizes);
}

ValueId swap_axes(Graph& graph, ValueId x, std::int64_t a, std::int64_t b) {
  Ints perm(rank_of(graph, x));
  std::iota(perm.begin(), perm.end(), std::int64_t{0});
  std::swap(perm[checked_axis(a, perm.size())], perm[checked_axis(b, perm.size())]);
  return transpose(graph, x, std::move(perm));
}

ValueId trilu(Graph& graph, ValueId x, bool upper, std::int64_t k) {
  const std::size_t rank = rank_of(graph, x);
  if (rank < 2)
    throw_user_error("trilu: {} has fewer than 2 dimensions", tracer::to_string(graph.type(x).shape));
  const Shape& dims = graph.type(x).shape;
  const Ints last = to_ints({dims[rank - 2], dims[rank - 1]});
  const ValueId row = iota(graph, DType::i64, {last[0], 1}, 0),
                column = iota(graph, DType::i64, {1, last[1]}, 1);
  const ValueId diagonal = add(graph, row, scalar(graph, DType::i64, static_cast<double>(k)));
  const ValueId inside = binary(graph, upper ? BinaryOp::ge : BinaryOp::le, column, diagonal);
  return where(graph, inside, x, scalar_like(graph, x, 0));
}

ValueId one_hot(Graph& graph, ValueId indices, std::int64_t depth, ValueId on, ValueId off,
                std::int64_t axis) {
  if (depth < 0) throw_user_error("one_hot: the depth {} is negative", depth);
  indices = cast(graph, indices, DType::i64);
  const std::size_t rank = rank_of(graph, indices) + 1;
  const std::size_t d = checked_axis(axis, rank);
  const ValueId extent = scalar(graph, DType::i64, static_cast<double>(depth));
  const ValueId wrapped = where(graph, less(graph, indices, 0), add(graph, indices, extent), indices);
  Ints places(rank, 1);
  places[d] = depth;
  const ValueId hit = binary(graph, BinaryOp::eq, unsqueeze(graph, wrapped, {static_cast<std::int64_t>(d)}),
                             iota(graph, DType::i64, std::move(places), static_cast<std::int64_t>(d)));
  return where(graph, hit, on, off);
}

}  // namespace tunesmith::tracer::ops
