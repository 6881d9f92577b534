// Loop partitioning: most iterations of a loop need no guards. Internal to the room. Thread safety: pure.
#pragma once

#include "ir/loop_nest.h"

namespace tunesmith::schedules {

/// Where a loop decides conditions that are false at its ends only (padding, cut windows), its ends get copies of
/// the body of their own:
///
///     for x in 28:                              x = 0: … a copy, its conditions decided for x = 0
///       … select(0 < x * 2 + k, a[…], 0) …  ->  for x in 27: … a[…] … at x + 1
///
/// A parallel loop and a bound value branch instead, so that the work stays evenly divisible:
///
///     let h = f // 9; …  ->  let h = f // 9; if (0 < h & h < 27) … without conditions …; else …
///
/// The order of operations on every element stays. Copies are made while they are small enough for the instruction
/// cache. (Halide calls this loop partitioning, TVM LoopPartition.)
void partition_loops(ir::LoopNest& nest);

}  // namespace tunesmith::schedules
