// Matrix products with scaling, attention, and normalisation by statistics.
#include <cmath>
#include <limits>

#include "ir/support/error.h"
#include "tracer/composites.h"
#include "tracer/composites_util.h"

namespace tunesmith::tracer::ops {

using ir::BinaryOp;
using ir::UnaryOp;

namespace {

void require_rank(const Graph& graph, ValueId x, std::size_t rank, std::string_view what) {
  if (rank_of(graph, x) != rank)
    throw_user_error("{} has {} dimensions, not {}", what, rank_of(graph, x), rank);
}

/// A vector over channels as it broadcasts to [N, C, …] of `rank` dimensions.
ValueId along_channels(Graph& graph, ValueId vector, std::size_t rank) {
  Ints shape(rank - 1, 1);
  shape[0] = -1;
  return reshape(graph, vector, std::move(shape));
}

/// Extents of one attention: batch, heads of Q, heads of K and V, queries, keys.
struct HeadShape {
  std::int64_t batch, heads, groups, queries, keys;
  bool grouped() const { return heads != groups; }
  std::int64_t sharing() const { return heads / groups; }
};

HeadShape head_shape(const Graph& graph, ValueId q, ValueId k, ValueId v) {
  require_rank(graph, q, 4, "attention: Q");
  require_rank(graph, k, 4, "attention: K");
  require_rank(graph, v, 4, "attention: V");
  const Ints qs = shape_of(graph, q), ks = shape_of(graph, k), vs = shape_of(graph, v);
  if (ks[1] == 0 || qs[1] % ks[1] != 0 || vs[1] != ks[1])
    throw_user_error("attention: {} heads of K and {} of V do not serve {} heads of Q", ks[1], vs[1], qs[1]);
  if (qs[3] != ks[3]) throw_user_error("attention: heads of Q have {} elements, those of K {}", qs[3], ks[3]);
  if (ks[2] != vs[2]) throw_user_error("attention: K has {} positions, V {}", ks[2], vs[2]);
  if (qs[0] != ks[0] || qs[0] != vs[0])
    throw_user_error("attention: the batches {}, {} and {} of Q, K and V differ", qs[0], ks[0], vs[0]);
  return {qs[0], qs[1], ks[1], qs[2], ks[2]};
}

/// Q, K or V with the heads split as [groups, sharing].
ValueId split_heads(Graph& graph, ValueId x, const HeadShape& heads) {
  if (!heads.grouped()) return x;
  const Ints own = shape_of(graph, x);
  return reshape(graph, x, {own[0], heads.groups, own[1] / heads.groups, own[2], own[3]});
}

/// The mask with as many dimensions as the scores.
ValueId aligned_mask(Graph& graph, ValueId mask, const HeadShape& heads) {
  Ints shape = shape_of(graph, mask);
  if (shape.size() > 4)
    throw_user_error("attention: the mask has {} dimensions, at most 4 fit", shape.size());
  shape.insert(shape.begin(), 4 - shape.size(), 1);
  if (!heads.grouped()) return reshape(graph, mask, std::move(shape));
  const bool one = shape[1] == 1;
  return reshape(graph, mask,
                 {shape[0], one ? 1 : heads.groups, one ? 1 : heads.sharing(), shape[2], shape[3]});
}

ValueId masked(Graph& graph, ValueId scores, const HeadShape& heads, const AttentionOptions& options) {
  const ValueId never = scalar_like(graph, scores, -std::numeric_limits<double>::infinity());
  if (options.causal) {
    const ValueId query = iota(graph, DType::i64, {heads.queries, 1}, 0);
    const ValueId key = iota(graph, DType::i64, {1, heads.keys}, 1);
    const ValueId last = add(graph, query, static_cast<double>(options.causal_offset));
    scores = where(graph, binary(graph, BinaryOp::le, key, last), scores, never);
  }
  if (!options.mask) return scores;
  const ValueId mask = aligned_mask(graph, *options.mask, heads);
  if (graph.type(mask).dtype == DType::boolean) return where(graph, mask, scores, never);
  return add(graph, scores, cast(graph, mask, graph.type(scores).dtype));
}

}  // namespace

ValueId gemm(Graph& graph, ValueId a, ValueId b, std::optional<ValueId> c, const GemmOptions& options) {
  require_rank(graph, a, 2, "gemm: A");
  require_rank(graph, b, 2, "gemm: B");
  if (options.transpose_a) a = swap_axes(graph, a, 0, 1);
  if (options.transpose_b) b = swap_axes(graph, b, 0, 1);
  ValueId y = matmul(graph, a, b);
  if (options.alpha != 1) y = mul(graph, y, options.alpha);
  if (c && options.beta != 0) y = add(graph, y, options.beta == 1 ? *c : mul(graph, *c, options.beta));
  return y;
}

ValueId attention(Graph& graph, ValueId q, ValueId k, ValueId v, const AttentionOptions& options) {
  const HeadShape heads = head_shape(graph, q, k, v);
  const DType dtype = graph.type(q).dtype, wide = wide_dtype(dtype);
  const std::int64_t depth = shape_of(graph, q)[3], width = shape_of(graph, v)[3];
  const double scale = options.scale.value_or(1 / std::sqrt(static_cast<double>(depth)));
  auto prepared = [&](ValueId x) { return cast(graph, split_heads(graph, x, heads), wide); };

  ValueId scores = matmul(graph, prepared(q), swap_axes(graph, prepared(k), -2, -1));
  if (scale != 1) scores = mul(graph, scores, scale);
  if (options.softcap > 0)
    scores =
        mul(graph, unary(graph, UnaryOp::tanh, mul(graph, scores, 1 / options.softcap)), options.softcap);
  const ValueId weights = softmax(graph, masked(graph, scores, heads, options), -1);
  ValueId y = matmul(graph, weights, prepared(v));
  if (heads.grouped()) y = reshape(graph, y, {heads.batch, heads.heads, heads.queries, width});
  return cast(graph, y, dtype);
}

ValueId batch_norm(Graph& graph, ValueId x, ValueId scale, ValueId bias, ValueId mean, ValueId variance,
                   double epsilon) {
  const std::size_t rank = rank_of(graph, x);
  if (rank < 2) throw_user_error("batch_norm: the input has {} dimensions, at least 2 are needed", rank);
  const DType wide = wide_dtype(graph.type(x).dtype);
  auto statistic = [&](ValueId value) { return cast(graph, value, wide); };
  const ValueId deviation = unary(graph, UnaryOp::sqrt, add(graph, statistic(variance), epsilon));
  const ValueId factor = div(graph, statistic(scale), deviation);
  const ValueId offset = sub(graph, statistic(bias), mul(graph, statistic(mean), factor));
  return in_wide(graph, x, [&](ValueId value) {
    return add(graph, mul(graph, value, along_channels(graph, factor, rank)),
               along_channels(graph, offset, rank));
  });
}

ValueId instance_norm(Graph& graph, ValueId x, ValueId scale, ValueId bias, double epsilon) {
  if (rank_of(graph, x) < 3)
    throw_user_error("instance_norm: the input has {} dimensions, at least 3 are needed", rank_of(graph, x));
  return group_norm(graph, x, scale, bias, to_ints({graph.type(x).shape[1]})[0], epsilon);
}

ValueId lp_normalization(Graph& graph, ValueId x, std::int64_t axis, std::int64_t p) {
  if (p != 1 && p != 2) throw_user_error("lp_normalization: p={}; accepted: 1, 2", p);
  return in_wide(graph, x, [&](ValueId v) {
    const ValueId norm = reduce(graph, p == 1 ? "l1" : "l2", v, {axis}, true);
    const ValueId zero = scalar_like(graph, v, 0);
    return where(graph, binary(graph, BinaryOp::eq, norm, zero), zero, div(graph, v, norm));
  });
}

namespace {

Ints spatial_axes(const Graph& graph, ValueId x, std::string_view op) {
  if (rank_of(graph, x) < 3) throw_user_error("{}: the input has no spatial axis", op);
  Ints axes;
  for (std::size_t d = 2; d < rank_of(graph, x); ++d) axes.push_back(static_cast<std::int64_t>(d));
  return axes;
}

}  // namespace

ValueId global_average_pool(Graph& graph, ValueId x) {
  return reduce(graph, "mean", x, spatial_axes(graph, x, "global_average_pool"), true);
}

ValueId global_max_pool(Graph& graph, ValueId x) {
  return reduce(graph, "max", x, spatial_axes(graph, x, "global_max_pool"), true);
}

}  // namespace tunesmith::tracer::ops
