// Composites: operators that are made of the table's operators. Each function adds its parts to the graph and
// returns the result; the fusion pass makes one kernel of them again. Narrow floats are computed in f32 where
// a composite has several roundings, and rounded once at the end. Axes may be negative. Errors: UserError
// that names the composite. Not synchronised.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tracer/ops/build.h"

namespace tunesmith::tracer::ops {

// Activations. A NaN stays a NaN in all of them.
ValueId relu(Graph& graph, ValueId x);
/// x where x >= 0, else slope * x; `slope` broadcasts.
ValueId prelu(Graph& graph, ValueId x, ValueId slope);
ValueId leaky_relu(Graph& graph, ValueId x, double slope = 0.01);
/// x where x > threshold, else 0.
ValueId thresholded_relu(Graph& graph, ValueId x, double threshold = 1.0);
ValueId elu(Graph& graph, ValueId x, double alpha = 1.0);
ValueId celu(Graph& graph, ValueId x, double alpha = 1.0);
ValueId selu(Graph& graph, ValueId x, double alpha = 1.67326319217681884765625,
             double gamma = 1.05070102214813232421875);
ValueId sigmoid(Graph& graph, ValueId x);
ValueId hard_sigmoid(Graph& graph, ValueId x, double alpha = 0.2, double beta = 0.5);
ValueId hard_swish(Graph& graph, ValueId x);
/// x * sigmoid(alpha * x); alpha 1 is SiLU.
ValueId silu(Graph& graph, ValueId x, double alpha = 1.0);
enum class GeluForm : std::uint8_t { erf, tanh };
ValueId gelu(Graph& graph, ValueId x, GeluForm form = GeluForm::erf);
/// log(1 + exp(x)), without overflow.
ValueId softplus(Graph& graph, ValueId x);
ValueId softsign(Graph& graph, ValueId x);
ValueId mish(Graph& graph, ValueId x);
/// x + bias below -lambda, x - bias above lambda, else 0.
ValueId shrink(Graph& graph, ValueId x, double bias = 0.0, double lambda = 0.5);
/// Between `low` and `high`, each of which may be absent; `high` wins where they cross.
ValueId clip(Graph& graph, ValueId x, std::optional<ValueId> low, std::optional<ValueId> high);
ValueId clip(Graph& graph, ValueId x, double low, double high);

// Shapes
/// Removes axes of extent 1; empty `axes`: all such axes.
ValueId squeeze(Graph& graph, ValueId x, Ints axes = {});
/// Inserts axes of extent 1; `axes` count in the result.
ValueId unsqueeze(Graph& graph, ValueId x, Ints axes);
/// Two dimensions: the axes before `axis`, and the rest. Here `axis` may be the rank.
ValueId flatten(Graph& graph, ValueId x, std::int64_t axis = 1);
std::vector<ValueId> split(Graph& graph, ValueId x, std::int64_t axis, const Ints& sizes);
/// `parts` pieces; the last one is smaller where the axis does not divide.
std::vector<ValueId> split_evenly(Graph& graph, ValueId x, std::int64_t axis, std::int64_t parts);
/// Exchanges two axes.
ValueId swap_axes(Graph& graph, ValueId x, std::int64_t a, std::int64_t b);
/// The upper or lower triangle of the last two axes from diagonal k on; zeros elsewhere.
ValueId trilu(Graph& graph, ValueId x, bool upper, std::int64_t k = 0);
/// A new axis of extent `depth`: `on` at the place that the index says (from the end where negative), else
/// `off`; indices out of range give `off` only. `on`, `off`: scalars of one dtype.
ValueId one_hot(Graph& graph, ValueId indices, std::int64_t depth, ValueId on, ValueId off,
                std::int64_t axis = -1);

// Linear algebra
struct GemmOptions {
  double alpha = 1, beta = 1;
  bool transpose_a = false, transpose_b = false;
};
/// alpha * A B + beta * C over two-dimensional A and B; C broadcasts.
ValueId gemm(Graph& graph, ValueId a, ValueId b, std::optional<ValueId> c, const GemmOptions& options = {});
/// Einstein summation, e.g. "bij,bjk->bik": ellipsis, repeated labels and implicit output as in NumPy.
ValueId einsum(Graph& graph, std::string_view equation, const std::vector<ValueId>& operands);

struct AttentionOptions {
  std::optional<ValueId> mask =
      {};  // broadcasts to [B, H, S, T]; bool (true: may look) or a float that is added
  std::optional<double> scale = {};  // 1 / sqrt(D) unless given
  bool causal = false;               // query i looks at keys 0 … i + causal_offset only
  std::int64_t causal_offset = 0;
  double softcap = 0;  // above 0: scores become softcap * tanh(scores / softcap)
};
/// softmax(Q Kᵀ * scale + mask) V over Q [B, H, S, D], K [B, G, T, D], V [B, G, T, E], where G divides H
/// (each head of K and V serves H / G heads of Q). Result [B, H, S, E].
ValueId attention(Graph& graph, ValueId q, ValueId k, ValueId v, const AttentionOptions& options = {});

// Normalisation
/// (x - mean) / sqrt(variance + epsilon) * scale + bias a channel; the four are [C].
ValueId batch_norm(Graph& graph, ValueId x, ValueId scale, ValueId bias, ValueId mean, ValueId variance,
                   double epsilon = 1e-5);
ValueId instance_norm(Graph& graph, ValueId x, ValueId scale, ValueId bias, double epsilon = 1e-5);
/// x / its p-norm along `axis`; p is 1 or 2.
ValueId lp_normalization(Graph& graph, ValueId x, std::int64_t axis = -1, std::int64_t p = 2);

// Pooling over all spatial axes, which stay with extent 1
ValueId global_average_pool(Graph& graph, ValueId x);
ValueId global_max_pool(Graph& graph, ValueId x);

}  // namespace tunesmith::tracer::ops
