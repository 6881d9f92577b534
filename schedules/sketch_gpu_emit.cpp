#include "schedules/sketch_gpu_emit.h"

#include <algorithm>

namespace tunesmith::schedules {

using ir::LoopKind;
using i64 = std::int64_t;

std::vector<std::size_t> members(const StageGroup& group) {
  std::vector<std::size_t> all = group.prologue;
  all.push_back(group.anchor);
  all.insert(all.end(), group.epilogue.begin(), group.epilogue.end());
  std::ranges::sort(all);
  return all;
}

std::size_t longest_reduction(const StageInfo& stage) {
  std::size_t longest = stage.spatial_count;
  for (std::size_t a = stage.spatial_count; a < stage.axes.size(); ++a)
    if (stage.axes[a].extent >= stage.axes[longest].extent) longest = a;
  return longest;
}

LoopId emit_lanes(Emitter& e, LoopId loop, i64 width) {
  if (width == 1) return loop;
  e.split(loop, width, Tail::mask);
  e.annotate(loop.inner(), LoopKind::vectorize);
  return loop.outer();
}

void emit_thread_loop(Emitter& e, LoopId loop, i64 threads, i64 width) {
  e.split(loop, threads * width, Tail::mask);
  const LoopId thread = emit_lanes(e, loop.inner(), width);
  e.reorder({thread, loop.outer()});
  e.annotate(thread, LoopKind::thread_x);
}

void emit_element_loops(Emitter& e, const StageInfo& stage, i64 threads, i64 width) {
  if (stage.spatial_count == 0) return;  // one thread
  const auto index = static_cast<StageIndex>(stage.index);
  std::vector<LoopId> loops;
  for (std::uint32_t a = 0; a < stage.spatial_count; ++a) loops.push_back(axis_loop(index, a));
  const LoopId all = e.fuse(loops);
  const bool is_map = stage.kind == StageKind::map;
  const i64 lanes = is_map ? width : 1;
  e.split(all, threads * lanes, Tail::mask);
  e.annotate(all.outer(), LoopKind::block_x);
  e.annotate(emit_lanes(e, all.inner(), lanes), LoopKind::thread_x);
  if (!is_map) e.accumulate(index, all.inner());
}

}  // namespace tunesmith::schedules
