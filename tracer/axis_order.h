// The order in which a kernel walks the dimensions of a tensor, and the maps between indices of the
// tensor and indices in that order.
//
// An order is an ir::Layout with at most one block a dimension that divides it; row-major when empty. It
// serves two ends: the memory order of an argument, and the axes of a stage (so that a channels-last
// convolution has the axes n, h, w, k and its argument is a plain row-major buffer of that shape).
// Pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ir/buffer.h"

namespace tunesmith::tracer {

/// Extents in order, outermost first. REQUIRES: blocks divide their dimensions.
std::vector<std::int64_t> ordered_extents(const ir::Layout& order, const std::vector<std::int64_t>& shape);
/// Index of each ordered axis for an index of the tensor, and back.
std::vector<ir::Expr> to_ordered(const ir::Layout& order, const std::vector<std::int64_t>& shape,
                                 std::span<const ir::Expr> indices);
std::vector<ir::Expr> from_ordered(const ir::Layout& order, const std::vector<std::int64_t>& shape,
                                   std::span<const ir::Expr> ordered);

/// The explicit form of an order: row-major becomes 0, 1, 2, ….
ir::Layout explicit_order(const ir::Layout& order, std::size_t rank);
/// `order` with dimension `dim` as two neighbouring axes of extents [.., inner].
ir::Layout with_split(const ir::Layout& order, std::size_t rank, std::int32_t dim, std::int64_t inner);

/// A buffer whose logical dimensions are the axes of `iteration`, stored in the order `memory`: its layout.
/// REQUIRES: `memory` is a permutation.
ir::Layout memory_of_ordered(const ir::Layout& iteration, const ir::Layout& memory, std::size_t rank);

/// The permutation without regard to dimensions of extent 1: row-major if the others keep their order.
ir::Layout normalised(const ir::Layout& permutation, const std::vector<std::int64_t>& shape);

}  // namespace tunesmith::tracer
