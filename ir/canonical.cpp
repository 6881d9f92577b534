#include "ir/canonical.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>

#include "ir/canonical_axes.h"
#include "ir/print.h"
#include "ir/simplify.h"
#include "ir/support/check.h"
#include "ir/traverse.h"

namespace tunesmith::ir {
namespace {

VarRanges ranges_of(const Kernel& kernel) {
  VarRanges ranges;
  for (const Symbol& symbol : kernel.symbols)
    if (symbol.max > 0) ranges[symbol.var] = {symbol.min, symbol.max};
  for (const Stage& stage : kernel.stages)
    for (const auto& axes : {stage.spatial, stage.reduce})
      for (const Axis& axis : axes)
        if (const auto range = bounds(axis.extent, ranges)) ranges[axis.var] = {0, range->max - 1};
  return ranges;
}

void simplify_all(Kernel& kernel) {
  for (Stage& stage : kernel.stages)
    for (auto* axes : {&stage.spatial, &stage.reduce})
      for (Axis& axis : *axes) axis.extent = simplify(axis.extent);
  for (Buffer& buffer : kernel.buffers)
    for (Expr& extent : buffer.shape) extent = simplify(extent);
  const VarRanges ranges = ranges_of(kernel);
  for (Stage& stage : kernel.stages) {
    for (Expr& value : stage.values) value = simplify(value, ranges);
    if (!stage.combiner) continue;
    for (Expr& update : stage.combiner->update) update = simplify(update);
  }
}

// --- The order of operands ---

int compare(const Expr& a, const Expr& b);

int compare_fields(double a, double b) {
  const auto x = std::bit_cast<std::uint64_t>(a), y = std::bit_cast<std::uint64_t>(b);
  return x < y ? -1 : x > y;
}
int compare_fields(const Expr& a, const Expr& b) { return compare(a, b); }
int compare_fields(const std::vector<Expr>& a, const std::vector<Expr>& b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (const int order = compare(a[i], b[i])) return order;
  return 0;
}
template <class T>
requires(std::is_enum_v<T> || std::is_integral_v<T>) int compare_fields(T a, T b) {
  return a < b ? -1 : a > b;
}

template <class Node>
int compare_nodes(const Node& a, const Node& b) {
  int order = 0;
  std::apply([&](auto... member) { ((order = order ? order : compare_fields(a.*member, b.*member)), ...); },
             Node::fields);
  return order;
}

/// A total order of expressions that depends on structure and ids alone. Later kinds come first, so that
/// products stand before variables and those before constants.
int compare(const Expr& a, const Expr& b) {
  if (a.same_as(b)) return 0;
  const auto& x = a.node();
  const auto& y = b.node();
  if (x.kind.index() != y.kind.index()) return x.kind.index() > y.kind.index() ? -1 : 1;
  return std::visit(
      [&](const auto& n) { return compare_nodes(n, std::get<std::remove_cvref_t<decltype(n)>>(y.kind)); },
      x.kind);
}

/// a op b and b op a are the same to the last bit (NaN payloads aside).
bool is_commutative(const Binary& n) {
  switch (n.op) {
    case BinaryOp::add:
    case BinaryOp::mul:
    case BinaryOp::eq:
    case BinaryOp::ne:
    case BinaryOp::bit_and:
    case BinaryOp::bit_or:
    case BinaryOp::bit_xor: return true;
    case BinaryOp::min:
    case BinaryOp::max: return !is_float(n.a.dtype());
    default: return false;
  }
}

Expr with_ordered_operands(const Expr& e) {
  return rewrite(e, [](const Expr& node) -> std::optional<Expr> {
    const auto* n = node.as<Binary>();
    if (!n || !is_commutative(*n) || compare(n->a, n->b) <= 0) return std::nullopt;
    return binary(n->op, n->b, n->a);
  });
}

// --- Renaming ---

/// Gives buffers, variables and stages their canonical numbers and names.
class Renamer {
 public:
  explicit Renamer(const Kernel& from) : from_(from) {}

  Kernel run() {
    to_.name = from_.name;
    to_.numerics = from_.numerics;
    for (const Symbol& symbol : from_.symbols) {
      Symbol renamed = symbol;
      renamed.var = add_var(symbol.var, "n", symbols_++);
      to_.symbols.push_back(renamed);
    }
    add_buffers();
    for (const Stage& stage : from_.stages) add_stage(stage);
    return std::move(to_);
  }

 private:
  VarId add_var(VarId old, std::string_view prefix, int number, DType dtype = index_dtype) {
    const VarId id = to_.vars.add(fmt::format("{}{}", prefix, number));
    vars_[old] = var(id, dtype);
    return id;
  }

  void add_buffer(BufferId old, std::string_view prefix, int number) {
    Buffer buffer = from_.buffer(old);
    buffer.name = fmt::format("{}{}", prefix, number);
    for (Expr& extent : buffer.shape) extent = substitute(extent, vars_);
    buffers_[old] = to_.add_buffer(std::move(buffer));
  }

  /// Arguments keep their calling order; temporaries come in the order in which they are written.
  void add_buffers() {
    int inputs = 0, temps = 0, outputs = 0;
    const std::vector<BufferId> all = arguments(from_);
    for (BufferId id : all)
      if (from_.buffer(id).role != Role::output) add_buffer(id, "a", inputs++);
    for (const Stage& stage : from_.stages)
      for (BufferId id : stage.outputs)
        if (from_.buffer(id).role == Role::temp) add_buffer(id, "t", temps++);
    for (BufferId id : all)
      if (from_.buffer(id).role == Role::output) add_buffer(id, "c", outputs++);
  }

  std::vector<Axis> rename(const std::vector<Axis>& axes, std::string_view prefix, int& count) {
    std::vector<Axis> result;
    for (const Axis& axis : axes) {
      const Expr extent = substitute(axis.extent, vars_);
      result.push_back({add_var(axis.var, prefix, count++), extent});
    }
    return result;
  }

  Expr rename(const Expr& e) {
    const Expr with_vars = substitute(e, vars_);
    const Expr with_buffers = rewrite(with_vars, [&](const Expr& node) -> std::optional<Expr> {
      const auto* l = node.as<Load>();
      return l ? std::optional(load(buffers_.at(l->buffer), l->dtype, l->indices)) : std::nullopt;
    });
    return with_ordered_operands(with_buffers);
  }

  void add_stage(const Stage& stage) {
    Stage renamed;
    renamed.name = fmt::format("s{}", to_.stages.size());
    for (BufferId id : stage.outputs) renamed.outputs.push_back(buffers_.at(id));
    renamed.spatial = rename(stage.spatial, "i", spatial_);
    renamed.reduce = rename(stage.reduce, "k", reduce_);
    for (const Expr& value : stage.values) renamed.values.push_back(rename(value));
    if (stage.combiner) renamed.combiner = rename_combiner(stage);
    to_.stages.push_back(std::move(renamed));
  }

  Combiner rename_combiner(const Stage& stage) {
    Combiner combiner = *stage.combiner;
    auto dtype_of = [&](std::size_t c) { return from_.buffer(stage.outputs[c]).dtype; };
    for (std::size_t c = 0; c < combiner.state.size(); ++c)
      combiner.state[c] = add_var(combiner.state[c], "x", state_++, dtype_of(c));
    for (std::size_t c = 0; c < combiner.value.size(); ++c)
      combiner.value[c] = add_var(combiner.value[c], "y", value_++, dtype_of(c));
    for (Expr& update : combiner.update) update = rename(update);
    return combiner;
  }

  const Kernel& from_;
  Kernel to_;
  Bindings vars_;
  std::unordered_map<BufferId, BufferId> buffers_;
  int symbols_ = 0, spatial_ = 0, reduce_ = 0, state_ = 0, value_ = 0;
};

/// Powers of two that divide every class are said up to this one.
constexpr std::int64_t largest_class_factor = 64;

/// Replaces extents by variables, one a class.
class Classifier {
 public:
  explicit Classifier(Kernel& kernel) : kernel_(kernel) {}

  void run() {
    for (Buffer& buffer : kernel_.buffers)
      for (Expr& extent : buffer.shape) replace(extent);
    for (Stage& stage : kernel_.stages)
      for (auto* axes : {&stage.spatial, &stage.reduce})
        for (Axis& axis : *axes) replace(axis.extent);
  }
  const std::vector<std::int64_t>& extents() const { return extents_; }

 private:
  void replace(Expr& extent) {
    const auto* value = as_int(extent);
    if (!value) return;
    auto [found, added] = classes_.try_emplace(*value);
    if (added) {
      found->second = var(kernel_.vars.add(fmt::format("E{}", extents_.size())));
      extents_.push_back(*value);
    }
    extent = found->second;
  }

  Kernel& kernel_;
  std::map<std::int64_t, Expr> classes_;
  std::vector<std::int64_t> extents_;
};

std::string headed(Kernel kernel) {
  kernel.name = std::string("k");
  return fmt::format("canon {}\n{}", canon_version, print(kernel));
}

}  // namespace

Kernel canonicalise(const Kernel& kernel) {
  Kernel result = kernel;
  simplify_all(result);
  drop_unit_axes(result);
  undo_permutations(result);
  simplify_all(result);
  merge_axes(result);
  // Ordering operands may bring sums out of the simplifier's order, and the other way round: the second
  // round starts from ordered operands and changes nothing any more.
  result = Renamer(result).run();
  simplify_all(result);
  return Renamer(result).run();
}

std::string canonical_text(const Kernel& kernel) { return headed(canonicalise(kernel)); }

Family family_of(const Kernel& kernel) {
  Kernel result = canonicalise(kernel);
  Classifier classifier(result);
  classifier.run();
  Family family{headed(result), classifier.extents()};
  for (std::size_t c = 0; c < family.extents.size(); ++c) {
    std::int64_t factor = 1;
    while (factor < largest_class_factor && family.extents[c] % (2 * factor) == 0) factor *= 2;
    family.text += fmt::format("E{}: multiple of {}\n", c, factor);
  }
  return family;
}

}  // namespace tunesmith::ir
