// Helpers that rules share to write steps.
//
// Thread safety: an Emitter is used by one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "schedules/schedule.h"
#include "schedules/sketch_structure.h"

namespace tunesmith::schedules {

/// Appends steps to a schedule and keeps count of the stages and fused loops that they make.
class Emitter {
 public:
  Emitter(const KernelInfo& info, Schedule& schedule);

  void split(LoopId loop, std::int64_t factor, Tail tail = Tail::peel) { schedule_.push_back(Split{loop, factor, tail}); }
  void annotate(LoopId loop, ir::LoopKind kind) { schedule_.push_back(Annotate{loop, kind}); }
  /// Nothing to do for fewer than two loops.
  void reorder(std::vector<LoopId> loops);
  /// One loop over all of them (directly nested, outermost first). REQUIRES: not empty.
  LoopId fuse(std::span<const LoopId> loops);
  void compute_at(StageIndex stage, LoopId loop, ir::Scope scope) {
    schedule_.push_back(ComputeAt{stage, loop, scope});
  }
  void reverse_compute_at(StageIndex stage, LoopId loop) {
    schedule_.push_back(ReverseComputeAt{stage, loop});
  }
  void compute_inline(StageIndex stage) { schedule_.push_back(ComputeInline{stage}); }
  void accumulate(StageIndex stage, LoopId at) {
    schedule_.push_back(Accumulate{stage, at, ir::Scope::registers});
  }
  void streaming(StageIndex stage) { schedule_.push_back(Streaming{stage}); }
  void prefetch(ir::BufferId buffer, StageIndex reader, std::int64_t ahead) {
    schedule_.push_back(Prefetch{buffer, reader, ahead});
  }
  /// The number of the stage that copies the buffer.
  StageIndex stage_buffer(ir::BufferId buffer, StageIndex reader, std::optional<LoopId> at,
                          ir::Layout layout, ir::Scope scope = ir::Scope::local);
  /// The number of the stage of partial results.
  StageIndex rfactor(StageIndex stage, std::uint32_t axis, std::int64_t factor);

  /// Splits off vectors of `width` elements (unless the loop is one) and vectorises them; returns the loop
  /// that is left outside, if any.
  std::optional<LoopId> vectorize(LoopId loop, std::int64_t extent, std::int64_t width);

 private:
  Schedule& schedule_;
  StageIndex next_stage_ = 0;
  std::vector<std::uint32_t> fused_;  // one a stage
};

}  // namespace tunesmith::schedules
