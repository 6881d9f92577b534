// apply: from a kernel and a schedule to a loop nest. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "ir/kernel.h"
#include "ir/loop_nest.h"
#include "ir/support/expected.h"
#include "schedules/schedule.h"

namespace tunesmith::schedules {

/// Cheap to make: the search throws many away. render() gives the explanation.
struct ScheduleError {
  enum class Code : std::uint8_t {
    symbolic_kernel,       // the kernel has unbound symbols
    unknown_stage,         // no such stage
    unknown_loop,          // no such loop (or it was split or fused away)
    unknown_buffer,        // no such buffer, or the reader does not read it
    bad_factor,            // not at least 1
    bad_distance,          // prefetch: not forwards, or too far
    overlap_reduction,     // split: blocks that overlap, in or inside of a reduction loop
    overlap_concurrent,    // split: blocks that overlap do not run one after another
    not_nested,            // fuse: the second loop is not directly inside the first
    mixed_fuse,            // fuse: a spatial with a reduction loop, or loops of two stages
    other_stage,           // reorder: loops of several stages
    crosses_attached,      // reorder: a stage is attached in between
    parallel_reduction,    // parallel: a reduction loop; use rfactor
    nested_parallel,       // parallel: inside another parallel loop
    vectorize_not_inner,   // vectorize: a serial or parallel loop lies inside
    stage_is_output,       // compute_at, compute_inline: the stage writes a kernel output
    stage_is_reduction,    // compute_inline, reverse_compute_at: the stage is a reduction
    already_attached,      // compute_at, reverse_compute_at: the stage is inside a loop already
    reader_outside,        // compute_at: a reader of the stage lies outside of the loop
    not_pointwise,         // reverse_compute_at: does not read the loop's stage point by point
    producer_outside,      // reverse_compute_at: reads a stage that is not finished at that place
    not_reduction,         // accumulate, rfactor: the stage has no reduction
    no_reduction_inside,   // accumulate: no reduction loop of the stage inside the loop
    already_accumulated,   // accumulate: twice
    not_associative,       // rfactor: the combiner does not merge partial results
    not_reduction_axis,    // rfactor: the axis is spatial
    not_spatial_axis,      // pad: no such spatial axis
    unbounded_index,       // pad: what the padded points would read is not known
    stage_was_scheduled,   // rfactor, pad, compute_inline: must come before other steps on the stage
    tuple_cycle,           // components of a tuple reduction need each other's old value
    epilogue_without_tile, // reverse_compute_at inside a reduction that is not finished there and not accumulated
    bad_layout,             // stage: the layout does not walk every dimension of the buffer once
    registers_not_constant, // accumulate, compute_at: an index into the registers is not constant when unrolled
    vectorized_tuple,       // vectorize: a reduction loop of a tuple state; its components step together
    too_much_code,          // unroll, vectorize: the copies of the statements inside are too many
  };
  Code code{};
  std::uint32_t step = 0;  // index into the schedule
};
std::string_view to_string(ScheduleError::Code code);

/// The scheduled program, simplified; builds with assertions verify it. REQUIRES: verify(kernel) succeeds.
Expected<ir::LoopNest, ScheduleError> apply(const ir::Kernel& kernel, const Schedule& schedule);

/// The error for people: the step, what is wrong with it, the loops of the stage at that point and what would be accepted.
std::string render(const ir::Kernel& kernel, const Schedule& schedule, const ScheduleError& error);

}  // namespace tunesmith::schedules
