#include "schedules/analytic_access.h"

#include <algorithm>
#include <unordered_set>

#include "ir/integer_ops.h"
#include "ir/support/check.h"
#include "ir/support/rng.h"

namespace tunesmith::schedules {

using namespace ir;
using i64 = std::int64_t;

namespace {

constexpr i64 exact_probes = 64;      // loops up to this extent are probed at every point
constexpr int sampled_points = 64;    // for conditions over several loops
constexpr i64 conflict_bytes = 4096;  // strides that are multiples of this share a cache set

/// What has no value (a division by zero) counts as 0.
i64 eval_binary(BinaryOp op, i64 a, i64 b) {
  return integer_binary(op, index_dtype, a, b).value_or(0);
}

}  // namespace

i64 Prober::eval(const Expr& e) const {
  if (const auto* v = e.as<IntImm>()) return v->value;
  if (const auto* v = e.as<Var>()) {
    const Expr& bound = lets_[index_of(v->id)];
    return bound ? eval(bound) : values_[index_of(v->id)];
  }
  if (const auto* b = e.as<Binary>()) return eval_binary(b->op, eval(b->a), eval(b->b));
  if (const auto* s = e.as<Select>()) return eval(s->condition) != 0 ? eval(s->yes) : eval(s->no);
  if (const auto* c = e.as<Cast>()) return eval(c->a);
  if (const auto* u = e.as<Unary>()) {
    if (u->op == UnaryOp::neg) return -eval(u->a);
    if (u->op == UnaryOp::logical_not) return eval(u->a) == 0;
  }
  met_load_ = true;
  return 0;
}

bool Prober::take_data_dependence() {
  const bool met = met_load_;
  met_load_ = false;
  return met;
}

Walk Prober::walk(const Expr& index, VarId var, i64 extent) {
  if (extent <= 1) return {};
  const i64 saved = values_[index_of(var)];
  auto at = [&](i64 value) {
    values_[index_of(var)] = value;
    return eval(index);
  };
  const i64 origin = at(0);
  const i64 step = at(1) - origin;
  const i64 span = at(extent - 1) - origin;
  Walk result{step, extent};
  const bool is_regular = step * (extent - 1) == span && at(extent / 2) - origin == step * (extent / 2);
  if (is_regular) {
    if (step == 0) result = {};
  } else {
    const i64 points = std::min(extent, exact_probes);
    std::unordered_set<i64> seen;
    i64 low = origin, high = origin;
    for (i64 p = 0; p < points; ++p) {
      const i64 value = at(points == extent ? p : p * (extent - 1) / (points - 1));
      seen.insert(value);
      low = std::min(low, value);
      high = std::max(high, value);
    }
    const i64 count = std::max<i64>(1, static_cast<i64>(seen.size()) * extent / points);
    const i64 mean_stride = count > 1 ? std::max<i64>(1, (high - low) / (count - 1)) : 0;
    // A unit first step tells how vectors meet the memory, even where rows break the walk.
    result = {std::abs(step) == 1 ? 1 : mean_stride, count, count == 1};
  }
  values_[index_of(var)] = saved;
  result.stride = std::abs(result.stride);
  return result;
}

bool Prober::depends(const Expr& e, VarId var) const {
  if (const auto* v = e.as<Var>()) {
    if (v->id == var) return true;
    const Expr& bound = lets_[index_of(v->id)];
    return bound && depends(bound, var);
  }
  if (const auto* b = e.as<Binary>()) return depends(b->a, var) || depends(b->b, var);
  if (const auto* s = e.as<Select>())
    return depends(s->condition, var) || depends(s->yes, var) || depends(s->no, var);
  if (const auto* c = e.as<Cast>()) return depends(c->a, var);
  if (const auto* u = e.as<Unary>()) return depends(u->a, var);
  if (const auto* l = e.as<Load>())
    return std::ranges::any_of(l->indices, [&](const Expr& index) { return depends(index, var); });
  return false;
}

double Prober::mean(const Expr& e, std::span<const LoopInfo> loops) {
  if (const auto* value = as_int(e)) return static_cast<double>(*value);
  std::vector<const LoopInfo*> used;
  for (const LoopInfo& loop : loops)
    if (depends(e, loop.var)) used.push_back(&loop);
  if (used.empty()) return static_cast<double>(eval(e));

  std::vector<i64> saved;
  for (const LoopInfo* loop : used) saved.push_back(get(loop->var));
  double sum = 0;
  double points = 0;
  constexpr i64 enumerated = 4096;
  if (used.size() == 1 && used[0]->extent <= enumerated) {
    for (i64 value = 0; value < used[0]->extent; ++value, ++points) {
      set(used[0]->var, value);
      sum += static_cast<double>(eval(e));
    }
  } else {
    Rng rng(0x5eed);
    for (; points < sampled_points; ++points) {
      for (const LoopInfo* loop : used)
        set(loop->var,
            static_cast<i64>(rng.below(static_cast<std::uint64_t>(std::max<i64>(1, loop->extent)))));
      sum += static_cast<double>(eval(e));
    }
  }
  for (std::size_t i = 0; i < used.size(); ++i) set(used[i]->var, saved[i]);
  return sum / std::max(1.0, points);
}

double Prober::probability(const Expr& condition, std::span<const LoopInfo> loops) {
  return std::clamp(mean(condition, loops), 0.0, 1.0);
}

namespace {

/// No sum of some walks' steps equals another: each walk steps over all that the smaller ones reach.
bool never_meet(std::span<const Walk> walks) {
  std::int64_t reach = 0, last = 0;
  for (std::size_t taken = 0; taken < walks.size(); ++taken) {
    const Walk* next = nullptr;
    for (const Walk& walk : walks)
      if (walk.varies() && std::abs(walk.stride) > last &&
          (next == nullptr || std::abs(walk.stride) < std::abs(next->stride)))
        next = &walk;
    if (next == nullptr) break;
    const auto same = std::ranges::count_if(
        walks, [&](const Walk& w) { return w.varies() && std::abs(w.stride) == std::abs(next->stride); });
    if (same > 1 || std::abs(next->stride) <= reach) return false;
    last = std::abs(next->stride);
    reach += last * (next->count - 1);
  }
  return true;
}

}  // namespace

double distinct_places(std::span<const Walk> walks) {
  constexpr std::size_t largest_set = 4096;
  if (never_meet(walks)) {
    double product = 1;
    for (const Walk& walk : walks) product *= static_cast<double>(walk.count);
    return product;
  }
  std::vector<std::int64_t> places{0};
  double rest = 1;  // walks beyond the largest set count in full
  for (const Walk& walk : walks) {
    if (!walk.varies()) continue;
    if (places.size() * static_cast<std::size_t>(walk.count) > largest_set) {
      rest *= static_cast<double>(walk.count);
      continue;
    }
    std::vector<std::int64_t> next;
    for (const std::int64_t place : places)
      for (std::int64_t i = 0; i < walk.count; ++i) next.push_back(place + i * walk.stride);
    std::ranges::sort(next);
    const auto repeated = std::ranges::unique(next);
    next.erase(repeated.begin(), repeated.end());
    places = std::move(next);
  }
  return rest * static_cast<double>(places.size());
}


Footprint footprint(const Access& access, std::size_t first, i64 line_bytes) {
  std::vector<Walk> walks;
  for (std::size_t i = first; i < access.walks.size(); ++i)
    if (access.walks[i].varies()) walks.push_back(access.walks[i]);
  std::ranges::sort(walks, {}, &Walk::stride);

  // Levels of runs: the innermost is contiguous elements; overlapping or adjacent walks join a level.
  std::vector<Walk> levels{{1, 1}};
  for (const Walk& w : walks) {
    Walk& last = levels.back();
    if (w.stride % last.stride == 0 && w.stride <= last.stride * last.count)
      last.count += w.stride / last.stride * (w.count - 1);
    else
      levels.push_back(w);
  }
  const double line = static_cast<double>(line_bytes);
  double run_bytes = static_cast<double>(levels[0].count) * access.element_bytes;
  double pieces = 1;
  Footprint result;
  double conflict = 0;
  for (std::size_t i = 1; i < levels.size(); ++i) {
    const i64 stride_bytes = levels[i].stride * access.element_bytes;
    pieces *= static_cast<double>(levels[i].count);
    if (i == 1) {
      if (stride_bytes < line_bytes) run_bytes = static_cast<double>(stride_bytes);  // pieces share lines
      conflict = static_cast<double>(std::min(conflict_bytes, stride_bytes & -stride_bytes));
    }
  }
  const bool shares_lines = levels.size() > 1 && run_bytes < line;
  const bool pieces_share =
      levels.size() > 1 && levels[1].stride * access.element_bytes < line_bytes && shares_lines;
  if (levels.size() == 1 || pieces_share)
    result.bytes = std::max(line, run_bytes * pieces);
  else
    result.bytes = pieces * std::max(line, run_bytes);
  result.set_bytes = std::max(result.bytes, pieces_share ? 0.0 : pieces * conflict);
  return result;
}

double sequential_run_bytes(const Access& access) {
  constexpr i64 most_streams = 16;
  i64 run = 1;
  i64 streams = 1;
  for (std::size_t l = access.walks.size(); l-- > 0;) {
    const Walk& w = access.walks[l];
    if (!w.varies()) continue;
    if (w.stride <= run) {
      run = std::max(run, w.stride * (w.count - 1) + run);
    } else {
      streams *= w.count;
      if (streams > most_streams) break;
    }
  }
  return static_cast<double>(run) * access.element_bytes;
}

double vector_slots(i64 extent, i64 lanes) {
  const i64 rest = extent % lanes;
  const double last = rest == 0 ? 0 : (2 * rest <= lanes ? 0.5 : 1);
  return static_cast<double>(extent / lanes) + last;
}

}  // namespace tunesmith::schedules
