#include "tracer/ops/winograd.h"

#include <cmath>

#include "ir/support/check.h"

namespace tunesmith::tracer {

using i64 = std::int64_t;

namespace {

/// The Cook-Toom construction of F(m, 3) over m + 1 points and infinity.
WinogradMatrices cook_toom(i64 m, const std::vector<double>& points) {
  const std::size_t t = points.size() + 1;
  // Coefficients of the product of (x - p) over all points but `left_out`, lowest power first.
  auto polynomial = [&](std::size_t left_out) {
    std::vector<double> product{1};
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (i == left_out) continue;
      product.insert(product.begin(), 0);
      for (std::size_t power = 0; power + 1 < product.size(); ++power)
        product[power] -= points[i] * product[power + 1];
    }
    product.resize(t, 0);
    return product;
  };
  WinogradMatrices result;
  result.input.columns = result.output.columns = static_cast<i64>(t);
  result.weight.columns = 3;
  for (std::size_t i = 0; i < t; ++i) {
    const auto row = polynomial(i);
    result.input.entries.insert(result.input.entries.end(), row.begin(), row.end());
    double scale = 1;
    for (std::size_t j = 0; j < points.size(); ++j)
      if (i < points.size() && j != i) scale *= points[i] - points[j];
    for (int power = 0; power < 3; ++power)
      result.weight.entries.push_back(i < points.size() ? std::pow(points[i], power) / scale : power == 2);
  }
  for (i64 power = 0; power < m; ++power) {
    for (double point : points) result.output.entries.push_back(std::pow(point, power));
    result.output.entries.push_back(power == m - 1);
  }
  return result;
}

}  // namespace

const WinogradMatrices& winograd_matrices(i64 tile) {
  static const WinogradMatrices two = cook_toom(2, {0, 1, -1});
  static const WinogradMatrices four = cook_toom(4, {0, 0.625, -0.625, 1.5, -1.5});
  TS_CHECK(tile == 2 || tile == 4, "a Winograd tile other than 2 and 4");
  return tile == 2 ? two : four;
}

ir::HostTensor winograd_weights(const ir::HostTensor& weights, i64 tile) {
  const SmallMatrix& g = winograd_matrices(tile).weight;
  const i64 outputs = weights.shape().at(0), channels = weights.shape().at(1), t = g.rows();
  ir::HostTensor result(weights.dtype(), {t * t, channels, outputs});
  for (i64 k = 0; k < outputs; ++k)
    for (i64 c = 0; c < channels; ++c)
      for (i64 i = 0; i < t; ++i)
        for (i64 j = 0; j < t; ++j) {
          double sum = 0;
          for (i64 a = 0; a < 3; ++a)
            for (i64 b = 0; b < 3; ++b)
              sum += g(i, a) * g(j, b) * weights.at(((k * channels + c) * 3 + a) * 3 + b);
          result.set(((i * t + j) * channels + c) * outputs + k, sum);
        }
  return result;
}

}  // namespace tunesmith::tracer
