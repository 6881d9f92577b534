#include "schedules/sketch_plain.h"

#include <algorithm>

#include "schedules/sketch_emit.h"

namespace tunesmith::schedules {

using i64 = std::int64_t;

namespace {

constexpr double cycles_per_point = 4;  // scalar code with its loads, stores and loop control

class PlainSketch : public GroupSketch {
 public:
  PlainSketch(const RuleContext& context, const StageGroup& group)
      : info_(context.info), machine_(context.machine), threads_(context.threads) {
    stages_ = group.prologue;
    stages_.push_back(group.anchor);
    stages_.insert(stages_.end(), group.epilogue.begin(), group.epilogue.end());
    std::ranges::sort(stages_);
    if (threads_ > 1) knobs_.push_back({"par", {1, 0}, true});
  }

  const std::string& name() const override { return name_; }
  std::span<const Knob> knobs() const override { return knobs_; }
  bool feasible(std::span<const i64>) const override { return true; }

  double estimate_ns(std::span<const i64> values) const override {
    double ns = 0;
    for (std::size_t s : stages_) {
      const StageInfo& stage = info_.stages[s];
      const double points =
          static_cast<double>(stage.spatial_points()) * static_cast<double>(stage.reduce_points());
      ns += points * (cycles_per_point + stage.slots) / machine_.clock_ghz;
    }
    if (is_parallel(values))
      ns = ns / threads_ + static_cast<double>(stages_.size()) * machine_.parallel_launch_ns;
    return ns;
  }

  void emit(std::span<const i64> values, Schedule& schedule) const override {
    if (!is_parallel(values)) return;
    Emitter e(info_, schedule);
    for (std::size_t s : stages_) {
      const StageInfo& stage = info_.stages[s];
      if (stage.spatial_count == 0) continue;
      e.annotate(axis_loop(static_cast<StageIndex>(s), 0), ir::LoopKind::parallel);
    }
  }

 private:
  bool is_parallel(std::span<const i64> values) const { return !knobs_.empty() && values[0] != 0; }

  const KernelInfo& info_;
  const Machine& machine_;
  int threads_;
  std::vector<std::size_t> stages_;
  std::vector<Knob> knobs_;
  std::string name_ = "plain";
};

}  // namespace

GroupSketches plain_rule(const RuleContext& context, const StageGroup& group) {
  GroupSketches result;
  result.push_back(std::make_unique<PlainSketch>(context, group));
  return result;
}

}  // namespace tunesmith::schedules
