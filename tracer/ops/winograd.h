// Winograd's minimal filtering F(m x m, 3 x 3) for convolutions of stride 1: m x m outputs from (m+2) x (m+2)
// products instead of 9 m^2. Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
// 2015.
//
// With t = m + 2 and the matrices below, the convolution of x with w is three operators:
//   V = winograd_input {tile: m, pads} (x)     [N, C, H, W] -> [t, t, N, H'/m, W'/m, C]      B^T d B a tile
//   M = matmul of V and U, one matrix for each of the t * t places            U = winograd_weights(w)
//   y = winograd_output {tile: m} (M)          [t, t, N, H'/m, W'/m, K] -> [N, K, H', W']    A^T M A a tile
// `pads` = rows before, columns before, rows after, columns after, zeros, 0 or more; H' = H + rows - 2 and
// W' = W + columns - 2 are multiples of m. f32 and f64.
//
// Rounding differs from that of the direct sum by more than its order: for fast numerics only. The largest
// error over random data is half that of the direct sum with m = 2 and twice as large with m = 4
// (tests/tracer/winograd_test.cpp holds it below four times).
#pragma once

#include <cstdint>
#include <vector>

#include "ir/host_tensor.h"

namespace tunesmith::tracer {

/// Row-major, `columns` entries a row.
struct SmallMatrix {
  std::int64_t columns = 0;
  std::vector<double> entries;

  std::int64_t rows() const { return static_cast<std::int64_t>(entries.size()) / columns; }
  double operator()(std::int64_t row, std::int64_t column) const {
    return entries.at(static_cast<std::size_t>(row * columns + column));
  }
};

struct WinogradMatrices {
  SmallMatrix input;   // B^T, t x t
  SmallMatrix weight;  // G, t x 3
  SmallMatrix output;  // A^T, m x t
};

/// By the Cook-Toom construction over the points 0, 1, -1 (m = 2) or 0, 5/8, -5/8, 3/2, -3/2 (m = 4), and
/// infinity. The latter are exact in binary and give a quarter of the error of 0, 1, -1, 2, -2; how points
/// matter: Barabasz and others, "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep
/// Neural Networks", 2020. REQUIRES: `tile` is 2 or 4.
const WinogradMatrices& winograd_matrices(std::int64_t tile);

/// U = G w G^T for each pair of channels: [K, C, 3, 3] -> [t * t, C, K], computed in double.
ir::HostTensor winograd_weights(const ir::HostTensor& weights, std::int64_t tile);

}  // namespace tunesmith::tracer
