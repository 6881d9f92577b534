// Identity of a kernel: the text that workload keys hash, and the clean-up that makes equal work look
// equal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/kernel.h"

namespace tunesmith::ir {

/// Bumped when the canonical text of any kernel changes.
inline constexpr int canon_version = 1;

/// Simplifies expressions, merges neighbouring axes that every access walks contiguously (so that
/// elementwise kernels become one-dimensional and a 1x1 convolution a matrix product), drops axes of
/// extent 1, renumbers buffers and variables by first use. Argument order and the elements of every
/// argument buffer are unchanged; only logical shapes are regrouped. Names follow from the numbering: buffers
/// a0 (inputs and constants), t0 (temporaries), c0 (outputs); stages s0; axes i0 (spatial), k0 (reduction).
Kernel canonicalise(const Kernel& kernel);

/// The text of the kernel with canonical names: equal for kernels that do the same work on the same
/// shapes, layouts, dtypes and numerics. Begins with the canon version.
std::string canonical_text(const Kernel& kernel);

/// The same with extents replaced by classes (equal extents share a class; each class says which of 2, 4, 8,
/// 16, 32, 64 divide it), and the extents that were replaced, in order.
struct Family {
  std::string text;
  std::vector<std::int64_t> extents;
};
Family family_of(const Kernel& kernel);

}  // namespace tunesmith::ir
