#include "ir/simplify_index.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "ir/integer_ops.h"
#include "ir/support/check.h"
#include "ir/traverse.h"

namespace tunesmith::ir {
namespace {

using i64 = std::int64_t;

/// The operands of `op` by a positive constant.
struct ByConstant {
  Expr operand;
  i64 constant;
};
std::optional<ByConstant> by_constant(const Expr& e, BinaryOp op) {
  const auto* b = e.as<Binary>();
  if (!b || b->op != op) return std::nullopt;
  const auto* c = as_int(b->b);
  if (!c || *c <= 0) return std::nullopt;
  return ByConstant{b->a, *c};
}

/// Given q * k * c + r * k of one sum, with `quotient` and `remainder` the terms: what r + q * c is.
std::optional<Expr> joined(const AffineTerm& quotient, const AffineTerm& remainder) {
  const auto mod = by_constant(remainder.term, BinaryOp::floor_mod);
  if (!mod || quotient.coefficient != remainder.coefficient * mod->constant) return std::nullopt;
  if (const auto div = by_constant(quotient.term, BinaryOp::floor_div))
    if (div->constant == mod->constant && equal(div->operand, mod->operand)) return mod->operand;
  if (const auto outer = by_constant(quotient.term, BinaryOp::floor_mod))
    if (const auto div = by_constant(outer->operand, BinaryOp::floor_div))
      if (div->constant == mod->constant && equal(div->operand, mod->operand))
        return floor_mod(mod->operand, outer->constant * mod->constant);
  return std::nullopt;
}

/// Joins one quotient with its remainder; false when there is no such pair.
bool join_once(Affine& affine) {
  for (std::size_t q = 0; q < affine.terms.size(); ++q)
    for (std::size_t r = 0; r < affine.terms.size(); ++r) {
      if (q == r) continue;
      const auto whole = joined(affine.terms[q], affine.terms[r]);
      if (!whole) continue;
      const i64 scale = affine.terms[r].coefficient;
      affine.terms[std::min(q, r)] = {*whole, scale};
      affine.terms.erase(affine.terms.begin() + static_cast<std::ptrdiff_t>(std::max(q, r)));
      affine = to_affine(to_expr(affine));
      return true;
    }
  return false;
}

/// affine = factor * multiple + rest, term by term; the constant goes by floor division.
struct Split {
  Affine multiple, rest;
};
Split split_by(const Affine& affine, i64 factor) {
  Split s;
  for (const AffineTerm& t : affine.terms) {
    if (t.coefficient % factor == 0)
      s.multiple.terms.push_back({t.term, t.coefficient / factor});
    else
      s.rest.terms.push_back(t);
  }
  s.multiple.constant = floor_div_i64(affine.constant, factor);
  s.rest.constant = floor_mod_i64(affine.constant, factor);
  return s;
}

bool lies_in(const Affine& affine, i64 low, i64 high, const VarRanges& ranges) {
  const auto range = bounds(to_expr(affine), ranges);
  return range && range->min >= low && range->max <= high;
}

/// A factor g of `divisor`, 1 < g, such that `affine` = g * multiple + rest with rest in [0, g).
/// The largest one; 1 when there is none.
i64 coarse_factor(const Affine& affine, i64 divisor, const VarRanges& ranges) {
  std::vector<i64> candidates;
  for (const AffineTerm& t : affine.terms) candidates.push_back(std::gcd(t.coefficient, divisor));
  std::ranges::sort(candidates, std::greater{});
  for (i64 g : candidates) {
    if (g <= 1) break;
    const Split s = split_by(affine, g);
    if (!s.multiple.terms.empty() && lies_in(s.rest, 0, g - 1, ranges)) return g;
  }
  return 1;
}

/// The one value of floor(affine / divisor), where the range of `affine` gives one.
std::optional<i64> only_quotient(const Affine& affine, i64 divisor, const VarRanges& ranges) {
  const auto range = bounds(to_expr(affine), ranges);
  if (!range) return std::nullopt;
  const i64 low = floor_div_i64(range->min, divisor);
  return low == floor_div_i64(range->max, divisor) ? std::optional(low) : std::nullopt;
}

std::optional<Expr> unless_same(Expr result, const Expr& before) {
  return equal(result, before) ? std::nullopt : std::optional(std::move(result));
}

/// Truth of `difference < 0` and the like, where the range decides it.
std::optional<bool> decided(BinaryOp op, const Interval& d) {
  switch (op) {
    case BinaryOp::lt:
      return d.max < 0 ? std::optional(true) : d.min >= 0 ? std::optional(false) : std::nullopt;
    case BinaryOp::le:
      return d.max <= 0 ? std::optional(true) : d.min > 0 ? std::optional(false) : std::nullopt;
    case BinaryOp::gt:
      return d.min > 0 ? std::optional(true) : d.max <= 0 ? std::optional(false) : std::nullopt;
    case BinaryOp::ge:
      return d.min >= 0 ? std::optional(true) : d.max < 0 ? std::optional(false) : std::nullopt;
    case BinaryOp::eq:
      if (d.min == 0 && d.max == 0) return true;
      return d.min > 0 || d.max < 0 ? std::optional(false) : std::nullopt;
    case BinaryOp::ne:
      if (d.min == 0 && d.max == 0) return false;
      return d.min > 0 || d.max < 0 ? std::optional(true) : std::nullopt;
    default: return std::nullopt;
  }
}

/// Terms with positive coefficients on the left, the others on the right.
Expr compare_sides(BinaryOp op, const Affine& difference) {
  Affine left, right;
  for (const AffineTerm& t : difference.terms)
    t.coefficient > 0 ? left.terms.push_back(t) : right.terms.push_back({t.term, -t.coefficient});
  right.constant = -difference.constant;
  if (!right.terms.empty() && right.constant < 0) left.constant = -std::exchange(right.constant, 0);
  return binary(op, to_expr(left), to_expr(right));
}

bool has_load(const Expr& e) {
  bool found = false;
  walk_once(e, [&](const Expr& node) {
    found |= node.as<Load>() != nullptr;
    return !found;
  });
  return found;
}

/// Terms may change sides: neither do the numbers wrap, nor is anything data, which any i64 may be.
bool is_movable(const Affine& difference, const VarRanges& ranges) {
  constexpr i64 largest = i64{1} << 62;
  auto fits = [](i64 value) { return value > -largest && value < largest; };
  if (!difference.is_exact || !fits(difference.constant)) return false;
  return std::ranges::all_of(difference.terms, [&](const AffineTerm& t) {
    return fits(t.coefficient) && (!has_load(t.term) || bounds(t.term, ranges));
  });
}

i64 common_factor(const Affine& affine) {
  i64 g = 0;
  for (const AffineTerm& t : affine.terms) g = std::gcd(g, t.coefficient);
  return g;
}

Affine divided(Affine affine, i64 factor, i64 constant) {
  for (AffineTerm& t : affine.terms) t.coefficient /= factor;
  affine.constant = constant;
  return affine;
}

}  // namespace

std::optional<Expr> simplify_sum(const Expr& e) {
  Affine affine = to_affine(e);
  while (join_once(affine)) {
  }
  return unless_same(to_expr(affine), e);
}

std::optional<Expr> simplify_quotient(const Expr& dividend, i64 divisor, const VarRanges& ranges) {
  const Expr before = floor_div(dividend, divisor);
  Split s = split_by(to_affine(dividend), divisor);
  if (const auto only = only_quotient(s.rest, divisor, ranges)) {
    s.multiple.constant += *only;
    return to_expr(s.multiple);
  }
  const i64 g = coarse_factor(s.rest, divisor, ranges);
  const Affine reduced = g == 1 ? s.rest : split_by(s.rest, g).multiple;
  return unless_same(to_expr(s.multiple) + floor_div(to_expr(reduced), divisor / g), before);
}

std::optional<Expr> simplify_remainder(const Expr& dividend, i64 divisor, const VarRanges& ranges) {
  const Expr before = floor_mod(dividend, divisor);
  Affine rest = split_by(to_affine(dividend), divisor).rest;
  if (const auto only = only_quotient(rest, divisor, ranges)) {
    rest.constant -= *only * divisor;
    return to_expr(rest);
  }
  const i64 g = coarse_factor(rest, divisor, ranges);
  if (g == 1) return unless_same(floor_mod(to_expr(rest), divisor), before);
  const Split s = split_by(rest, g);
  return unless_same(floor_mod(to_expr(s.multiple), divisor / g) * g + to_expr(s.rest), before);
}

std::optional<Expr> simplify_comparison(const Binary& n, const VarRanges& ranges) {
  const Expr before = binary(n.op, n.a, n.b);
  const Expr difference_expr = n.a - n.b;
  if (const auto range = bounds(difference_expr, ranges))
    if (const auto truth = decided(n.op, *range)) return int_imm(*truth, DType::boolean);
  Affine d = to_affine(difference_expr);
  if (!is_movable(d, ranges)) return std::nullopt;
  const bool is_equality = n.op == BinaryOp::eq || n.op == BinaryOp::ne;
  if (d.terms.empty()) return int_imm(*decided(n.op, {d.constant, d.constant}), DType::boolean);
  const i64 g = common_factor(d);
  if (is_equality) {
    if (d.constant % g != 0) return int_imm(n.op == BinaryOp::ne, DType::boolean);
    const bool flip = d.terms.front().coefficient < 0;
    return unless_same(compare_sides(n.op, divided(d, flip ? -g : g, d.constant / (flip ? -g : g))), before);
  }
  // Everything becomes d < 0: a > b is b < a, a <= b is a < b + 1.
  if (n.op == BinaryOp::gt || n.op == BinaryOp::ge) d = divided(d, -1, -d.constant);
  if (n.op == BinaryOp::le || n.op == BinaryOp::ge) d.constant -= 1;
  // g * t + c < 0  <=>  t < ceil(-c / g)  <=>  t + floor(c / g) < 0
  return unless_same(compare_sides(BinaryOp::lt, divided(d, g, floor_div_i64(d.constant, g))), before);
}

bool is_proved(const Expr& condition, const VarRanges& ranges) {
  if (const auto* value = as_int(condition)) return *value != 0;
  const auto* b = condition.as<Binary>();
  if (!b) return false;
  if (b->op == BinaryOp::bit_and) return is_proved(b->a, ranges) && is_proved(b->b, ranges);
  if (!is_comparison(b->op) || b->a.dtype() != index_dtype) return false;
  const auto range = bounds(b->a - b->b, ranges);
  return range && decided(b->op, *range).value_or(false);
}

}  // namespace tunesmith::ir
