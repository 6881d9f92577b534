// Typed construction of operators: one function an operator kind, which fills in the attributes that the
// kind's row takes (infer.h) and adds it to the graph. Importers, composites and the tracing API go through
// here. Data movement that moves nothing gives the operand back. Axes may be negative. Errors: UserError, as
// Graph::add. Not synchronised.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tracer/graph.h"

namespace tunesmith::tracer::ops {

using Ints = std::vector<std::int64_t>;

// Constants
/// A constant of no dimensions.
ValueId scalar(Graph& graph, DType dtype, double value);
/// A scalar of the dtype of `like`.
ValueId scalar_like(Graph& graph, ValueId like, double value);
/// A one-dimensional i64 constant.
ValueId index_vector(Graph& graph, const Ints& values);

// Elementwise, with NumPy broadcasting
ValueId unary(Graph& graph, ir::UnaryOp op, ValueId x);
ValueId binary(Graph& graph, ir::BinaryOp op, ValueId a, ValueId b);
ValueId where(Graph& graph, ValueId condition, ValueId yes, ValueId no);
/// Returns `x` itself where it has that dtype already. `saturate` matters to 8-bit floats.
ValueId cast(Graph& graph, ValueId x, DType to, bool saturate = true);
ValueId bit_cast(Graph& graph, ValueId x, DType to);

// Data movement
/// One extent may be -1: what is left of the element count, which may be symbolic.
ValueId reshape(Graph& graph, ValueId x, Ints shape);
ValueId transpose(Graph& graph, ValueId x, Ints perm);
/// An extent of -1: the operand's own.
ValueId expand(Graph& graph, ValueId x, Ints shape);
ValueId concat(Graph& graph, std::vector<ValueId> parts, std::int64_t axis);
/// Element i of each axis of the result is element starts + i * steps of the operand. Size -1 with start 0
/// and step 1: the whole axis.
ValueId slice(Graph& graph, ValueId x, Ints starts, Ints sizes, Ints steps);
/// Elements [begin, end) of one axis; counted from the end where negative, cut to the axis.
ValueId slice_axis(Graph& graph, ValueId x, std::int64_t axis, std::int64_t begin, std::int64_t end);
/// `pads`: before each axis, then after each axis; negative crops. Modes: constant, reflect, edge, wrap.
ValueId pad(Graph& graph, ValueId x, Ints pads, std::string mode = "constant", double value = 0);
ValueId tile(Graph& graph, ValueId x, Ints repeats);
ValueId gather(Graph& graph, ValueId data, ValueId indices, std::int64_t axis);
ValueId gather_elements(Graph& graph, ValueId data, ValueId indices, std::int64_t axis);
ValueId gather_nd(Graph& graph, ValueId data, ValueId indices, std::int64_t batch_dims = 0);
/// 0, 1, 2, … along `axis`, repeated along the others.
ValueId iota(Graph& graph, DType dtype, Ints shape, std::int64_t axis);

struct ResizeOptions {
  Ints sizes = {};                         // all axes of the result
  std::vector<double> scales = {};         // all axes; empty: sizes over the operand's extents
  std::string mode = "nearest";            // nearest, linear, cubic
  std::string coordinates = "half_pixel";  // see infer.h
  std::string nearest = "round_prefer_floor";
  double cubic_a = -0.75;
  bool exclude_outside = false;
  bool antialias = false;
  double extrapolation = 0;
  std::vector<double> roi = {};  // tf_crop_and_resize: begin of each axis, then end of each axis
};
ValueId resize(Graph& graph, ValueId x, const ResizeOptions& options);

// Contractions and windows
ValueId matmul(Graph& graph, ValueId a, ValueId b);

/// Lists have one entry a spatial axis; empty means 1 (strides, dilations) or 0 (pads, output_padding).
/// `pads`: before each axis, then after each axis.
struct ConvOptions {
  Ints strides = {}, dilations = {}, pads = {};
  std::int64_t groups = 1;
  Ints output_padding = {};  // conv_transpose only
};
/// x [N, C, spatial…], w [K, C / groups, window…], bias [K].
ValueId conv(Graph& graph, ValueId x, ValueId w, std::optional<ValueId> bias,
             const ConvOptions& options = {});
/// x [N, C, spatial…], w [C, K / groups, window…], bias [K].
ValueId conv_transpose(Graph& graph, ValueId x, ValueId w, std::optional<ValueId> bias,
                       const ConvOptions& options = {});
/// Pads for which an axis of `extent` gives ceil(extent / stride) places, as ConvOptions wants them. The odd
/// element goes behind where `upper`, else in front.
Ints same_pads(std::span<const std::int64_t> extents, std::span<const std::int64_t> kernel,
               std::span<const std::int64_t> strides, std::span<const std::int64_t> dilations, bool upper);

struct PoolOptions {
  Ints kernel = {}, strides = {}, dilations = {}, pads = {};  // as ConvOptions
  bool ceil_mode = false;
  bool count_include_pad = false;  // average
  std::int64_t p = 2;              // lp
  bool column_major = false;       // indices of max_pool_with_indices
};
ValueId max_pool(Graph& graph, ValueId x, const PoolOptions& options);
ValueId average_pool(Graph& graph, ValueId x, const PoolOptions& options);
ValueId lp_pool(Graph& graph, ValueId x, const PoolOptions& options);
/// Maxima and their places, flat in the whole operand.
std::pair<ValueId, ValueId> max_pool_with_indices(Graph& graph, ValueId x, const PoolOptions& options);

// Reductions and normalisations
/// `op`: sum, mean, prod, min, max, sum_square, l1, l2, log_sum or log_sum_exp. Empty `axes`: all of them.
/// Of integers, the roots and logarithms are truncated.
ValueId reduce(Graph& graph, std::string op, ValueId x, Ints axes = {}, bool keepdims = false);
ValueId arg_max(Graph& graph, ValueId x, std::int64_t axis, bool keepdims = false, bool select_last = false);
ValueId arg_min(Graph& graph, ValueId x, std::int64_t axis, bool keepdims = false, bool select_last = false);
ValueId softmax(Graph& graph, ValueId x, std::int64_t axis = -1);
ValueId log_softmax(Graph& graph, ValueId x, std::int64_t axis = -1);
/// Over `axis` and all behind it; scale and bias broadcast over these. A bias needs a scale.
ValueId layer_norm(Graph& graph, ValueId x, std::optional<ValueId> scale, std::optional<ValueId> bias,
                   std::int64_t axis = -1, double epsilon = 1e-5);
ValueId rms_norm(Graph& graph, ValueId x, std::optional<ValueId> scale, std::int64_t axis = -1,
                 double epsilon = 1e-5);
/// x [N, C, …], scale [C], bias [C].
ValueId group_norm(Graph& graph, ValueId x, ValueId scale, ValueId bias, std::int64_t groups,
                   double epsilon = 1e-5);
/// Across channels: x / (bias + alpha / size * sum of squares of the window of `size` channels) ^ beta.
ValueId lrn(Graph& graph, ValueId x, std::int64_t size, double alpha = 1e-4, double beta = 0.75,
            double bias = 1);

// Without a loop-nest form
struct CumulateOptions {
  bool exclusive = false;
  bool reverse = false;
};
ValueId cumulative_sum(Graph& graph, ValueId x, std::int64_t axis, CumulateOptions options = {});
ValueId cumulative_product(Graph& graph, ValueId x, std::int64_t axis, CumulateOptions options = {});
/// `reduction`: none, add, mul, min or max.
ValueId scatter_elements(Graph& graph, ValueId data, ValueId indices, ValueId updates, std::int64_t axis,
                         std::string reduction = "none");
ValueId scatter_nd(Graph& graph, ValueId data, ValueId indices, ValueId updates,
                   std::string reduction = "none");
/// The k largest (or smallest) elements of each row in order, and their places (i64).
std::pair<ValueId, ValueId> top_k(Graph& graph, ValueId x, std::int64_t k, std::int64_t axis = -1,
                                  bool largest = true);

}  // namespace tunesmith::tracer::ops
