#include "ir/affine.h"

#include <algorithm>
#include <utility>

#include "ir/integer_ops.h"
#include "ir/support/check.h"
#include "ir/traverse.h"

namespace tunesmith::ir {
namespace {

using i64 = std::int64_t;

// Coefficients wrap as i64 arithmetic does, so that the affine form always equals the expression.
i64 wrap_add(i64 a, i64 b, bool& is_exact) {
  i64 result;
  is_exact &= !__builtin_add_overflow(a, b, &result);
  return result;
}
i64 wrap_mul(i64 a, i64 b, bool& is_exact) {
  i64 result;
  is_exact &= !__builtin_mul_overflow(a, b, &result);
  return result;
}

void add_term(Affine& sum, const Expr& term, i64 coefficient) {
  for (AffineTerm& t : sum.terms) {
    if (!equal(t.term, term)) continue;
    t.coefficient = wrap_add(t.coefficient, coefficient, sum.is_exact);
    return;
  }
  sum.terms.push_back({term, coefficient});
}

/// sum += scale * e
void accumulate(Affine& sum, const Expr& e, i64 scale) {
  if (const auto* value = as_int(e)) {
    sum.constant = wrap_add(sum.constant, wrap_mul(scale, *value, sum.is_exact), sum.is_exact);
    return;
  }
  if (const auto* u = e.as<Unary>(); u && u->op == UnaryOp::neg)
    return accumulate(sum, u->a, wrap_mul(scale, -1, sum.is_exact));
  if (const auto* b = e.as<Binary>()) {
    switch (b->op) {
      case BinaryOp::add: accumulate(sum, b->a, scale); return accumulate(sum, b->b, scale);
      case BinaryOp::sub: accumulate(sum, b->a, scale); return accumulate(sum, b->b, wrap_mul(scale, -1, sum.is_exact));
      case BinaryOp::mul:
        if (const auto* value = as_int(b->b)) return accumulate(sum, b->a, wrap_mul(scale, *value, sum.is_exact));
        if (const auto* value = as_int(b->a)) return accumulate(sum, b->b, wrap_mul(scale, *value, sum.is_exact));
        break;
      default: break;
    }
  }
  add_term(sum, e, scale);
}

std::optional<i64> checked_mul(i64 a, i64 b) {
  i64 r;
  return __builtin_mul_overflow(a, b, &r) ? std::nullopt : std::optional(r);
}

std::optional<Interval> product(const Interval& a, const Interval& b) {
  Interval result{INT64_MAX, INT64_MIN};
  for (i64 x : {a.min, a.max})
    for (i64 y : {b.min, b.max}) {
      const auto p = checked_mul(x, y);
      if (!p) return std::nullopt;
      result.min = std::min(result.min, *p);
      result.max = std::max(result.max, *p);
    }
  return result;
}

std::optional<Interval> sum(const Interval& a, const Interval& b) {
  Interval r;
  if (__builtin_add_overflow(a.min, b.min, &r.min) || __builtin_add_overflow(a.max, b.max, &r.max))
    return std::nullopt;
  return r;
}

/// Range of an operator over operands in the given ranges.
std::optional<Interval> binary_bounds(BinaryOp op, const Interval& a, const Interval& b) {
  switch (op) {
    case BinaryOp::mul: return product(a, b);
    case BinaryOp::min: return Interval{std::min(a.min, b.min), std::min(a.max, b.max)};
    case BinaryOp::max: return Interval{std::max(a.min, b.min), std::max(a.max, b.max)};
    case BinaryOp::div:
      if (a.min < 0) return std::nullopt;
      [[fallthrough]];
    case BinaryOp::floor_div: {
      if (b.min <= 0) return std::nullopt;
      const i64 low = std::min(floor_div_i64(a.min, b.min), floor_div_i64(a.min, b.max));
      const i64 high = std::max(floor_div_i64(a.max, b.min), floor_div_i64(a.max, b.max));
      return Interval{low, high};
    }
    case BinaryOp::mod:
      if (a.min < 0) return std::nullopt;
      [[fallthrough]];
    case BinaryOp::floor_mod:
      if (b.min <= 0) return std::nullopt;
      if (b.min == b.max && floor_div_i64(a.min, b.min) == floor_div_i64(a.max, b.min))
        return Interval{floor_mod_i64(a.min, b.min), floor_mod_i64(a.max, b.min)};
      if (a.min >= 0) return Interval{0, std::min(a.max, b.max - 1)};
      return Interval{0, b.max - 1};
    case BinaryOp::bit_and:
      if (a.min < 0 || b.min < 0) return std::nullopt;
      return Interval{0, std::min(a.max, b.max)};
    default: return std::nullopt;
  }
}

std::optional<Interval> term_bounds(const Expr& e, const VarRanges& ranges) {
  if (const auto* v = e.as<Var>()) {
    const auto found = ranges.find(v->id);
    return found == ranges.end() ? std::nullopt : std::optional(found->second);
  }
  if (const auto* b = e.as<Binary>()) {
    if (is_comparison(b->op)) return Interval{0, 1};
    const auto left = bounds(b->a, ranges);
    const auto right = bounds(b->b, ranges);
    if (b->op == BinaryOp::floor_mod && !left && right && right->min > 0) return Interval{0, right->max - 1};
    return left && right ? binary_bounds(b->op, *left, *right) : std::nullopt;
  }
  if (const auto* s = e.as<Select>()) {
    const auto yes = bounds(s->yes, ranges);
    const auto no = bounds(s->no, ranges);
    if (!yes || !no) return std::nullopt;
    return Interval{std::min(yes->min, no->min), std::max(yes->max, no->max)};
  }
  if (const auto* c = e.as<Cast>(); c && (is_integer(c->dtype) || c->dtype == DType::boolean)) {
    if (c->a.dtype() == DType::boolean) return Interval{0, 1};
    const auto inner = is_integer(c->a.dtype()) ? bounds(c->a, ranges) : std::nullopt;
    const bool fits = inner && wrap_integer(c->dtype, inner->min) == inner->min &&
                      wrap_integer(c->dtype, inner->max) == inner->max;
    return fits ? inner : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

i64 Affine::coefficient(VarId id) const {
  for (const AffineTerm& t : terms)
    if (const auto* v = t.term.as<Var>(); v && v->id == id) return t.coefficient;
  return 0;
}

bool Affine::hides(VarId id) const {
  return std::ranges::any_of(terms,
                             [&](const AffineTerm& t) { return !t.term.as<Var>() && uses_var(t.term, id); });
}

Affine to_affine(const Expr& index) {
  Affine result;
  accumulate(result, index, 1);
  std::erase_if(result.terms, [](const AffineTerm& t) { return t.coefficient == 0; });
  return result;
}

Expr to_expr(const Affine& affine) {
  auto is_negatable = [](i64 value) { return value < 0 && value != INT64_MIN; };
  // Starts with something positive where there is one: "5 - i", not "i * -1 + 5".
  const auto start =
      std::ranges::find_if(affine.terms, [](const AffineTerm& t) { return t.coefficient > 0; });
  Expr sum;
  i64 constant = affine.constant;
  if (start != affine.terms.end())
    sum = start->term * start->coefficient;
  else if (constant > 0)
    sum = std::exchange(constant, 0);
  for (auto t = affine.terms.begin(); t != affine.terms.end(); ++t) {
    if (t == start) continue;
    if (!sum)
      sum = t->coefficient == -1 ? -t->term : t->term * t->coefficient;
    else
      sum = is_negatable(t->coefficient) ? sum - t->term * -t->coefficient : sum + t->term * t->coefficient;
  }
  if (!sum) return constant;
  return is_negatable(constant) ? sum - (-constant) : sum + constant;
}

std::optional<Interval> bounds(const Expr& index, const VarRanges& ranges) {
  if (index.dtype() == DType::boolean) return Interval{0, 1};
  if (index.dtype() != index_dtype) {  // wraps: only constants are understood
    const auto* value = as_int(index);
    return value && index.dtype() != DType::u64 ? std::optional(Interval{*value, *value}) : std::nullopt;
  }
  const Affine affine = to_affine(index);
  if (!affine.is_exact) return std::nullopt;
  Interval total{affine.constant, affine.constant};
  for (const AffineTerm& t : affine.terms) {
    const auto range = term_bounds(t.term, ranges);
    if (!range) return std::nullopt;
    const auto scaled = product(*range, {t.coefficient, t.coefficient});
    const auto next = scaled ? sum(total, *scaled) : std::nullopt;
    if (!next) return std::nullopt;
    total = *next;
  }
  return total;
}

}  // namespace tunesmith::ir
