#include "ir/kernel.h"

#include <limits>
#include <unordered_map>

#include "ir/support/check.h"
#include "ir/traverse.h"

namespace tunesmith::ir {
namespace {

Expr highest_constant(DType dtype, bool negative) {
  if (dtype == DType::boolean) return int_imm(negative ? 0 : 1, dtype);
  if (is_float(dtype)) {
    // Eight-bit formats turn this into their largest finite value.
    constexpr double infinity = std::numeric_limits<double>::infinity();
    return float_imm(negative ? -infinity : infinity, dtype);
  }
  const int bits = bit_width(dtype);
  if (is_unsigned_integer(dtype)) return int_imm(negative ? 0 : -1, dtype);
  const std::uint64_t sign = std::uint64_t{1} << (bits - 1);
  return int_imm(static_cast<std::int64_t>(negative ? sign : sign - 1), dtype);
}

BinaryOp plain_op(CombinerKind kind) {
  switch (kind) {
    case CombinerKind::sum: return BinaryOp::add;
    case CombinerKind::prod: return BinaryOp::mul;
    case CombinerKind::min: return BinaryOp::min;
    case CombinerKind::max: return BinaryOp::max;
    case CombinerKind::tuple: break;
  }
  TS_UNREACHABLE("a tuple combiner has no single operator");
}

/// Counts the float operations of expressions that are evaluated together: equal sub-expressions once.
class FlopCounter {
 public:
  void add(const Expr& e) {
    auto [begin, end] = seen_.equal_range(e.hash());
    for (auto it = begin; it != end; ++it)
      if (equal(it->second, e)) return;
    seen_.emplace(e.hash(), e);
    const auto* u = e.as<Unary>();
    const auto* b = e.as<Binary>();
    const auto* s = e.as<Select>();
    if ((u && is_float(u->a.dtype())) || (b && is_float(b->a.dtype())) || (s && is_float(s->yes.dtype())))
      ++count_;
    if (s && is_picked_by_place(s->condition)) return add_longer_side(*s);
    for_each_child(e, [&](const Expr& child) { add(child); });
  }
  double count() const { return count_; }

 private:
  /// One side is known for each point without looking at data (padding, pieces of a concatenation).
  static bool is_picked_by_place(const Expr& condition) {
    bool by_place = true;
    walk(condition, [&](const Expr& e) {
      by_place = by_place && !e.as<Load>() && !is_float(e.dtype());
      return by_place;
    });
    return by_place;
  }
  void add_longer_side(const Select& s) {
    FlopCounter no = *this;
    add(s.yes);
    no.add(s.no);
    if (no.count_ > count_) *this = std::move(no);
  }

  std::unordered_multimap<std::uint64_t, Expr> seen_;
  double count_ = 0;
};

double points(const std::vector<Axis>& axes) {
  double product = 1;
  for (const Axis& axis : axes) product *= static_cast<double>(int_value(axis.extent));
  return product;
}

}  // namespace

std::string_view to_string(CombinerKind kind) {
  switch (kind) {
    case CombinerKind::sum: return "sum";
    case CombinerKind::prod: return "prod";
    case CombinerKind::min: return "min";
    case CombinerKind::max: return "max";
    case CombinerKind::tuple: return "tuple";
  }
  TS_UNREACHABLE("unknown combiner");
}

std::string_view to_string(Numerics numerics) { return numerics == Numerics::strict ? "strict" : "fast"; }

Combiner plain_combiner(CombinerKind kind, DType dtype) {
  Combiner combiner;
  combiner.kind = kind;
  switch (kind) {
    case CombinerKind::sum: combiner.identity = {constant(0, dtype)}; break;
    case CombinerKind::prod: combiner.identity = {constant(1, dtype)}; break;
    case CombinerKind::min: combiner.identity = {highest_constant(dtype, false)}; break;
    case CombinerKind::max: combiner.identity = {highest_constant(dtype, true)}; break;
    case CombinerKind::tuple: TS_UNREACHABLE("a tuple combiner is not plain");
  }
  return combiner;
}

std::vector<Expr> combine(const Combiner& combiner, const std::vector<Expr>& state,
                          const std::vector<Expr>& value) {
  if (combiner.kind != CombinerKind::tuple) {
    TS_CHECK(state.size() == 1 && value.size() == 1, "a plain combiner has one component");
    return {binary(plain_op(combiner.kind), state[0], value[0])};
  }
  TS_CHECK(state.size() == combiner.state.size() && value.size() == combiner.value.size(),
           "operands of a combiner do not match its components");
  Bindings bindings;
  for (std::size_t c = 0; c < state.size(); ++c) bindings[combiner.state[c]] = state[c];
  for (std::size_t c = 0; c < value.size(); ++c) bindings[combiner.value[c]] = value[c];
  std::vector<Expr> result;
  for (const Expr& update : combiner.update) result.push_back(substitute(update, bindings));
  return result;
}

std::vector<BufferId> arguments(const Kernel& kernel) {
  std::vector<BufferId> result;
  auto add_all = [&](auto wanted) {
    for (std::uint32_t i = 0; i < kernel.buffers.size(); ++i)
      if (wanted(kernel.buffers[i].role)) result.push_back(BufferId{i});
  };
  add_all([](Role role) { return role == Role::input || role == Role::constant; });
  add_all([](Role role) { return role == Role::output; });
  return result;
}

const Stage* producer_of(const Kernel& kernel, BufferId buffer) {
  for (const Stage& stage : kernel.stages)
    for (BufferId output : stage.outputs)
      if (output == buffer) return &stage;
  return nullptr;
}

double flop_count(const Kernel& kernel) {
  double total = 0;
  for (const Stage& stage : kernel.stages) {
    FlopCounter counter;
    for (const Expr& value : stage.values) counter.add(value);
    double a_point = counter.count();
    if (stage.combiner && stage.combiner->kind != CombinerKind::tuple) {
      a_point += is_float(kernel.buffer(stage.outputs.at(0)).dtype) ? 1 : 0;
    } else if (stage.combiner) {
      FlopCounter updates;
      for (const Expr& update : stage.combiner->update) updates.add(update);
      a_point += updates.count();
    }
    total += a_point * points(stage.spatial) * points(stage.reduce);
  }
  return total;
}

double argument_bytes(const Kernel& kernel) {
  double total = 0;
  for (BufferId id : arguments(kernel)) {
    const Buffer& buffer = kernel.buffer(id);
    total +=
        static_cast<double>(int_value(element_count(buffer))) * static_cast<double>(size_bytes(buffer.dtype));
  }
  return total;
}

}  // namespace tunesmith::ir
