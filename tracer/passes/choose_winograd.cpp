#include "tracer/passes/choose_winograd.h"

#include <algorithm>
#include <optional>

#include "tracer/ops/winograd.h"
#include "tracer/passes/op_traits.h"
#include "tracer/passes/rebuild.h"

namespace tunesmith::tracer {

namespace {

using i64 = std::int64_t;
using Extents = std::vector<i64>;

/// Floating-point operations in the time that one byte takes between the kernels of the algorithm: the ratio
/// of a core's peak to the bandwidth of its shared cache, which is much alike from one machine to the next.
constexpr double flops_per_byte = 5;
/// Estimates closer than this leave the convolution as it is.
constexpr double worthwhile = 0.8;

struct Convolution {
  Extents x, weight;  // N C H W, K C 3 3
  Extents pads;
  i64 rows = 0, columns = 0;  // of the output

  double flops_direct() const { return 2.0 * 9 * static_cast<double>(weight[0] * weight[1] * points()); }
  i64 points() const { return x[0] * rows * columns; }
};

/// The convolution if the algorithm applies to it at all.
std::optional<Convolution> as_candidate(const Graph& graph, const Op& op) {
  if (op.kind != OpKind::conv || fusion_kind(graph, op) != FusionKind::contraction) return std::nullopt;
  if (op.outputs[0].dtype != ir::DType::f32 && op.outputs[0].dtype != ir::DType::f64) return std::nullopt;
  if (graph.op(op.inputs[1]).kind != OpKind::constant) return std::nullopt;
  Convolution conv{shape_of(graph, op.inputs[0]), shape_of(graph, op.inputs[1]),
                   op.attributes.get_ints("pads")};
  if (conv.x.size() != 4 || conv.weight[2] != 3 || conv.weight[3] != 3) return std::nullopt;
  auto all = [&](const char* name, auto accepts) {
    return std::ranges::all_of(op.attributes.get_ints(name), accepts);
  };
  auto is_one = [](i64 value) { return value == 1; };
  if (op.attributes.get_int("groups") != 1 || !all("strides", is_one) || !all("dilations", is_one) ||
      !all("pads", [](i64 pad) { return pad >= 0; }))
    return std::nullopt;
  const Extents out = to_ints(op.outputs[0].shape);
  conv.rows = out[2];
  conv.columns = out[3];
  return conv;
}

/// What the three kernels cost, bytes counted as operations.
double cost_of(const Convolution& conv, i64 tile) {
  const i64 t = tile + 2, c = conv.weight[1], k = conv.weight[0];
  const i64 tiles = conv.points() / (tile * tile);
  const double products = 2.0 * static_cast<double>(t * t * tiles * c * k);
  const double transforms = 2.0 * static_cast<double>(t * t * t * tiles * (c + k));
  const i64 elements =
      conv.x[0] * c * conv.x[2] * conv.x[3] + 2 * t * t * tiles * (c + k) + k * conv.points() + t * t * c * k;
  return products + transforms + flops_per_byte * 4 * static_cast<double>(elements);
}

std::optional<i64> best_tile(const Convolution& conv) {
  std::optional<i64> best;
  double least = worthwhile * conv.flops_direct();
  for (i64 tile : {4, 2}) {
    if (conv.rows % tile != 0 || conv.columns % tile != 0) continue;
    const double cost = cost_of(conv, tile);
    if (cost < least) best = tile, least = cost;
  }
  return best;
}

ValueId reshape(Graph& graph, ValueId value, const Extents& shape, const std::string& name) {
  return graph.add(OpKind::reshape, {value}, reshape_attributes(shape), name);
}

}  // namespace

Graph choose_winograd(const Graph& source) {
  GraphRebuilder rebuild(source);
  rebuild.replace_each([&](const Op& op) -> std::optional<ValueId> {
    const auto conv = as_candidate(source, op);
    const auto tile = conv ? best_tile(*conv) : std::nullopt;
    if (!tile) return std::nullopt;
    Graph& graph = rebuild.graph();
    const i64 t = *tile + 2, c = conv->weight[1], k = conv->weight[0];
    const i64 rows = conv->rows / *tile, columns = conv->columns / *tile;
    const Op& weights = source.op(op.inputs[1]);
    const ValueId u = graph.add_constant(winograd_weights(weights.data, *tile), weights.name);
    const ValueId v = graph.add(OpKind::winograd_input, {rebuild(op.inputs[0])},
                                {{"tile", *tile}, {"pads", conv->pads}}, op.name);
    const ValueId products =
        graph.add(OpKind::matmul, {reshape(graph, v, {t * t, conv->x[0] * rows * columns, c}, op.name), u},
                  {}, op.name);
    const ValueId result = graph.add(
        OpKind::winograd_output, {reshape(graph, products, {t, t, conv->x[0], rows, columns, k}, op.name)},
        {{"tile", *tile}}, op.name);
    if (op.inputs.size() < 3) return result;
    const ValueId bias = reshape(graph, rebuild(op.inputs[2]), {k, 1, 1}, op.name);
    return graph.add(OpKind::binary, {result, bias}, {{"op", std::string("add")}}, op.name);
  });
  return std::move(rebuild).finish();
}

}  // namespace tunesmith::tracer
