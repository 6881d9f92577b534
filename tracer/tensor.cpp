#include "tracer/tensor.h"

#include "ir/support/error.h"

namespace tunesmith::tracer {
namespace {

/// The graph that both belong to.
Graph& common(const Tensor& a, const Tensor& b) {
  if (&a.graph() != &b.graph()) throw_user_error("an operator takes tensors of two traces");
  return a.graph();
}

template <class... Rest>
Graph& common(const Tensor& a, const Tensor& b, const Rest&... rest) {
  common(a, b);
  return common(b, rest...);
}

std::optional<ValueId> value_of(const Tensor& like, const std::optional<Tensor>& x) {
  if (!x) return std::nullopt;
  common(like, *x);
  return x->value();
}

std::vector<ValueId> values_of(const std::vector<Tensor>& tensors, std::string_view op) {
  if (tensors.empty()) throw_user_error("{}: no tensors were given", op);
  std::vector<ValueId> values;
  for (const Tensor& tensor : tensors) {
    common(tensors[0], tensor);
    values.push_back(tensor.value());
  }
  return values;
}

std::vector<Tensor> tensors_of(Graph& graph, const std::vector<ValueId>& values) {
  std::vector<Tensor> tensors;
  for (const ValueId value : values) tensors.emplace_back(graph, value);
  return tensors;
}

Tensor reduced(const Tensor& x, std::string op, ops::Ints axes, bool keepdims) {
  return {x.graph(), ops::reduce(x.graph(), std::move(op), x.value(), std::move(axes), keepdims)};
}

}  // namespace

Graph& Tensor::graph() const {
  if (graph_ == nullptr) throw_user_error("a tensor is used that no trace has made");
  return *graph_;
}

Tensor unary(ir::UnaryOp op, const Tensor& x) { return {x.graph(), ops::unary(x.graph(), op, x.value())}; }

Tensor binary(ir::BinaryOp op, const Tensor& a, const Tensor& b) {
  Graph& graph = common(a, b);
  return {graph, ops::binary(graph, op, a.value(), b.value())};
}

Tensor operator-(const Tensor& x) { return unary(ir::UnaryOp::neg, x); }
Tensor operator~(const Tensor& x) {
  return unary(x.dtype() == DType::boolean ? ir::UnaryOp::logical_not : ir::UnaryOp::bit_not, x);
}

Tensor operator+(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::add, a, b); }
Tensor operator-(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::sub, a, b); }
Tensor operator*(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::mul, a, b); }
Tensor operator/(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::div, a, b); }
Tensor operator==(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::eq, a, b); }
Tensor operator!=(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::ne, a, b); }
Tensor operator<(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::lt, a, b); }
Tensor operator<=(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::le, a, b); }
Tensor operator>(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::gt, a, b); }
Tensor operator>=(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::ge, a, b); }
Tensor operator&(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::bit_and, a, b); }
Tensor operator|(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::bit_or, a, b); }
Tensor operator^(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::bit_xor, a, b); }
Tensor max(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::max, a, b); }
Tensor min(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::min, a, b); }
Tensor pow(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::pow, a, b); }
Tensor mod(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::mod, a, b); }
Tensor floor_div(const Tensor& a, const Tensor& b) { return binary(ir::BinaryOp::floor_div, a, b); }
Tensor pow(const Tensor& a, double b) { return pow(a, a.number(b)); }

Tensor relu(const Tensor& x) { return {x.graph(), ops::relu(x.graph(), x.value())}; }
Tensor leaky_relu(const Tensor& x, double slope) {
  return {x.graph(), ops::leaky_relu(x.graph(), x.value(), slope)};
}
Tensor prelu(const Tensor& x, const Tensor& slope) {
  return {x.graph(), ops::prelu(common(x, slope), x.value(), slope.value())};
}
Tensor elu(const Tensor& x, double alpha) { return {x.graph(), ops::elu(x.graph(), x.value(), alpha)}; }
Tensor celu(const Tensor& x, double alpha) { return {x.graph(), ops::celu(x.graph(), x.value(), alpha)}; }
Tensor selu(const Tensor& x) { return {x.graph(), ops::selu(x.graph(), x.value())}; }
Tensor sigmoid(const Tensor& x) { return {x.graph(), ops::sigmoid(x.graph(), x.value())}; }
Tensor hard_swish(const Tensor& x) { return {x.graph(), ops::hard_swish(x.graph(), x.value())}; }
Tensor silu(const Tensor& x) { return {x.graph(), ops::silu(x.graph(), x.value())}; }
Tensor softplus(const Tensor& x) { return {x.graph(), ops::softplus(x.graph(), x.value())}; }
Tensor softsign(const Tensor& x) { return {x.graph(), ops::softsign(x.graph(), x.value())}; }
Tensor mish(const Tensor& x) { return {x.graph(), ops::mish(x.graph(), x.value())}; }
Tensor hard_sigmoid(const Tensor& x, double alpha, double beta) {
  return {x.graph(), ops::hard_sigmoid(x.graph(), x.value(), alpha, beta)};
}
Tensor gelu(const Tensor& x, ops::GeluForm form) {
  return {x.graph(), ops::gelu(x.graph(), x.value(), form)};
}
Tensor clip(const Tensor& x, double low, double high) {
  return {x.graph(), ops::clip(x.graph(), x.value(), low, high)};
}

Tensor where(const Tensor& condition, const Tensor& yes, const Tensor& no) {
  return {yes.graph(), ops::where(common(condition, yes, no), condition.value(), yes.value(), no.value())};
}
Tensor cast(const Tensor& x, DType to) { return {x.graph(), ops::cast(x.graph(), x.value(), to)}; }
Tensor bit_cast(const Tensor& x, DType to) { return {x.graph(), ops::bit_cast(x.graph(), x.value(), to)}; }

Tensor reshape(const Tensor& x, ops::Ints shape) {
  return {x.graph(), ops::reshape(x.graph(), x.value(), std::move(shape))};
}
Tensor transpose(const Tensor& x, ops::Ints perm) {
  return {x.graph(), ops::transpose(x.graph(), x.value(), std::move(perm))};
}
Tensor swap_axes(const Tensor& x, std::int64_t a, std::int64_t b) {
  return {x.graph(), ops::swap_axes(x.graph(), x.value(), a, b)};
}
Tensor expand(const Tensor& x, ops::Ints shape) {
  return {x.graph(), ops::expand(x.graph(), x.value(), std::move(shape))};
}
Tensor squeeze(const Tensor& x, ops::Ints axes) {
  return {x.graph(), ops::squeeze(x.graph(), x.value(), std::move(axes))};
}
Tensor unsqueeze(const Tensor& x, ops::Ints axes) {
  return {x.graph(), ops::unsqueeze(x.graph(), x.value(), std::move(axes))};
}
Tensor flatten(const Tensor& x, std::int64_t axis) {
  return {x.graph(), ops::flatten(x.graph(), x.value(), axis)};
}
Tensor concat(const std::vector<Tensor>& parts, std::int64_t axis) {
  std::vector<ValueId> values = values_of(parts, "concat");
  return {parts[0].graph(), ops::concat(parts[0].graph(), std::move(values), axis)};
}
std::vector<Tensor> split(const Tensor& x, std::int64_t axis, const ops::Ints& sizes) {
  return tensors_of(x.graph(), ops::split(x.graph(), x.value(), axis, sizes));
}
std::vector<Tensor> split_evenly(const Tensor& x, std::int64_t axis, std::int64_t parts) {
  return tensors_of(x.graph(), ops::split_evenly(x.graph(), x.value(), axis, parts));
}
Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t begin, std::int64_t end) {
  return {x.graph(), ops::slice_axis(x.graph(), x.value(), axis, begin, end)};
}
Tensor pad(const Tensor& x, ops::Ints pads, std::string mode, double value) {
  return {x.graph(), ops::pad(x.graph(), x.value(), std::move(pads), std::move(mode), value)};
}
Tensor tile(const Tensor& x, ops::Ints repeats) {
  return {x.graph(), ops::tile(x.graph(), x.value(), std::move(repeats))};
}
Tensor gather(const Tensor& data, const Tensor& indices, std::int64_t axis) {
  return {data.graph(), ops::gather(common(data, indices), data.value(), indices.value(), axis)};
}
Tensor gather_elements(const Tensor& data, const Tensor& indices, std::int64_t axis) {
  return {data.graph(), ops::gather_elements(common(data, indices), data.value(), indices.value(), axis)};
}
Tensor resize(const Tensor& x, const ops::ResizeOptions& options) {
  return {x.graph(), ops::resize(x.graph(), x.value(), options)};
}
Tensor trilu(const Tensor& x, bool upper, std::int64_t k) {
  return {x.graph(), ops::trilu(x.graph(), x.value(), upper, k)};
}
Tensor one_hot(const Tensor& indices, std::int64_t depth, const Tensor& on, const Tensor& off,
               std::int64_t axis) {
  Graph& graph = common(indices, on, off);
  return {graph, ops::one_hot(graph, indices.value(), depth, on.value(), off.value(), axis)};
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  return {a.graph(), ops::matmul(common(a, b), a.value(), b.value())};
}
Tensor gemm(const Tensor& a, const Tensor& b, const std::optional<Tensor>& c,
            const ops::GemmOptions& options) {
  return {a.graph(), ops::gemm(common(a, b), a.value(), b.value(), value_of(a, c), options)};
}
Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands) {
  const std::vector<ValueId> values = values_of(operands, "einsum");
  return {operands[0].graph(), ops::einsum(operands[0].graph(), equation, values)};
}
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const std::optional<Tensor>& mask,
                 ops::AttentionOptions options) {
  options.mask = value_of(q, mask);
  return {q.graph(), ops::attention(common(q, k, v), q.value(), k.value(), v.value(), options)};
}
Tensor conv(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias,
            const ops::ConvOptions& options) {
  return {x.graph(), ops::conv(common(x, w), x.value(), w.value(), value_of(x, bias), options)};
}
Tensor conv_transpose(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias,
                      const ops::ConvOptions& options) {
  return {x.graph(), ops::conv_transpose(common(x, w), x.value(), w.value(), value_of(x, bias), options)};
}
Tensor max_pool(const Tensor& x, const ops::PoolOptions& options) {
  return {x.graph(), ops::max_pool(x.graph(), x.value(), options)};
}
Tensor average_pool(const Tensor& x, const ops::PoolOptions& options) {
  return {x.graph(), ops::average_pool(x.graph(), x.value(), options)};
}
Tensor global_max_pool(const Tensor& x) { return {x.graph(), ops::global_max_pool(x.graph(), x.value())}; }
Tensor global_average_pool(const Tensor& x) {
  return {x.graph(), ops::global_average_pool(x.graph(), x.value())};
}

Tensor sum(const Tensor& x, ops::Ints axes, bool keepdims) {
  return reduced(x, "sum", std::move(axes), keepdims);
}
Tensor mean(const Tensor& x, ops::Ints axes, bool keepdims) {
  return reduced(x, "mean", std::move(axes), keepdims);
}
Tensor prod(const Tensor& x, ops::Ints axes, bool keepdims) {
  return reduced(x, "prod", std::move(axes), keepdims);
}
Tensor reduce_max(const Tensor& x, ops::Ints axes, bool keepdims) {
  return reduced(x, "max", std::move(axes), keepdims);
}
Tensor reduce_min(const Tensor& x, ops::Ints axes, bool keepdims) {
  return reduced(x, "min", std::move(axes), keepdims);
}
Tensor log_sum_exp(const Tensor& x, ops::Ints axes, bool keepdims) {
  return reduced(x, "log_sum_exp", std::move(axes), keepdims);
}
Tensor l1_norm(const Tensor& x, ops::Ints axes, bool keepdims) {
  return reduced(x, "l1", std::move(axes), keepdims);
}
Tensor l2_norm(const Tensor& x, ops::Ints axes, bool keepdims) {
  return reduced(x, "l2", std::move(axes), keepdims);
}
Tensor arg_max(const Tensor& x, std::int64_t axis, bool keepdims) {
  return {x.graph(), ops::arg_max(x.graph(), x.value(), axis, keepdims)};
}
Tensor arg_min(const Tensor& x, std::int64_t axis, bool keepdims) {
  return {x.graph(), ops::arg_min(x.graph(), x.value(), axis, keepdims)};
}
Tensor cumulative_sum(const Tensor& x, std::int64_t axis, ops::CumulateOptions options) {
  return {x.graph(), ops::cumulative_sum(x.graph(), x.value(), axis, options)};
}
std::pair<Tensor, Tensor> top_k(const Tensor& x, std::int64_t k, std::int64_t axis, bool largest) {
  const auto [values, places] = ops::top_k(x.graph(), x.value(), k, axis, largest);
  return {{x.graph(), values}, {x.graph(), places}};
}

Tensor softmax(const Tensor& x, std::int64_t axis) {
  return {x.graph(), ops::softmax(x.graph(), x.value(), axis)};
}
Tensor log_softmax(const Tensor& x, std::int64_t axis) {
  return {x.graph(), ops::log_softmax(x.graph(), x.value(), axis)};
}
Tensor layer_norm(const Tensor& x, const std::optional<Tensor>& scale, const std::optional<Tensor>& bias,
                  std::int64_t axis, double epsilon) {
  return {x.graph(),
          ops::layer_norm(x.graph(), x.value(), value_of(x, scale), value_of(x, bias), axis, epsilon)};
}
Tensor rms_norm(const Tensor& x, const std::optional<Tensor>& scale, std::int64_t axis, double epsilon) {
  return {x.graph(), ops::rms_norm(x.graph(), x.value(), value_of(x, scale), axis, epsilon)};
}
Tensor group_norm(const Tensor& x, const Tensor& scale, const Tensor& bias, std::int64_t groups,
                  double epsilon) {
  Graph& graph = common(x, scale, bias);
  return {graph, ops::group_norm(graph, x.value(), scale.value(), bias.value(), groups, epsilon)};
}
Tensor instance_norm(const Tensor& x, const Tensor& scale, const Tensor& bias, double epsilon) {
  Graph& graph = common(x, scale, bias);
  return {graph, ops::instance_norm(graph, x.value(), scale.value(), bias.value(), epsilon)};
}
Tensor batch_norm(const Tensor& x, const Tensor& scale, const Tensor& bias, const Tensor& mean,
                  const Tensor& variance, double epsilon) {
  Graph& graph = common(x, scale, bias, mean, variance);
  return {graph, ops::batch_norm(graph, x.value(), scale.value(), bias.value(), mean.value(),
                                 variance.value(), epsilon)};
}

}  // namespace tunesmith::tracer
