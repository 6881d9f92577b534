#include "ir/simplify.h"

#include <array>
#include <cmath>

#include "ir/integer_ops.h"
#include "ir/scalar_ops.h"
#include "ir/simplify_index.h"
#include "ir/simplify_rules.h"
#include "ir/support/check.h"
#include "ir/traverse.h"

namespace tunesmith::ir {
namespace {

using Captures = std::array<Expr, wildcard_count>;

const Wildcard* wildcard(const Expr& pattern) {
  const auto* v = pattern.as<Var>();
  const bool is_wildcard = v && index_of(v->id) >= first_wildcard;
  return is_wildcard ? &wildcards[index_of(v->id) - first_wildcard] : nullptr;
}

bool matches(const Expr& pattern, const Expr& e, RuleDomain domain, Captures& captures);

bool match_wildcard(const Wildcard& w, const Expr& e, RuleDomain domain, Captures& captures) {
  Expr& slot = captures[index_of(w.id) - first_wildcard];
  if (slot) return equal(slot, e);
  if (w.kind == WildcardKind::constant && !e.as<IntImm>()) return false;
  if (w.kind == WildcardKind::boolean && e.dtype() != DType::boolean) return false;
  if (w.kind != WildcardKind::boolean && domain == RuleDomain::index && e.dtype() != index_dtype)
    return false;
  slot = e;
  return true;
}

bool matches(const Expr& pattern, const Expr& e, RuleDomain domain, Captures& captures) {
  if (const Wildcard* w = wildcard(pattern)) return match_wildcard(*w, e, domain, captures);
  if (pattern.as<IntImm>()) return equal(pattern, e);
  if (const auto* u = pattern.as<Unary>()) {
    const auto* v = e.as<Unary>();
    return v && v->op == u->op && matches(u->a, v->a, domain, captures);
  }
  if (const auto* b = pattern.as<Binary>()) {
    const auto* v = e.as<Binary>();
    return v && v->op == b->op && matches(b->a, v->a, domain, captures) &&
           matches(b->b, v->b, domain, captures);
  }
  const auto* s = pattern.as<Select>();
  TS_CHECK(s, "a rule whose pattern has a node that patterns do not know");
  const auto* v = e.as<Select>();
  return v && matches(s->condition, v->condition, domain, captures) &&
         matches(s->yes, v->yes, domain, captures) && matches(s->no, v->no, domain, captures);
}

/// The pattern with the captured expressions in place of its wildcards, whatever their dtype.
Expr instantiate(const Expr& pattern, const Captures& captures) {
  if (const Wildcard* w = wildcard(pattern)) return captures[index_of(w->id) - first_wildcard];
  if (const auto* u = pattern.as<Unary>()) return unary(u->op, instantiate(u->a, captures));
  if (const auto* b = pattern.as<Binary>())
    return binary(b->op, instantiate(b->a, captures), instantiate(b->b, captures));
  if (const auto* s = pattern.as<Select>())
    return select(instantiate(s->condition, captures), instantiate(s->yes, captures),
                  instantiate(s->no, captures));
  return pattern;
}

/// Rules by the operator at the root of their pattern, in the order of the table.
class RuleIndex {
 public:
  RuleIndex() : rules_(make_simplify_rules()) {
    for (const Rule& rule : rules_) lists_[slot(rule.pattern)].push_back(&rule);
  }
  const std::vector<const Rule*>& for_root(const Expr& e) const { return lists_[slot(e)]; }

 private:
  static constexpr std::size_t select_slot = unary_op_count + binary_op_count;
  static constexpr std::size_t other_slot = select_slot + 1;
  static std::size_t slot(const Expr& e) {
    if (const auto* u = e.as<Unary>()) return static_cast<std::size_t>(u->op);
    if (const auto* b = e.as<Binary>()) return unary_op_count + static_cast<std::size_t>(b->op);
    return e.as<Select>() ? select_slot : other_slot;
  }
  std::vector<Rule> rules_;
  std::array<std::vector<const Rule*>, other_slot + 1> lists_;
};

const RuleIndex& rule_index() {
  static const RuleIndex index;
  return index;
}

std::optional<Expr> apply_rules(const Expr& e, const VarRanges& ranges) {
  for (const Rule* rule : rule_index().for_root(e)) {
    Captures captures;
    if (!matches(rule->pattern, e, rule->domain, captures)) continue;
    if (is_proved(instantiate(rule->condition, captures), ranges))
      return instantiate(rule->replacement, captures);
  }
  return std::nullopt;
}

/// Casts of constants, and a widening cast that is taken back.
std::optional<Expr> simplify_cast(const Cast& n) {
  const DType from = n.a.dtype();
  if (const auto* imm = n.a.as<IntImm>()) {
    const Scalar result = scalar_cast(n.dtype, from, Scalar{.i = imm->value});
    return is_float(n.dtype) ? float_imm(result.f, n.dtype) : int_imm(result.i, n.dtype);
  }
  if (const auto* imm = n.a.as<FloatImm>(); imm && is_float(n.dtype))
    return float_imm(scalar_cast(n.dtype, from, Scalar{.f = imm->value}).f, n.dtype);
  const auto* inner = n.a.as<Cast>();
  if (!inner || inner->a.dtype() != n.dtype) return std::nullopt;
  const DType narrow = n.dtype, wide = inner->dtype;
  const bool half_in_single = (narrow == DType::f16 || narrow == DType::bf16) && wide == DType::f32;
  const bool in_double =
      (narrow == DType::f16 || narrow == DType::bf16 || narrow == DType::f32) && wide == DType::f64;
  const bool integers = is_integer(narrow) && is_integer(wide) && bit_width(wide) >= bit_width(narrow);
  return half_in_single || in_double || integers ? std::optional(inner->a) : std::nullopt;
}

bool is_float_constant(const Expr& e, double value) {
  const auto* imm = e.as<FloatImm>();
  return imm && imm->value == value;
}

/// What is exact on floats: arithmetic of two constants, and neutral operands that keep every value.
std::optional<Expr> simplify_float(const Binary& n) {
  const DType dtype = n.a.dtype();
  const bool basic = n.op >= BinaryOp::add && n.op <= BinaryOp::div;
  const auto* a = n.a.as<FloatImm>();
  const auto* b = n.b.as<FloatImm>();
  if (a && b && basic) {
    const auto value = scalar_binary(n.op, dtype, Scalar{.f = a->value}, Scalar{.f = b->value});
    return float_imm(value->f, dtype);
  }
  if ((n.op == BinaryOp::mul || n.op == BinaryOp::div) && is_float_constant(n.b, 1)) return n.a;
  if (n.op == BinaryOp::mul && is_float_constant(n.a, 1)) return n.b;
  if (n.op == BinaryOp::sub && is_float_constant(n.b, 0) && !std::signbit(b->value)) return n.a;
  return std::nullopt;
}

std::optional<Expr> simplify_index_binary(const Expr& e, const Binary& n, const VarRanges& ranges) {
  if (is_comparison(n.op)) return simplify_comparison(n, ranges);
  const auto* divisor = as_int(n.b);
  switch (n.op) {
    case BinaryOp::add:
    case BinaryOp::sub:
    case BinaryOp::mul: return simplify_sum(e);
    case BinaryOp::floor_div:
      return divisor && *divisor > 0 ? simplify_quotient(n.a, *divisor, ranges) : std::nullopt;
    case BinaryOp::floor_mod:
      return divisor && *divisor > 0 ? simplify_remainder(n.a, *divisor, ranges) : std::nullopt;
    default: return std::nullopt;
  }
}

/// A variable that has one value only.
std::optional<Expr> simplify_var(const Expr& e, const VarRanges& ranges) {
  const auto range = e.dtype() == index_dtype ? bounds(e, ranges) : std::nullopt;
  return range && range->min == range->max ? std::optional(Expr(range->min)) : std::nullopt;
}

/// A better node in place of `e`, whose operands are simple; nullopt when there is none.
std::optional<Expr> step(const Expr& e, const VarRanges& ranges) {
  if (e.as<Var>()) return simplify_var(e, ranges);
  if (auto result = apply_rules(e, ranges)) return result;
  if (const auto* n = e.as<Binary>()) {
    if (n->a.dtype() == index_dtype) return simplify_index_binary(e, *n, ranges);
    if (is_float(n->a.dtype()) && !is_comparison(n->op)) return simplify_float(*n);
  }
  if (const auto* n = e.as<Unary>(); n && n->op == UnaryOp::neg && e.dtype() == index_dtype)
    return simplify_sum(e);
  if (const auto* n = e.as<Cast>()) return simplify_cast(*n);
  return std::nullopt;
}

/// Simplifies bottom-up. Nodes that are known to be simple are not visited again.
class Simplifier {
 public:
  explicit Simplifier(const VarRanges& ranges) : ranges_(ranges) {}

  Expr operator()(const Expr& e) { return run(e, max_steps); }

 private:
  // Every step makes its node smaller or nearer to the normal form; the limit only bounds the work.
  static constexpr int max_steps = 32;

  Expr run(const Expr& e, int steps) {
    if (const auto found = simple_.find(&e.node()); found != simple_.end()) return found->second.second;
    Expr result = map_children(e, [&](const Expr& child) { return run(child, steps); });
    if (steps > 0)
      if (const auto better = step(result, ranges_)) result = run(*better, steps - 1);
    simple_.emplace(&e.node(), std::pair(e, result));
    simple_.emplace(&result.node(), std::pair(result, result));
    return result;
  }

  const VarRanges& ranges_;
  std::unordered_map<const ExprNode*, std::pair<Expr, Expr>> simple_;  // holds its keys alive
};

}  // namespace

Expr simplify(const Expr& e, const VarRanges& ranges) { return Simplifier(ranges)(e); }

}  // namespace tunesmith::ir
