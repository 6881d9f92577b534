#include "codegen/cuda/block_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "ir/support/check.h"
#include "ir/traverse.h"

namespace tunesmith::codegen::cuda {
namespace {

using ir::BufferId;
using ir::Expr;
using ir::Stmt;
using i64 = std::int64_t;

constexpr i64 alignment = 128;            // of what lies in the block's memory, bytes
constexpr i64 most_threads = 1024;        // of a block
constexpr i64 most_threads_z = 64;
constexpr i64 most_shared_bytes = 227 << 10;
constexpr Dim3 most_blocks = {(i64{1} << 31) - 1, 65535, 65535};
constexpr i64 most_registers = 1 << 12;   // elements of one buffer in a thread: far beyond what there is
constexpr i64 most_elements = 1 << 20;    // of a register buffer, all threads together

struct PlanError {
  std::string message;
};

bool has_threads(const Stmt& s) {
  bool found = false;
  ir::walk(s, [&](const Stmt& x) {
    const auto* loop = x.as<ir::For>();
    found = found || (loop != nullptr && ir::is_thread(loop->kind));
    return !found;
  });
  return found;
}

bool has_stores(const Stmt& s) {
  bool found = false;
  ir::walk(s, [&](const Stmt& x) {
    found = found || x.as<ir::Store>() != nullptr;
    return !found;
  });
  return found;
}

void for_each_load(const Expr& e, const std::function<void(const ir::Load&)>& visit) {
  ir::walk_once(e, [&](const Expr& x) {
    if (const auto* load = x.as<ir::Load>()) visit(*load);
    return true;
  });
}

/// What phases touched since the last barrier.
struct Touched {
  std::set<BufferId> read, written;

  void add(const Touched& other) {
    read.insert(other.read.begin(), other.read.end());
    written.insert(other.written.begin(), other.written.end());
  }
};

class Planner {
 public:
  explicit Planner(const ir::LoopNest& nest) : nest_(nest) {}

  BlockPlan plan(const Stmt& kernel) && {
    outside(kernel);
    if (plan_.threads() > most_threads)
      throw PlanError{fmt::format("{} threads in a block, {} are possible", plan_.threads(), most_threads)};
    if (plan_.block[2] > most_threads_z)
      throw PlanError{fmt::format("{} threads in dimension z of a block, {} are possible", plan_.block[2], most_threads_z)};
    if (plan_.shared_bytes > most_shared_bytes)
      throw PlanError{fmt::format("a block shares {} bytes, {} are possible", plan_.shared_bytes, most_shared_bytes)};
    for (std::size_t d = 0; d < 3; ++d)
      if (plan_.grid[d] > most_blocks[d])
        throw PlanError{fmt::format("{} blocks in dimension {}, {} are possible", plan_.grid[d], "xyz"[d], most_blocks[d])};
    Touched pending;
    find_barriers(kernel, pending);
    for (const auto& [buffer, plan] : plan_.registers) check_parts(buffer);
    return std::move(plan_);
  }

 private:
  const std::string& name(ir::VarId id) const { return nest_.vars.name(id); }
  const std::string& name(BufferId id) const { return nest_.buffer(id).name; }

  i64 constant(const ir::For& loop) const {
    const i64* extent = ir::as_int(loop.extent);
    if (extent == nullptr) throw PlanError{fmt::format("loop '{}' over blocks has an extent that is not constant", name(loop.var))};
    return *extent;
  }

  void not_parallel(const ir::For& loop) const {
    if (loop.kind == ir::LoopKind::parallel)
      throw PlanError{fmt::format("loop '{}' is parallel; bind it to blocks or threads", name(loop.var))};
  }

  void bind(ir::VarId var, const Expr& extent) {
    const auto range = ir::bounds(extent, now_);
    set_range(var, range ? std::optional(ir::Interval{0, std::max<i64>(0, range->max - 1)}) : std::nullopt);
    plan_.is_narrow = plan_.is_narrow && range.has_value();
    see(extent);
  }
  void bind_value(const ir::Let& let) {
    see(let.value);
    if (let.value.dtype() == ir::index_dtype) set_range(let.var, ir::bounds(let.value, now_));
  }
  /// A variable may be bound again elsewhere: the plan says what holds for all of its bindings.
  void set_range(ir::VarId var, std::optional<ir::Interval> range) {
    if (!range) {
      now_.erase(var);
      plan_.ranges.erase(var);
      unbounded_.insert(var);
      return;
    }
    now_[var] = *range;
    if (unbounded_.contains(var)) return;
    const auto [it, added] = plan_.ranges.emplace(var, *range);
    if (!added) it->second = {std::min(it->second.min, range->min), std::max(it->second.max, range->max)};
  }

  /// Around block loops, and between them and phases.
  void outside(const Stmt& s, bool in_blocks = true) {
    if (is_phase(s)) return phase(s);
    ir::match(
        s,
        [&](const ir::For& loop) {
          const bool is_block = ir::is_block(loop.kind);
          not_parallel(loop);
          if (is_block) {
            i64& grid = plan_.grid[dimension(loop.kind)];
            if (!in_blocks)
              throw PlanError{fmt::format("loop '{}' over blocks stands inside of another statement", name(loop.var))};
            if (bound_blocks_[dimension(loop.kind)])
              throw PlanError{fmt::format("loop '{}' is the second over blocks of dimension {}", name(loop.var),
                                          "xyz"[dimension(loop.kind)])};
            bound_blocks_[dimension(loop.kind)] = true;
            grid = constant(loop);
          } else {
            no_loads(loop.extent);
          }
          bind(loop.var, loop.extent);
          outside(loop.body, in_blocks && is_block);
        },
        [&](const ir::Let& let) {
          no_loads(let.value);
          bind_value(let);
          outside(let.body, in_blocks);
        },
        [&](const ir::Store&) { TS_UNREACHABLE("a store is a phase"); },
        [&](const ir::If& branch) {
          no_loads(branch.condition);
          see(branch.condition);
          outside(branch.then_case, false);
          if (branch.else_case) outside(branch.else_case, false);
        },
        [&](const ir::Allocate& allocation) {
          const BufferId id = allocation.buffer;
          if (nest_.buffer(id).scope == ir::Scope::registers) {
            plan_.registers[id] = {};
            outside(allocation.body, false);
            return;
          }
          const i64 before = top_;
          plan_.shared_offset[id] = top_;
          top_ += (bytes(id) + alignment - 1) / alignment * alignment;
          plan_.shared_bytes = std::max(plan_.shared_bytes, top_);
          outside(allocation.body, false);
          top_ = before;
        },
        [&](const ir::Block& block) {
          for (const Stmt& child : block.stmts) outside(child, false);
        });
  }

  i64 bytes(BufferId id) const {
    const ir::Buffer& buffer = nest_.buffer(id);
    return ir::int_value(ir::element_count(buffer)) * static_cast<i64>(ir::size_bytes(buffer.dtype));
  }

  void no_loads(const Expr& e) const {
    for_each_load(e, [&](const ir::Load& load) {
      throw PlanError{fmt::format("a loop or branch around threads depends on '{}'", name(load.buffer))};
    });
  }

  /// Ranges, sizes and accesses inside of a phase.
  void phase(const Stmt& s) {
    wanted_ = thread_dimensions(s);
    bound_ = {};
    was_bound_ = {};
    lets_.clear();
    inside(s);
  }

  void inside(const Stmt& s) {
    ir::match(
        s,
        [&](const ir::For& loop) {
          not_parallel(loop);
          if (ir::is_block(loop.kind))
            throw PlanError{fmt::format("loop '{}' over blocks stands inside of another statement", name(loop.var))};
          bind(loop.var, loop.extent);
          look(loop.extent);
          if (!ir::is_thread(loop.kind)) {
            ++serial_;
            inside(loop.body);
            --serial_;
            return;
          }
          const std::size_t d = dimension(loop.kind);
          // Between two loops over the same threads, or two rounds, there would have to be a barrier.
          if (was_bound_[d] || serial_ > 0)
            throw PlanError{fmt::format("loop '{}' over threads stands beside or inside of another loop of its threads", name(loop.var))};
          const auto extent = ir::bounds(loop.extent, now_);
          if (!extent) throw PlanError{fmt::format("loop '{}' over threads has an extent without a bound", name(loop.var))};
          if (bound_[d]) throw PlanError{fmt::format("loop '{}' is the second over threads of dimension {}", name(loop.var), "xyz"[d])};
          bound_[d] = loop.var;
          plan_.block[d] = std::max(plan_.block[d], extent->max);
          inside(loop.body);
          bound_[d].reset();
          was_bound_[d] = true;
        },
        [&](const ir::Let& let) {
          bind_value(let);
          look(let.value);
          lets_[let.var] = ir::substitute(let.value, lets_);
          inside(let.body);
          lets_.erase(let.var);
        },
        [&](const ir::Store& store) {
          for (std::size_t d = 0; d < 3; ++d)
            if (wanted_[d] != bound_[d].has_value())
              throw PlanError{fmt::format("a store to '{}' stands outside of a loop over threads of dimension {} that others of "
                                          "its phase are in", name(store.buffer), "xyz"[d])};
          look(store.index);
          look(store.value);
          use(store.buffer, store.index, true);
        },
        [&](const ir::If& branch) {
          look(branch.condition);
          inside(branch.then_case);
          if (branch.else_case) inside(branch.else_case);
        },
        [&](const ir::Allocate& allocation) {
          const BufferId id = allocation.buffer;
          const bool is_alone = std::ranges::find(wanted_, true) == wanted_.end();
          for (std::size_t d = 0; d < 3; ++d)
            if (wanted_[d] && !bound_[d])
              throw PlanError{fmt::format("'{}' is allocated around a part of the loops over threads", name(id))};
          if (nest_.buffer(id).scope == ir::Scope::shared && !is_alone)
            throw PlanError{fmt::format("'{}' is shared by the block, but allocated in a thread", name(id))};
          if (ir::int_value(ir::element_count(nest_.buffer(id))) > most_registers)
            throw PlanError{fmt::format("'{}' is too large for a thread", name(id))};
          inside(allocation.body);
        },
        [&](const ir::Block& block) {
          for (const Stmt& child : block.stmts) inside(child);
        });
  }

  void look(const Expr& e) {
    see(e);
    for_each_load(e, [&](const ir::Load& load) { use(load.buffer, load.indices[0], false); });
  }

  /// Whether 32 bits hold every index.
  void see(const Expr& e) {
    constexpr i64 limit = (i64{1} << 31) - 1;
    ir::walk_once(e, [&](const Expr& x) {
      if (x.dtype() != ir::index_dtype) return true;
      const auto range = ir::bounds(x, now_);
      plan_.is_narrow = plan_.is_narrow && range && range->min >= -limit && range->max <= limit;
      return plan_.is_narrow;
    });
  }

  void use(BufferId id, const Expr& index, bool is_written) {
    if (const auto held = plan_.registers.find(id); held != plan_.registers.end()) return hold(id, held->second, index);
    if (nest_.buffer(id).scope != ir::Scope::global) return;
    bool& written = plan_.used[id];
    written = written || is_written;
  }

  /// An access to registers that live across phases.
  void hold(BufferId id, RegisterPlan& plan, const Expr& index) {
    const ir::Affine affine = ir::to_affine(ir::substitute(index, lets_));
    Dim3 stride{0, 0, 0};
    std::vector<std::pair<i64, i64>> steps;  // coefficient and extent of what is unrolled
    for (const ir::AffineTerm& term : affine.terms) {
      const auto* v = term.term.as<ir::Var>();
      if (v == nullptr) throw PlanError{fmt::format("the registers '{}' are indexed in a way that no thread can own", name(id))};
      const auto thread = std::ranges::find(bound_, std::optional(v->id));
      if (thread != bound_.end()) {
        stride[static_cast<std::size_t>(thread - bound_.begin())] = term.coefficient;
        continue;
      }
      steps.emplace_back(term.coefficient, now_.at(v->id).max + 1);
    }
    Parts& parts = parts_[id];
    if (parts.offsets.empty())
      plan.stride = stride;
    else if (plan.stride != stride)
      throw PlanError{fmt::format("the registers '{}' belong to other threads in one phase than in another", name(id))};
    std::vector<i64> offsets{affine.constant};
    for (const auto& [coefficient, extent] : steps) {
      const std::size_t count = offsets.size();
      for (i64 i = 1; i < extent; ++i)
        for (std::size_t o = 0; o < count; ++o) offsets.push_back(offsets[o] + i * coefficient);
      if (offsets.size() > most_registers) throw PlanError{fmt::format("'{}' is too large for a thread", name(id))};
    }
    for (const i64 offset : offsets) {
      parts.offsets.insert(offset);
      if (offset < 0 || offset >= most_registers)
        throw PlanError{fmt::format("the parts of '{}' in one thread lie too far apart", name(id))};
      plan.size = std::max(plan.size, offset + 1);
    }
    for (std::size_t d = 0; d < 3; ++d) {
      if (!bound_[d]) continue;
      parts.threads[d] = std::max(parts.threads[d], now_.at(*bound_[d]).max + 1);
    }
  }

  /// No element belongs to two threads.
  void check_parts(BufferId id) const {
    const auto found = parts_.find(id);
    if (found == parts_.end()) return;
    const Parts& parts = found->second;
    const Dim3& stride = plan_.registers.at(id).stride;
    std::unordered_set<i64> seen;
    for (i64 z = 0; z < parts.threads[2]; ++z)
      for (i64 y = 0; y < parts.threads[1]; ++y)
        for (i64 x = 0; x < parts.threads[0]; ++x)
          for (const i64 offset : parts.offsets) {
            if (!seen.insert(x * stride[0] + y * stride[1] + z * stride[2] + offset).second || seen.size() > most_elements)
              throw PlanError{fmt::format("an element of the registers '{}' would belong to two threads", name(id))};
          }
  }

  /// What `s` touches is in `pending` afterwards, as far as no barrier stands after it.
  void find_barriers(const Stmt& s, Touched& pending) {
    if (is_phase(s)) {
      const Touched now = touched(s);
      if (conflict(pending.written, now.read) || conflict(pending.written, now.written) || conflict(pending.read, now.written)) {
        plan_.barrier_before.insert(&s.node());
        pending = {};
      }
      // A barrier that stands here for the sake of another round stands in this one too.
      if (plan_.barrier_before.contains(&s.node())) pending = {};
      pending.add(now);
      return;
    }
    if (const auto* branch = s.as<ir::If>()) {
      Touched other = pending;
      find_barriers(branch->then_case, pending);
      if (branch->else_case) find_barriers(branch->else_case, other);
      pending.add(other);
      return;
    }
    const auto* loop = s.as<ir::For>();
    const int rounds = loop != nullptr && !ir::is_block(loop->kind) ? 2 : 1;
    const Touched before = pending;
    for (int round = 0; round < rounds; ++round)
      ir::for_each_child(
          s, [&](const Stmt& child) { find_barriers(child, pending); }, [](const Expr&) {});
    if (rounds == 2) pending.add(before);  // perhaps not run at all
  }

  Touched touched(const Stmt& phase) const {
    Touched result;
    ir::walk(phase, [&](const Stmt& x) {
      if (const auto* store = x.as<ir::Store>(); store != nullptr && is_common(store->buffer)) result.written.insert(store->buffer);
      return true;
    });
    ir::walk_exprs(phase, [&](const Expr& e) {
      for_each_load(e, [&](const ir::Load& load) {
        if (is_common(load.buffer)) result.read.insert(load.buffer);
      });
    });
    return result;
  }

  /// Memory that several threads see.
  bool is_common(BufferId id) const {
    return nest_.buffer(id).scope == ir::Scope::global || plan_.shared_offset.contains(id);
  }

  bool conflict(const std::set<BufferId>& a, const std::set<BufferId>& b) const {
    return std::ranges::any_of(a, [&](BufferId x) {
      return std::ranges::any_of(b, [&](BufferId y) { return x == y || overlap(x, y); });
    });
  }
  bool overlap(BufferId a, BufferId b) const {
    const auto x = plan_.shared_offset.find(a), y = plan_.shared_offset.find(b);
    if (x == plan_.shared_offset.end() || y == plan_.shared_offset.end()) return false;
    return x->second < y->second + bytes(b) && y->second < x->second + bytes(a);
  }

  struct Parts {
    std::set<i64> offsets;
    Dim3 threads{1, 1, 1};
  };

  const ir::LoopNest& nest_;
  BlockPlan plan_;
  std::array<bool, 3> bound_blocks_{};
  i64 top_ = 0;  // of the block's memory
  ir::VarRanges now_;  // of the variables around
  std::set<ir::VarId> unbounded_;
  // Of the phase:
  std::array<bool, 3> wanted_{};
  std::array<std::optional<ir::VarId>, 3> bound_;
  std::array<bool, 3> was_bound_{};
  int serial_ = 0;  // loops around that threads run by themselves
  ir::Bindings lets_;
  std::map<BufferId, Parts> parts_;
};

}  // namespace

std::size_t dimension(ir::LoopKind kind) {
  using enum ir::LoopKind;
  if (kind == block_x || kind == thread_x) return 0;
  if (kind == block_y || kind == thread_y) return 1;
  TS_CHECK(kind == block_z || kind == thread_z, "a loop over neither blocks nor threads");
  return 2;
}

bool is_phase(const Stmt& statement) {
  if (const auto* loop = statement.as<ir::For>(); loop != nullptr && ir::is_thread(loop->kind)) return true;
  bool has_blocks = false;
  ir::walk(statement, [&](const Stmt& x) {
    const auto* loop = x.as<ir::For>();
    has_blocks = has_blocks || (loop != nullptr && ir::is_block(loop->kind));
    return !has_blocks;
  });
  return !has_blocks && has_stores(statement) && !has_threads(statement);
}

std::array<bool, 3> thread_dimensions(const Stmt& phase) {
  std::array<bool, 3> result{};
  ir::walk(phase, [&](const Stmt& x) {
    if (const auto* loop = x.as<ir::For>(); loop != nullptr && ir::is_thread(loop->kind)) result[dimension(loop->kind)] = true;
    return true;
  });
  return result;
}

Expected<BlockPlan, Error> plan_block(const ir::LoopNest& nest, const Stmt& kernel) {
  try {
    return Planner(nest).plan(kernel);
  } catch (const PlanError& error) {
    return Unexpected(make_error("nest '{}': {}", nest.name, error.message));
  }
}

}  // namespace tunesmith::codegen::cuda
