// The rewrite rules of the simplifier, as data: the simplifier applies this table and the tests fuzz
// it. Internal to the room.
//
// A rule is `pattern -> replacement` where `condition` can be proved. The wildcards are variables:
// x, y, z stand for any expression, p, q for any boolean one, c0, c1 for integer constants. The same
// wildcard twice stands for equal expressions. Constants in a replacement fold as it is built.
// Operands are i64 unless the domain is `any`. A replacement must not evaluate a load that the pattern
// does not evaluate.
#pragma once

#include <string_view>
#include <vector>

#include "ir/expr.h"

namespace tunesmith::ir {

enum class RuleDomain : std::uint8_t {
  index,  // x, y, z and the constants are i64
  any,    // x, y, z have any one dtype
};

struct Rule {
  std::string_view name;
  RuleDomain domain;
  Expr pattern;
  Expr replacement;
  Expr condition = int_imm(1, DType::boolean);
};

enum class WildcardKind : std::uint8_t { any, boolean, constant };
struct Wildcard {
  VarId id;
  WildcardKind kind;
};
inline constexpr std::uint32_t first_wildcard = 0xffff0000;
inline constexpr Wildcard wildcards[] = {
    {VarId{first_wildcard + 0}, WildcardKind::any},      {VarId{first_wildcard + 1}, WildcardKind::any},
    {VarId{first_wildcard + 2}, WildcardKind::any},      {VarId{first_wildcard + 3}, WildcardKind::boolean},
    {VarId{first_wildcard + 4}, WildcardKind::boolean},  {VarId{first_wildcard + 5}, WildcardKind::constant},
    {VarId{first_wildcard + 6}, WildcardKind::constant},
};
inline constexpr std::size_t wildcard_count = std::size(wildcards);

inline std::vector<Rule> make_simplify_rules() {
  const Expr x = var(wildcards[0].id), y = var(wildcards[1].id), z = var(wildcards[2].id);
  const Expr p = var(wildcards[3].id, DType::boolean), q = var(wildcards[4].id, DType::boolean);
  const Expr c0 = var(wildcards[5].id), c1 = var(wildcards[6].id);
  const Expr yes = int_imm(1, DType::boolean), no = int_imm(0, DType::boolean);
  const Expr zero = 0, one = 1;
  auto div = [](const Expr& a, const Expr& b) { return floor_div(a, b); };
  auto mod = [](const Expr& a, const Expr& b) { return floor_mod(a, b); };
  auto eq = [](const Expr& a, const Expr& b) { return binary(BinaryOp::eq, a, b); };
  auto ne = [](const Expr& a, const Expr& b) { return binary(BinaryOp::ne, a, b); };
  auto lo = [](const Expr& a, const Expr& b) { return min(a, b); };
  auto hi = [](const Expr& a, const Expr& b) { return max(a, b); };
  auto both = [](const Expr& a, const Expr& b) { return logical_and(a, b); };
  auto either = [](const Expr& a, const Expr& b) { return logical_or(a, b); };
  auto differ = [](const Expr& a, const Expr& b) { return binary(BinaryOp::bit_xor, a, b); };
  auto not_ = [](const Expr& a) { return logical_not(a); };
  const Expr multiple = both(both(zero < c0, zero < c1), eq(mod(c0, c1), zero));
  using enum RuleDomain;
  return {
      // Quotients and remainders.
      {"div_zero", index, div(zero, x), zero, ne(x, zero)},
      {"mod_zero", index, mod(zero, x), zero, ne(x, zero)},
      {"div_self", index, div(x, x), one, zero < x},
      {"mod_self", index, mod(x, x), zero, zero < x},
      {"div_small", index, div(x, y), zero, both(zero <= x, x < y)},
      {"mod_small", index, mod(x, y), x, both(zero <= x, x < y)},
      {"div_div", index, div(div(x, c0), c1), div(x, c0 * c1), both(zero < c0, zero < c1)},
      {"mod_mod", index, mod(mod(x, c0), c1), mod(x, c1), multiple},
      {"mod_div", index, div(mod(x, c0), c1), mod(div(x, c1), div(c0, c1)), multiple},
      {"mul_div", index, div(x * y, y), x, zero < y},
      {"mul_div_left", index, div(y * x, y), x, zero < y},
      {"mul_mod", index, mod(x * y, y), zero, zero < y},
      {"mul_mod_left", index, mod(y * x, y), zero, zero < y},
      {"mul_add_div", index, div(x * y + z, y), x + div(z, y), zero < y},
      {"mul_add_div_left", index, div(y * x + z, y), x + div(z, y), zero < y},
      {"mul_add_mod", index, mod(x * y + z, y), mod(z, y), zero < y},
      {"mul_add_mod_left", index, mod(y * x + z, y), mod(z, y), zero < y},
      {"trunc_div", index, x / y, div(x, y), both(zero <= x, zero < y)},
      {"trunc_mod", index, binary(BinaryOp::mod, x, y), mod(x, y), both(zero <= x, zero < y)},
      // Minimum and maximum of integers.
      {"min_left", index, lo(x, y), x, x <= y},
      {"min_right", index, lo(x, y), y, y <= x},
      {"max_left", index, hi(x, y), x, y <= x},
      {"max_right", index, hi(x, y), y, x <= y},
      {"min_constant_right", index, lo(c0, x), lo(x, c0)},
      {"max_constant_right", index, hi(c0, x), hi(x, c0)},
      {"min_min", index, lo(lo(x, c0), c1), lo(x, lo(c0, c1))},
      {"max_max", index, hi(hi(x, c0), c1), hi(x, hi(c0, c1))},
      {"min_of_max", index, lo(hi(x, y), x), x},
      {"max_of_min", index, hi(lo(x, y), x), x},
      {"min_repeated", index, lo(lo(x, y), y), lo(x, y)},
      {"max_repeated", index, hi(hi(x, y), y), hi(x, y)},
      {"abs_positive", index, unary(UnaryOp::abs, x), x, zero <= x},
      // Logic.
      {"and_true", index, both(p, yes), p},
      {"true_and", index, both(yes, p), p},
      {"and_false", index, both(p, no), no},
      {"false_and", index, both(no, p), no},
      {"and_same", index, both(p, p), p},
      {"and_repeated", index, both(both(p, q), q), both(p, q)},
      {"or_true", index, either(p, yes), yes},
      {"true_or", index, either(yes, p), yes},
      {"or_false", index, either(p, no), p},
      {"false_or", index, either(no, p), p},
      {"or_same", index, either(p, p), p},
      {"or_repeated", index, either(either(p, q), q), either(p, q)},
      {"xor_false", index, differ(p, no), p},
      {"xor_true", index, differ(p, yes), not_(p)},
      {"not_not", index, not_(not_(p)), p},
      {"not_lt", index, not_(x < y), y <= x},
      {"not_le", index, not_(x <= y), y < x},
      {"not_gt", index, not_(x > y), x <= y},
      {"not_ge", index, not_(x >= y), x < y},
      {"not_eq", any, not_(eq(x, y)), ne(x, y)},
      {"not_ne", any, not_(ne(x, y)), eq(x, y)},
      // Selects.
      {"select_true", any, select(yes, x, y), x},
      {"select_false", any, select(no, x, y), y},
      {"select_same", any, select(p, x, x), x},
      {"select_not", any, select(not_(p), x, y), select(p, y, x)},
      {"select_in_yes", any, select(p, select(p, x, y), z), select(p, x, z)},
      {"select_in_no", any, select(p, x, select(p, y, z)), select(p, x, z)},
      {"select_yes_no", index, select(p, yes, no), p},
      {"select_no_yes", index, select(p, no, yes), not_(p)},
      {"select_min", any, select(x < y, x, y), lo(x, y)},
      {"select_max", any, select(x > y, x, y), hi(x, y)},
      // Signs: exact on floats too.
      {"neg_neg", any, unary(UnaryOp::neg, unary(UnaryOp::neg, x)), x},
  };
}

}  // namespace tunesmith::ir
