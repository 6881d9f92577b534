// Random legal schedules: steps are drawn at random and kept where the engine takes them.
#pragma once

#include <algorithm>
#include <array>
#include <numeric>

#include "ir/support/rng.h"
#include "schedules/apply.h"
#include "schedules/steps.h"

namespace tunesmith::schedules::testing {

class ScheduleGenerator {
 public:
  ScheduleGenerator(const ir::Kernel& kernel, Rng& rng) : kernel_(kernel), rng_(rng), tree_(kernel) {}

  /// Steps of each type that were taken, by the index in the variant.
  std::array<int, std::variant_size_v<Step>> taken{};

  Schedule run(int attempts) {
    for (int i = 0; i < attempts; ++i) {
      Step step = propose();
      LoopTree next = tree_;
      const auto number = static_cast<std::uint32_t>(schedule_.size());
      if (!std::visit([&](const auto& s) { return take(next, s, number).has_value(); }, step)) continue;
      tree_ = std::move(next);
      ++taken[step.index()];
      schedule_.push_back(std::move(step));
    }
    repair();
    return schedule_;
  }

 private:
  /// What only shows in the finished tree: loops that cannot be vectorized become serial, registers that
  /// are indexed by serial loops become local memory, blocks that must not overlap are masked.
  void repair() {
    for (;;) {
      const auto nest = schedules::apply(kernel_, schedule_);
      if (nest || nest.error().step >= schedule_.size()) return;
      Step& step = schedule_[nest.error().step];
      if (auto* annotate = std::get_if<Annotate>(&step); annotate && annotate->kind != ir::LoopKind::serial)
        annotate->kind = ir::LoopKind::serial;
      else if (auto* tile = std::get_if<Accumulate>(&step); tile && tile->scope == ir::Scope::registers)
        tile->scope = ir::Scope::local;
      else if (auto* at = std::get_if<ComputeAt>(&step); at && at->scope == ir::Scope::registers)
        at->scope = ir::Scope::local;
      else if (auto* copy = std::get_if<StageBuffer>(&step); copy && copy->scope == ir::Scope::registers)
        copy->scope = ir::Scope::local;
      else if (auto* split = std::get_if<Split>(&step); split && split->tail == Tail::overlap)
        split->tail = Tail::mask;
      else
        return;
    }
  }

  StageIndex stage() { return tree_.sequence[rng_.below(tree_.sequence.size())]; }
  LoopId loop_of(StageIndex s) {
    const auto& order = tree_.stages[s].order;
    if (order.empty()) return axis_loop(s, 0);
    return tree_.stages[s].nodes[order[rng_.below(order.size())]].id;
  }
  LoopId loop() { return loop_of(stage()); }
  ir::Scope scope() {
    static constexpr ir::Scope all[] = {ir::Scope::local, ir::Scope::registers, ir::Scope::global};
    return all[rng_.below(3)];
  }
  Tail tail() {
    static constexpr Tail all[] = {Tail::peel, Tail::peel, Tail::mask, Tail::overlap};
    return all[rng_.below(4)];
  }

  ir::Layout layout(std::size_t rank) {
    ir::Layout result;
    if (rank == 0 || rng_.below(2) == 0) return result;
    std::vector<std::int32_t> order(rank);
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t i = rank; i > 1; --i) std::swap(order[i - 1], order[rng_.below(i)]);
    for (std::int32_t d : order) result.order.push_back({d, 0});
    if (rng_.below(2) == 0)
      result.order.push_back({static_cast<std::int32_t>(rng_.below(rank)), rng_.between(2, 4)});
    return result;
  }

  Step fuse() {
    const StageIndex s = stage();
    const auto& order = tree_.stages[s].order;
    if (order.size() < 2) return Fuse{axis_loop(s, 0), axis_loop(s, 1)};
    const std::size_t at = rng_.below(order.size() - 1);
    return Fuse{tree_.stages[s].nodes[order[at]].id, tree_.stages[s].nodes[order[at + 1]].id};
  }
  Step reorder() {
    const StageIndex s = stage();
    Reorder step;
    for (NodeIndex n : tree_.stages[s].order)
      if (rng_.below(3) != 0) step.loops.push_back(tree_.stages[s].nodes[n].id);
    for (std::size_t i = step.loops.size(); i > 1; --i)
      std::swap(step.loops[i - 1], step.loops[rng_.below(i)]);
    return step;
  }
  Step annotate() {
    static constexpr ir::LoopKind kinds[] = {ir::LoopKind::parallel, ir::LoopKind::vectorize,
                                             ir::LoopKind::unroll, ir::LoopKind::serial};
    const ir::LoopKind kind = kinds[rng_.below(4)];
    const StageIndex s = stage();
    const auto& order = tree_.stages[s].order;
    if (kind == ir::LoopKind::vectorize && !order.empty())
      return Annotate{tree_.stages[s].nodes[order.back()].id, kind};
    return Annotate{loop_of(s), kind};
  }
  Step stage_buffer() {
    StageBuffer step;
    step.reader = stage();
    step.buffer = ir::BufferId{static_cast<std::uint32_t>(rng_.below(tree_.kernel.buffers.size()))};
    if (rng_.below(4) != 0) step.at = loop_of(step.reader);
    step.scope = scope();
    step.layout = layout(tree_.kernel.buffer(step.buffer).shape.size());
    return step;
  }
  /// A consumer at a loop of what it reads.
  Step reverse() {
    const StageIndex s = stage();
    std::vector<StageIndex> producers;
    for (StageIndex other : tree_.sequence)
      for (ir::BufferId output : tree_.stages[other].def.outputs)
        if (tree_.reads(s, output)) producers.push_back(other);
    if (producers.empty()) return ReverseComputeAt{s, loop()};
    return ReverseComputeAt{s, loop_of(producers[rng_.below(producers.size())])};
  }
  Step propose() {
    // What changes stages themselves must come first.
    if (schedule_.size() < 3 && rng_.below(4) == 0) return ComputeInline{stage()};
    if (schedule_.size() < 3 && rng_.below(4) == 0)
      return Pad{stage(), static_cast<std::uint32_t>(rng_.below(3)), rng_.between(2, 5)};
    switch (rng_.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3: return Split{loop(), rng_.between(1, 5), tail()};
      case 4: return fuse();
      case 5:
      case 6: return reorder();
      case 7:
      case 8: return annotate();
      case 9: return ComputeAt{stage(), loop(), scope()};
      case 10:
        return rng_.below(4) == 0 ? Step(ComputeInline{stage()}) : Step(ComputeAt{stage(), loop(), scope()});
      case 11: return reverse();
      case 12: return stage_buffer();
      case 13: {
        const StageIndex s = stage();
        return Accumulate{s, loop_of(s), rng_.below(2) ? ir::Scope::registers : ir::Scope::local};
      }
      case 14:
        if (rng_.below(3) == 0) return Streaming{stage()};
        if (rng_.below(2) == 0) {
          const auto buffer = static_cast<std::uint32_t>(rng_.below(tree_.kernel.buffers.size()));
          return Prefetch{ir::BufferId{buffer}, stage(), rng_.between(1, 100)};
        }
        return ReverseComputeAt{stage(), loop()};
      default: {
        const StageIndex s = stage();
        const auto spatial = static_cast<std::uint32_t>(tree_.stages[s].def.spatial.size());
        return Rfactor{s, spatial + static_cast<std::uint32_t>(rng_.below(2)), rng_.between(1, 4)};
      }
    }
  }

  const ir::Kernel& kernel_;
  Rng& rng_;
  LoopTree tree_;
  Schedule schedule_;
};

}  // namespace tunesmith::schedules::testing
