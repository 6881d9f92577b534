#include "schedules/sketch_emit.h"

#include "ir/support/check.h"

namespace tunesmith::schedules {

Emitter::Emitter(const KernelInfo& info, Schedule& schedule)
    : schedule_(schedule), next_stage_(static_cast<StageIndex>(info.stages.size())) {
  for (const Step& step : schedule) {
    TS_CHECK(!std::holds_alternative<Pad>(step), "how many stages a pad() makes depends on the kernel");
    if (std::holds_alternative<StageBuffer>(step) || std::holds_alternative<Rfactor>(step)) ++next_stage_;
    if (const auto* f = std::get_if<Fuse>(&step)) {
      fused_.resize(std::max<std::size_t>(fused_.size(), f->outer.stage + 1), 0);
      ++fused_[f->outer.stage];
    }
  }
}

void Emitter::reorder(std::vector<LoopId> loops) {
  if (loops.size() > 1) schedule_.push_back(Reorder{std::move(loops)});
}

LoopId Emitter::fuse(std::span<const LoopId> loops) {
  TS_CHECK(!loops.empty(), "fuse needs a loop");
  LoopId all = loops[0];
  for (const LoopId& next : loops.subspan(1)) {
    schedule_.push_back(Fuse{all, next});
    if (fused_.size() <= all.stage) fused_.resize(all.stage + 1, 0);
    all = fused_loop(all.stage, fused_[all.stage]++);
  }
  return all;
}

StageIndex Emitter::stage_buffer(ir::BufferId buffer, StageIndex reader, std::optional<LoopId> at,
                                 ir::Layout layout, ir::Scope scope) {
  schedule_.push_back(StageBuffer{buffer, reader, at, at ? scope : ir::Scope::global, std::move(layout)});
  return next_stage_++;
}

StageIndex Emitter::rfactor(StageIndex stage, std::uint32_t axis, std::int64_t factor) {
  schedule_.push_back(Rfactor{stage, axis, factor});
  return next_stage_++;
}

std::optional<LoopId> Emitter::vectorize(LoopId loop, std::int64_t extent, std::int64_t width) {
  if (extent <= width) {
    annotate(loop, ir::LoopKind::vectorize);
    return std::nullopt;
  }
  split(loop, width);
  annotate(loop.inner(), ir::LoopKind::vectorize);
  return loop.outer();
}

}  // namespace tunesmith::schedules
