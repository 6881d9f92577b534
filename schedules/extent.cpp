#include "schedules/extent.h"

#include <algorithm>

namespace tunesmith::schedules {
namespace {

using i64 = std::int64_t;

constexpr std::size_t most_values = 8;  // past that an extent counts as open

/// All results of `f` over the values of both.
template <class F>
Extent combine(const Extent& a, const Extent& b, ir::Expr expr, F&& f) {
  if (a.is_open() || b.is_open()) return open_extent(std::move(expr), f(a.max, b.max));
  std::vector<i64> values;
  for (i64 x : a.values)
    for (i64 y : b.values) values.push_back(f(x, y));
  return extent_of(std::move(expr), std::move(values));
}

}  // namespace

Extent constant_extent(i64 value) { return {ir::Expr(value), {value}, value}; }

Extent extent_of(ir::Expr expr, std::vector<i64> values) {
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (values.size() == 1) return constant_extent(values[0]);
  const i64 max = values.back();
  if (values.size() > most_values) values.clear();
  return {std::move(expr), std::move(values), max};
}

Extent open_extent(ir::Expr expr, i64 max) {
  if (const i64* value = ir::as_int(expr)) return constant_extent(*value);
  return {std::move(expr), {}, max};
}

Extent ceil_div(const Extent& a, i64 factor) {
  auto f = [&](i64 x, i64) { return x / factor + (x % factor != 0); };
  if (factor == 1) return a;
  return combine(a, constant_extent(1), ir::floor_div(a.expr + (factor - 1), factor), f);
}

Extent product(const Extent& a, const Extent& b) {
  return combine(a, b, a.expr * b.expr, [](i64 x, i64 y) { return x * y; });
}

Extent span(const Extent& count, i64 step, const Extent& width) {
  if (count.is_constant() && count.values[0] == 1) return width;
  return combine(count, width, (count.expr - 1) * step + width.expr,
                 [&](i64 n, i64 w) { return (n - 1) * step + w; });
}

Extent joined(const Extent& a, i64 shift, const Extent& b) {
  return combine(a, b, ir::max(a.expr, b.expr + shift), [&](i64 x, i64 y) { return std::max(x, y + shift); });
}

}  // namespace tunesmith::schedules
