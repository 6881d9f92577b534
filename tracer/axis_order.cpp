#include "tracer/axis_order.h"

#include <algorithm>

#include "ir/support/check.h"

namespace tunesmith::tracer {

using namespace ir;

namespace {

std::size_t as_size(std::int32_t dim) { return static_cast<std::size_t>(dim); }

/// The block of a dimension, or 1.
std::int64_t block_of(const Layout& order, std::int32_t dim) {
  for (const LayoutDim& entry : order.order)
    if (entry.dim == dim && entry.block != 0) return entry.block;
  return 1;
}

}  // namespace

Layout explicit_order(const Layout& order, std::size_t rank) {
  if (!order.is_row_major()) return order;
  Layout result;
  for (std::size_t d = 0; d < rank; ++d) result.order.push_back({static_cast<std::int32_t>(d), 0});
  return result;
}

std::vector<std::int64_t> ordered_extents(const Layout& order, const std::vector<std::int64_t>& shape) {
  if (order.is_row_major()) return shape;
  std::vector<std::int64_t> extents;
  for (const LayoutDim& entry : order.order) {
    const std::int64_t block = block_of(order, entry.dim);
    TS_CHECK(shape.at(as_size(entry.dim)) % block == 0, "a block that does not divide its dimension");
    extents.push_back(entry.block != 0 ? entry.block : shape.at(as_size(entry.dim)) / block);
  }
  return extents;
}

std::vector<Expr> to_ordered(const Layout& order, const std::vector<std::int64_t>& shape,
                             std::span<const Expr> indices) {
  TS_CHECK(indices.size() == shape.size(), "an index of another rank than the tensor");
  if (order.is_row_major()) return {indices.begin(), indices.end()};
  std::vector<Expr> result;
  for (const LayoutDim& entry : order.order) {
    const Expr& index = indices[as_size(entry.dim)];
    const std::int64_t block = block_of(order, entry.dim);
    if (entry.block != 0)
      result.push_back(floor_mod(index, block));
    else
      result.push_back(block == 1 ? index : floor_div(index, block));
  }
  return result;
}

std::vector<Expr> from_ordered(const Layout& order, const std::vector<std::int64_t>& shape,
                               std::span<const Expr> ordered) {
  if (order.is_row_major()) return {ordered.begin(), ordered.end()};
  std::vector<Expr> outer(shape.size()), inner(shape.size());
  for (std::size_t p = 0; p < order.order.size(); ++p) {
    const LayoutDim& entry = order.order[p];
    (entry.block != 0 ? inner : outer)[as_size(entry.dim)] = ordered[p];
  }
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (inner[d]) outer[d] = outer[d] * block_of(order, static_cast<std::int32_t>(d)) + inner[d];
  return outer;
}

Layout with_split(const Layout& order, std::size_t rank, std::int32_t dim, std::int64_t inner) {
  Layout result;
  for (const LayoutDim& entry : explicit_order(order, rank).order) {
    result.order.push_back(entry);
    if (entry.dim == dim) {
      TS_CHECK(entry.block == 0, "a dimension that is split twice");
      result.order.push_back({dim, inner});
    }
  }
  return result;
}

Layout memory_of_ordered(const Layout& iteration, const Layout& memory, std::size_t rank) {
  const Layout axes = explicit_order(iteration, rank);
  std::vector<std::int32_t> places;
  auto add = [&](std::int32_t dim, bool inner) {
    for (std::size_t p = 0; p < axes.order.size(); ++p)
      if (axes.order[p].dim == dim && (axes.order[p].block != 0) == inner)
        places.push_back(static_cast<std::int32_t>(p));
  };
  for (const LayoutDim& entry : explicit_order(memory, rank).order) {
    TS_CHECK(entry.block == 0, "the memory order of an argument must be a permutation");
    add(entry.dim, false);
    add(entry.dim, true);
  }
  return Layout::permutation(places);
}

Layout normalised(const Layout& permutation, const std::vector<std::int64_t>& shape) {
  std::int32_t last = -1;
  for (const LayoutDim& entry : permutation.order) {
    if (shape.at(as_size(entry.dim)) == 1) continue;
    if (entry.dim < last) return permutation;
    last = entry.dim;
  }
  return {};
}

}  // namespace tunesmith::tracer
