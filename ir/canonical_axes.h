// Internal: the parts of canonicalise() that regroup axes and buffer dimensions. Each changes a valid
// kernel into a valid one that computes the same elements in the same places.
#pragma once

#include "ir/kernel.h"

namespace tunesmith::ir {

/// Buffers whose layout only permutes become row-major: their logical dimensions, and the axes of the
/// stage that writes them, take the physical order.
void undo_permutations(Kernel& kernel);

/// Drops axes and buffer dimensions of extent 1. A reduction keeps one axis.
void drop_unit_axes(Kernel& kernel);

/// Merges neighbouring axes p, q that every access walks contiguously: everywhere p and q appear only
/// as the indices [.., p, q, ..] of two neighbouring dimensions of their extents, and the other uses of
/// those dimensions merge too. A[i, j] over i:m, j:n -> A[ij] over ij:m*n.
void merge_axes(Kernel& kernel);

}  // namespace tunesmith::ir
