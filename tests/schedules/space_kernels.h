// Kernels written by hand for the tests of the schedule space: one builder a family, all shapes free.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ir/host_tensor.h"
#include "ir/kernel.h"

namespace tunesmith::schedules::test {

struct MatmulShape {
  std::int64_t m = 1, n = 1, k = 1;
  std::int64_t batch = 0;  // 0: no batch axis
  bool transpose_a = false, transpose_b = false;
  bool constant_b = false;
  bool bias_relu = false;
  ir::DType dtype = ir::DType::f32;  // f16 and bf16 operands accumulate in f32, i8 in i32
};
ir::Kernel matmul(const MatmulShape& shape);

struct ConvShape {
  std::int64_t n = 1, c = 1, h = 1, w = 1, k = 1, r = 1, s = 1;
  std::int64_t stride = 1, pad = 0, dilation = 1, groups = 1;
  bool nhwc = false;
  bool pad_stage = false;  // padding as a stage of its own rather than a guard in the body
  bool bias_relu = false;
};
ir::Kernel conv2d(const ConvShape& shape);

/// Depthwise: one filter a channel.
ir::Kernel depthwise(const ConvShape& shape);
ir::Kernel max_pool(const ConvShape& shape);
ir::Kernel softmax(std::int64_t rows, std::int64_t cols);
ir::Kernel layer_norm(std::int64_t rows, std::int64_t cols);
/// `reduced`: one flag an axis.
ir::Kernel reduction(const std::vector<std::int64_t>& shape, const std::vector<bool>& reduced,
                     ir::CombinerKind kind, ir::DType dtype = ir::DType::f32);
ir::Kernel transpose(const std::vector<std::int64_t>& shape, const std::vector<std::int32_t>& permutation);
/// relu(a + b * row), b broadcast over rows; `dtype` may be an integer.
ir::Kernel elementwise(std::int64_t rows, std::int64_t cols, ir::DType dtype = ir::DType::f32);
/// Three maps, one after another, with an intermediate that two stages read.
ir::Kernel map_chain(std::int64_t size);
ir::Kernel concat(std::int64_t rows, std::int64_t a, std::int64_t b);
ir::Kernel pad2d(std::int64_t h, std::int64_t w, std::int64_t pad);
ir::Kernel gather_rows(std::int64_t table, std::int64_t rows, std::int64_t cols);
/// Index of the largest element of each row: a tuple state.
ir::Kernel argmax(std::int64_t rows, std::int64_t cols);
/// relu(x w1) w2: two contractions.
ir::Kernel mlp(std::int64_t m, std::int64_t k, std::int64_t hidden, std::int64_t n);

/// Tiles of 2x2 outputs from 4x4 inputs in two stages, rows then columns; each is a choice among two sums by the
/// place in the tile. `tiles_first`: the last stage walks tiles outermost, else the places in a tile.
ir::Kernel tile_transform(std::int64_t rows, std::int64_t cols, std::int64_t channels, bool tiles_first);

struct NamedKernel {
  std::string name;
  ir::Kernel kernel;
};
/// Every family at small and awkward shapes.
std::vector<NamedKernel> family_kernels();

/// What results may be off by, relative to the larger of their size and 1; 0 for integers.
double tolerance_of(ir::DType dtype);

/// Random inputs of a kernel in calling order, physical layout; small integers, so that every order of a sum
/// gives the same result.
std::vector<ir::HostTensor> random_inputs(const ir::Kernel& kernel, std::uint64_t seed);

}  // namespace tunesmith::schedules::test
