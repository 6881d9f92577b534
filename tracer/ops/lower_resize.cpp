// Resizing by interpolation. The place in the input that an output element falls on is affine in the output
// index and is held as an exact fraction where there is a small one, so that places and weights are integer
// arithmetic: floor_div gives the place, floor_mod the weight.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "ir/support/check.h"
#include "tracer/ops/lower.h"
#include "tracer/ops/lower_util.h"
#include "tracer/ops/resize.h"

namespace tunesmith::tracer {

using namespace ir;
using Extents = std::vector<std::int64_t>;

namespace {

/// place(o) = slope * o + offset.
struct Coordinate {
  double slope = 1, offset = 0;
};

Coordinate coordinate_of(const std::string& mode, std::int64_t in, std::int64_t out, double scale) {
  const double step = 1 / scale;
  if (mode == "asymmetric") return {step, 0};
  if (mode == "align_corners")
    return {out == 1 ? 0 : static_cast<double>(in - 1) / static_cast<double>(out - 1), 0};
  if (mode == "pytorch_half_pixel" && out == 1) return {0, 0};
  Coordinate half{step, 0.5 * step - 0.5};
  if (mode == "half_pixel_symmetric") {
    const double adjustment = static_cast<double>(out) / (scale * static_cast<double>(in));
    half.offset += static_cast<double>(in) / 2 * (1 - adjustment);
    return half;
  }
  TS_CHECK(mode == "half_pixel" || mode == "pytorch_half_pixel", "a resize of unknown coordinates");
  return half;
}

/// (factor * o + shift) / divisor.
struct Fraction {
  std::int64_t factor = 1, shift = 0, divisor = 1;
  Expr numerator(const Expr& o) const {
    const Expr scaled = factor == 1 ? o : o * factor;
    return shift == 0 ? scaled : scaled + shift;
  }
  Expr floor(const Expr& o) const { return divisor == 1 ? numerator(o) : floor_div(numerator(o), divisor); }
};

/// Divisors up to here are looked for; without one the fraction is rounded to fine_divisor.
constexpr std::int64_t largest_divisor = 4096;
constexpr std::int64_t fine_divisor = std::int64_t{1} << 30;

Fraction fraction_of(const Coordinate& c) {
  auto is_whole = [](double value) { return std::abs(value - std::round(value)) < 1e-7; };
  std::int64_t divisor = 1;
  while (divisor <= largest_divisor && !(is_whole(c.slope * static_cast<double>(divisor)) &&
                                         is_whole(c.offset * static_cast<double>(divisor))))
    ++divisor;
  if (divisor > largest_divisor) divisor = fine_divisor;
  const auto scale = static_cast<double>(divisor);
  return {std::llround(c.slope * scale), std::llround(c.offset * scale), divisor};
}

Expr clamped(const Expr& place, std::int64_t extent) { return min(max(place, Expr(0)), Expr(extent - 1)); }

/// A shift for which clamped floor((factor * o + shift) / divisor) is table[o] everywhere.
std::optional<std::int64_t> shift_for(const Extents& table, std::int64_t extent, std::int64_t factor,
                                      std::int64_t divisor) {
  std::int64_t low = std::numeric_limits<std::int64_t>::min(),
               high = std::numeric_limits<std::int64_t>::max();
  for (std::size_t o = 0; o < table.size(); ++o) {
    const std::int64_t base = factor * static_cast<std::int64_t>(o);
    if (table[o] > 0) low = std::max(low, table[o] * divisor - base);
    if (table[o] < extent - 1) high = std::min(high, (table[o] + 1) * divisor - base - 1);
  }
  if (low > high) return std::nullopt;
  if (low <= 0 && high >= 0) return 0;
  return low > 0 ? low : high;
}

/// Binary search over the places at which the table steps.
Expr searched(const Extents& table, const Expr& o, std::size_t begin, std::size_t end) {
  if (table[begin] == table[end - 1]) return Expr(table[begin]);
  const std::size_t middle = (begin + end) / 2;
  return select(o < Expr(static_cast<std::int64_t>(middle)), searched(table, o, begin, middle),
                searched(table, o, middle, end));
}

/// The source place of one dimension for nearest-neighbour resizing.
std::function<Expr(const Expr&)> nearest(const Coordinate& c, const ResizeAxis& axis, std::int64_t in) {
  Extents table;
  for (const auto& taps : axis.places) table.push_back(taps.at(0).index);
  const auto out = static_cast<std::int64_t>(table.size());
  const Fraction exact = fraction_of(c);
  for (std::int64_t refine : {1, 2, 4}) {
    const auto shift = shift_for(table, in, exact.factor * refine, exact.divisor * refine);
    if (!shift) continue;
    const std::int64_t common = std::gcd(std::gcd(exact.factor * refine, exact.divisor * refine), *shift);
    const Fraction f{exact.factor * refine / common, *shift / common, exact.divisor * refine / common};
    const bool inside = f.shift >= 0 && (f.factor * (out - 1) + f.shift) / f.divisor <= in - 1;
    return [f, inside, in](const Expr& o) { return inside ? f.floor(o) : clamped(f.floor(o), in); };
  }
  return [table](const Expr& o) { return searched(table, o, 0, table.size()); };
}

/// Neighbours of a place in one dimension and their weights.
struct Tap {
  Expr place;
  Expr weight;
};
using TapsFn = std::function<std::vector<Tap>(const Expr& o)>;

Expr fraction_part(const Fraction& f, const Expr& o, DType dtype) {
  const Expr rest = cast(dtype, floor_mod(f.numerator(o), f.divisor));
  return rest * constant(1.0 / static_cast<double>(f.divisor), dtype);
}

TapsFn linear_taps(const Fraction& f, std::int64_t in, DType dtype) {
  return [=](const Expr& o) {
    const Expr place = f.floor(o), weight = fraction_part(f, o, dtype);
    return std::vector<Tap>{{clamped(place, in), constant(1, dtype) - weight},
                            {clamped(place + 1, in), weight}};
  };
}

/// The cubic convolution kernel at the distances 1 + t, t, 1 - t, 2 - t.
std::vector<Expr> cubic_weights(const Expr& t, double a, DType dtype) {
  auto number = [dtype](double v) { return constant(v, dtype); };
  auto near = [&](const Expr& s) { return ((number(a + 2) * s - number(a + 3)) * s) * s + number(1); };
  auto far = [&](const Expr& s) {
    return ((number(a) * s - number(5 * a)) * s + number(8 * a)) * s - number(4 * a);
  };
  const Expr u = number(1) - t;
  return {far(t + number(1)), near(t), near(u), far(u + number(1))};
}

TapsFn cubic_taps(const Fraction& f, std::int64_t in, double a, bool exclude_outside, DType dtype) {
  return [=](const Expr& o) {
    const Expr place = f.floor(o);
    std::vector<Expr> weights = cubic_weights(fraction_part(f, o, dtype), a, dtype);
    Expr total = constant(0, dtype);
    std::vector<Tap> taps;
    for (std::int64_t k = 0; k < 4; ++k) {
      const Expr at = place + (k - 1);
      Expr weight = weights[static_cast<std::size_t>(k)];
      if (exclude_outside)
        weight = select(logical_and(at >= Expr(0), at < Expr(in)), weight, constant(0, dtype));
      total = total + weight;
      taps.push_back({clamped(at, in), weight});
    }
    if (exclude_outside)
      for (Tap& tap : taps) tap.weight = binary(BinaryOp::div, tap.weight, total);
    return taps;
  };
}

/// The weighted sum over the taps of dimension `d` and all behind it.
Expr interpolate(const TensorView& x, const std::vector<TapsFn>& taps, std::vector<Expr>& place,
                 std::size_t d) {
  if (d == place.size()) return x(place);
  if (!taps[d]) return interpolate(x, taps, place, d + 1);
  const Expr own = place[d];
  Expr sum;
  for (const Tap& tap : taps[d](own)) {
    place[d] = tap.place;
    const Expr term = interpolate(x, taps, place, d + 1) * tap.weight;
    sum = sum ? sum + term : term;
  }
  place[d] = own;
  return sum;
}

}  // namespace

std::vector<TensorView> lower_resize(KernelBuilder&, std::span<const TensorView> inputs,
                                     const Attributes& attributes, std::span<const TensorType> outputs) {
  const Extents in = inputs[0].shape, out = to_ints(outputs[0].shape);
  const auto& scales = attributes.get_floats("scales");
  const std::string& mode = attributes.get_text("mode");
  const DType dtype = is_float(inputs[0].dtype) ? compute_dtype(inputs[0].dtype) : DType::f32;
  const std::vector<ResizeAxis> axes = resize_axes(in, attributes);
  std::vector<TapsFn> taps(in.size());
  std::vector<std::function<Expr(const Expr&)>> places(in.size());
  for (std::size_t d = 0; d < in.size(); ++d) {
    if (axes[d].is_identity) continue;
    const Coordinate c = coordinate_of(attributes.get_text("coordinates"), in[d], out[d], scales[d]);
    if (mode == "nearest") {
      places[d] = nearest(c, axes[d], in[d]);
    } else if (mode == "linear") {
      taps[d] = linear_taps(fraction_of(c), in[d], dtype);
    } else {
      TS_CHECK(mode == "cubic", "a resize of an unknown mode");
      taps[d] = cubic_taps(fraction_of(c), in[d], attributes.get_float("cubic_a"),
                           attributes.get_int_or("exclude_outside", 0) != 0, dtype);
    }
  }
  if (mode == "nearest")
    return {{outputs[0].dtype, out, [x = inputs[0], places](Indices indices) {
               std::vector<Expr> own(indices.begin(), indices.end());
               for (std::size_t d = 0; d < own.size(); ++d)
                 if (places[d]) own[d] = places[d](own[d]);
               return x(own);
             }}};
  TensorView result{dtype, out, [x = cast_view(inputs[0], dtype), taps](Indices indices) {
                      std::vector<Expr> place(indices.begin(), indices.end());
                      return interpolate(x, taps, place, 0);
                    }};
  if (!is_float(outputs[0].dtype))
    result = mapped(result, dtype, [to = outputs[0].dtype, dtype](const Expr& value) {
      const Expr whole = unary(UnaryOp::round_even, value);
      if (!saturates_when_interpolated(to)) return whole;
      return min(max(whole, constant(lowest(to), dtype)), constant(highest(to), dtype));
    });
  return {cast_view(result, outputs[0].dtype)};
}

}  // namespace tunesmith::tracer
