#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ir/integer_ops.h"
#include "ir/print.h"
#include "ir/simplify.h"
#include "ir/simplify_rules.h"
#include "ir/traverse.h"
#include "tests/ir/random_ir.h"

namespace tunesmith::ir {
namespace {

using testing::seed;
using testing::seed_text;

/// Small values meet the conditions and edge cases of the rules often.
std::int64_t small_value(Rng& rng) {
  return rng.between(-8, 8) * (rng.below(4) == 0 ? rng.between(1, 50) : 1);
}

/// The same rule over variables of the test's own table, with constants in place of c0 and c1 and
/// x, y, z of `dtype`.
class Instance {
 public:
  Instance(const Rule& rule, DType dtype, Rng& rng) : rng_(rng) {
    for (const Wildcard& w : wildcards) {
      const VarId id = vars_.add("w");
      const DType var_dtype = w.kind == WildcardKind::boolean ? DType::boolean : dtype;
      bindings_.push_back(w.kind == WildcardKind::constant ? Expr(small_value(rng)) : var(id, var_dtype));
    }
    pattern_ = rebuild(rule.pattern);
    replacement_ = rebuild(rule.replacement);
    condition_ = rebuild(rule.condition);
  }

  const Expr& pattern() const { return pattern_; }
  const Expr& replacement() const { return replacement_; }
  const Expr& condition() const { return condition_; }
  const VarTable& vars() const { return vars_; }

  void choose_values(Evaluator& evaluator) {
    for (const Expr& b : bindings_) {
      const auto* v = b.as<Var>();
      if (!v) continue;
      Scalar value;
      if (is_float(v->dtype))
        value.f = rng_.below(8) == 0 ? std::nan("") : static_cast<double>(rng_.between(-3, 3)) / 2;
      else
        value.i = wrap_integer(v->dtype, v->dtype == DType::boolean ? rng_.between(0, 1) : small_value(rng_));
      evaluator.set(v->id, value);
    }
  }

 private:
  Expr rebuild(const Expr& e) {
    if (const auto* v = e.as<Var>()) return bindings_.at(index_of(v->id) - first_wildcard);
    if (const auto* u = e.as<Unary>()) return unary(u->op, rebuild(u->a));
    if (const auto* b = e.as<Binary>()) return binary(b->op, rebuild(b->a), rebuild(b->b));
    if (const auto* s = e.as<Select>()) return select(rebuild(s->condition), rebuild(s->yes), rebuild(s->no));
    return e;
  }

  Rng& rng_;
  VarTable vars_;
  std::vector<Expr> bindings_;
  Expr pattern_, replacement_, condition_;
};

bool same_value(DType dtype, Scalar a, Scalar b) {
  if (!is_float(dtype)) return a.i == b.i;
  return (std::isnan(a.f) && std::isnan(b.f)) || a.f == b.f;
}

/// How often the condition of a rule held.
int fuzz_rule(const Rule& rule, DType dtype, Rng& rng) {
  int held = 0;
  for (int round = 0; round < 400 && !::testing::Test::HasFailure(); ++round) {
    Instance instance(rule, dtype, rng);
    Evaluator evaluator(instance.vars(), testing::no_buffers, false);
    const auto condition = evaluator.compile(instance.condition());
    const auto before = evaluator.compile(instance.pattern());
    const auto after = evaluator.compile(instance.replacement());
    for (int point = 0; point < 8; ++point) {
      instance.choose_values(evaluator);
      if (!evaluator.run(condition).i || evaluator.failed()) break;
      const Scalar x = evaluator.run(before), y = evaluator.run(after);
      if (evaluator.failed()) break;  // the pattern divides by zero: it has no value to keep
      ++held;
      EXPECT_TRUE(same_value(instance.pattern().dtype(), x, y))
          << rule.name << ": " << print(instance.pattern(), instance.vars(), {}) << " -> "
          << print(instance.replacement(), instance.vars(), {}) << ": " << x.i << " or " << y.i;
    }
  }
  return held;
}

TEST(SimplifyRules, EveryRuleKeepsTheValue) {
  SCOPED_TRACE(seed_text());
  Rng rng(seed());
  for (const Rule& rule : make_simplify_rules()) {
    std::vector<DType> dtypes = {DType::i64};
    if (rule.domain == RuleDomain::any) dtypes.insert(dtypes.end(), {DType::f32, DType::i32, DType::u8});
    for (DType dtype : dtypes) EXPECT_GT(fuzz_rule(rule, dtype, rng), 20) << rule.name << " was hardly tried";
  }
}

TEST(SimplifyRules, NamesAreUnique) {
  std::vector<std::string_view> names;
  for (const Rule& rule : make_simplify_rules()) names.push_back(rule.name);
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

class RandomExpr : public ::testing::Test {
 protected:
  /// Compares `before` with its simplification at random points; true when they agree.
  void check(testing::ExprGenerator& generator, const VarTable& vars, const Expr& before) {
    const Expr after = simplify(before, generator.ranges());
    EXPECT_TRUE(equal(simplify(after, generator.ranges()), after))
        << "not simple yet: " << print(after, vars, {}) << " -> "
        << print(simplify(after, generator.ranges()), vars, {});
    Evaluator evaluator(vars, testing::no_buffers, false);
    const auto p = evaluator.compile(before), q = evaluator.compile(after);
    const auto range = before.dtype() == index_dtype ? bounds(before, generator.ranges()) : std::nullopt;
    for (int point = 0; point < 20; ++point) {
      const std::string at = generator.choose_values(evaluator);
      const std::int64_t x = evaluator.run_int(p), y = evaluator.run_int(q);
      ASSERT_EQ(x, y) << print(before, vars, {}) << "\n -> " << print(after, vars, {}) << "\n at " << at;
      ASSERT_TRUE(!range || (range->min <= x && x <= range->max)) << print(before, vars, {}) << " at " << at;
    }
  }
};

TEST_F(RandomExpr, SimplifyKeepsTheValueAndBoundsHold) {
  SCOPED_TRACE(seed_text());
  Rng rng(seed());
  for (int round = 0; round < 20000 && !HasFailure(); ++round) {
    VarTable vars;
    testing::ExprGenerator generator(rng, vars, 3);
    const int depth = static_cast<int>(rng.between(1, 5));
    check(generator, vars, rng.below(3) == 0 ? generator.boolean(depth) : generator.index(depth));
  }
}

TEST_F(RandomExpr, AffineFormKeepsTheValue) {
  SCOPED_TRACE(seed_text());
  Rng rng(seed() + 1);
  for (int round = 0; round < 1000 && !HasFailure(); ++round) {
    VarTable vars;
    testing::ExprGenerator generator(rng, vars, 3);
    const Expr e = generator.index(4);
    const Expr back = to_expr(to_affine(e));
    Evaluator evaluator(vars, testing::no_buffers, false);
    const auto p = evaluator.compile(e), q = evaluator.compile(back);
    for (int point = 0; point < 10; ++point) {
      generator.choose_values(evaluator);
      ASSERT_EQ(evaluator.run_int(p), evaluator.run_int(q)) << print(e, vars, {});
    }
  }
}

/// Mixed-radix indices as fused loops give them must come back whole.
TEST(SimplifyIndex, FusedLoopPartsRejoin) {
  SCOPED_TRACE(seed_text());
  Rng rng(seed() + 2);
  for (int round = 0; round < 500; ++round) {
    VarTable vars;
    const VarId f = vars.add("f");
    const std::int64_t a = rng.between(2, 9), b = rng.between(2, 9), c = rng.between(2, 9);
    const VarRanges ranges = {{f, {0, a * b * c - 1}}};
    const Expr i = floor_div(floor_div(var(f), c), b), j = floor_mod(floor_div(var(f), c), b),
               k = floor_mod(var(f), c);
    const Expr joined = (i * b + j) * c + k;
    EXPECT_TRUE(equal(simplify(joined, ranges), var(f))) << print(simplify(joined, ranges), vars, {});
  }
}

}  // namespace
}  // namespace tunesmith::ir
