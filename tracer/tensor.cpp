#include "tracer/tensor.h"

#include <type_traits>
#include <utility>

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

Tensor wrapped(Graph& graph, ValueId value) { return {graph, value}; }
std::vector<Tensor> wrapped(Graph& graph, const std::vector<ValueId>& values) {
  std::vector<Tensor> tensors;
  for (const ValueId value : values) tensors.emplace_back(graph, value);
  return tensors;
}
std::pair<Tensor, Tensor> wrapped(Graph& graph, const std::pair<ValueId, ValueId>& values) {
  return {{graph, values.first}, {graph, values.second}};
}

/// An argument as the functions of the graph take it: tensors of the trace of `x` as values, others as they
/// are.
template <class Argument>
decltype(auto) operand(const Tensor& x, Argument&& argument) {
  using Type = std::remove_cvref_t<Argument>;
  if constexpr (std::is_same_v<Type, Tensor>) {
    common(x, argument);
    return argument.value();
  } else if constexpr (std::is_same_v<Type, std::optional<Tensor>>) {
    return value_of(x, argument);
  } else {
    return std::forward<Argument>(argument);
  }
}

/// What `op` adds to the graph that `x` belongs to.
template <class Op, class... Arguments>
auto call(Op op, const Tensor& x, Arguments&&... arguments) {
  Graph& graph = x.graph();
  return wrapped(graph, op(graph, x.value(), operand(x, std::forward<Arguments>(arguments))...));
}

Tensor reduced(const Tensor& x, const char* op, ops::Ints axes, bool keepdims) {
  return {x.graph(), ops::reduce(x.graph(), op, x.value(), std::move(axes), keepdims)};
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

Tensor relu(const Tensor& x) { return call(ops::relu, x); }
Tensor leaky_relu(const Tensor& x, double slope) { return call(ops::leaky_relu, x, slope); }
Tensor prelu(const Tensor& x, const Tensor& slope) { return call(ops::prelu, x, slope); }
Tensor elu(const Tensor& x, double alpha) { return call(ops::elu, x, alpha); }
Tensor celu(const Tensor& x, double alpha) { return call(ops::celu, x, alpha); }
Tensor selu(const Tensor& x) { return wrapped(x.graph(), ops::selu(x.graph(), x.value())); }
Tensor sigmoid(const Tensor& x) { return call(ops::sigmoid, x); }
Tensor hard_swish(const Tensor& x) { return call(ops::hard_swish, x); }
Tensor silu(const Tensor& x) { return wrapped(x.graph(), ops::silu(x.graph(), x.value())); }
Tensor softplus(const Tensor& x) { return call(ops::softplus, x); }
Tensor softsign(const Tensor& x) { return call(ops::softsign, x); }
Tensor mish(const Tensor& x) { return call(ops::mish, x); }
Tensor hard_sigmoid(const Tensor& x, double alpha, double beta) {
  return call(ops::hard_sigmoid, x, alpha, beta);
}
Tensor gelu(const Tensor& x, ops::GeluForm form) { return call(ops::gelu, x, form); }
Tensor clip(const Tensor& x, double low, double high) {
  return wrapped(x.graph(), ops::clip(x.graph(), x.value(), low, high));
}

Tensor where(const Tensor& condition, const Tensor& yes, const Tensor& no) {
  return call(ops::where, condition, yes, no);
}
Tensor cast(const Tensor& x, DType to) { return wrapped(x.graph(), ops::cast(x.graph(), x.value(), to)); }
Tensor bit_cast(const Tensor& x, DType to) { return call(ops::bit_cast, x, to); }

Tensor reshape(const Tensor& x, ops::Ints shape) { return call(ops::reshape, x, std::move(shape)); }
Tensor transpose(const Tensor& x, ops::Ints perm) { return call(ops::transpose, x, std::move(perm)); }
Tensor swap_axes(const Tensor& x, std::int64_t a, std::int64_t b) { return call(ops::swap_axes, x, a, b); }
Tensor expand(const Tensor& x, ops::Ints shape) { return call(ops::expand, x, std::move(shape)); }
Tensor squeeze(const Tensor& x, ops::Ints axes) { return call(ops::squeeze, x, std::move(axes)); }
Tensor unsqueeze(const Tensor& x, ops::Ints axes) { return call(ops::unsqueeze, x, std::move(axes)); }
Tensor flatten(const Tensor& x, std::int64_t axis) { return call(ops::flatten, x, axis); }
Tensor concat(const std::vector<Tensor>& parts, std::int64_t axis) {
  std::vector<ValueId> values = values_of(parts, "concat");
  return {parts[0].graph(), ops::concat(parts[0].graph(), std::move(values), axis)};
}
std::vector<Tensor> split(const Tensor& x, std::int64_t axis, const ops::Ints& sizes) {
  return call(ops::split, x, axis, sizes);
}
std::vector<Tensor> split_evenly(const Tensor& x, std::int64_t axis, std::int64_t parts) {
  return call(ops::split_evenly, x, axis, parts);
}
Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t begin, std::int64_t end) {
  return call(ops::slice_axis, x, axis, begin, end);
}
Tensor pad(const Tensor& x, ops::Ints pads, std::string mode, double value) {
  return call(ops::pad, x, std::move(pads), std::move(mode), value);
}
Tensor tile(const Tensor& x, ops::Ints repeats) { return call(ops::tile, x, std::move(repeats)); }
Tensor gather(const Tensor& data, const Tensor& indices, std::int64_t axis) {
  return call(ops::gather, data, indices, axis);
}
Tensor gather_elements(const Tensor& data, const Tensor& indices, std::int64_t axis) {
  return call(ops::gather_elements, data, indices, axis);
}
Tensor resize(const Tensor& x, const ops::ResizeOptions& options) { return call(ops::resize, x, options); }
Tensor trilu(const Tensor& x, bool upper, std::int64_t k) { return call(ops::trilu, x, upper, k); }
Tensor one_hot(const Tensor& indices, std::int64_t depth, const Tensor& on, const Tensor& off,
               std::int64_t axis) {
  return call(ops::one_hot, indices, depth, on, off, axis);
}

Tensor matmul(const Tensor& a, const Tensor& b) { return call(ops::matmul, a, b); }
Tensor gemm(const Tensor& a, const Tensor& b, const std::optional<Tensor>& c,
            const ops::GemmOptions& options) {
  return call(ops::gemm, a, b, c, options);
}
Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands) {
  const std::vector<ValueId> values = values_of(operands, "einsum");
  return {operands[0].graph(), ops::einsum(operands[0].graph(), equation, values)};
}
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const std::optional<Tensor>& mask,
                 ops::AttentionOptions options) {
  options.mask = value_of(q, mask);
  return call(ops::attention, q, k, v, options);
}
Tensor conv(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias,
            const ops::ConvOptions& options) {
  return call(ops::conv, x, w, bias, options);
}
Tensor conv_transpose(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias,
                      const ops::ConvOptions& options) {
  return call(ops::conv_transpose, x, w, bias, options);
}
Tensor max_pool(const Tensor& x, const ops::PoolOptions& options) { return call(ops::max_pool, x, options); }
Tensor average_pool(const Tensor& x, const ops::PoolOptions& options) {
  return call(ops::average_pool, x, options);
}
Tensor global_max_pool(const Tensor& x) { return call(ops::global_max_pool, x); }
Tensor global_average_pool(const Tensor& x) { return call(ops::global_average_pool, x); }

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
  return wrapped(x.graph(), ops::arg_max(x.graph(), x.value(), axis, keepdims));
}
Tensor arg_min(const Tensor& x, std::int64_t axis, bool keepdims) {
  return wrapped(x.graph(), ops::arg_min(x.graph(), x.value(), axis, keepdims));
}
Tensor cumulative_sum(const Tensor& x, std::int64_t axis, ops::CumulateOptions options) {
  return call(ops::cumulative_sum, x, axis, options);
}
std::pair<Tensor, Tensor> top_k(const Tensor& x, std::int64_t k, std::int64_t axis, bool largest) {
  return call(ops::top_k, x, k, axis, largest);
}

Tensor softmax(const Tensor& x, std::int64_t axis) { return call(ops::softmax, x, axis); }
Tensor log_softmax(const Tensor& x, std::int64_t axis) { return call(ops::log_softmax, x, axis); }
Tensor layer_norm(const Tensor& x, const std::optional<Tensor>& scale, const std::optional<Tensor>& bias,
                  std::int64_t axis, double epsilon) {
  return call(ops::layer_norm, x, scale, bias, axis, epsilon);
}
Tensor rms_norm(const Tensor& x, const std::optional<Tensor>& scale, std::int64_t axis, double epsilon) {
  return call(ops::rms_norm, x, scale, axis, epsilon);
}
Tensor group_norm(const Tensor& x, const Tensor& scale, const Tensor& bias, std::int64_t groups,
                  double epsilon) {
  return call(ops::group_norm, x, scale, bias, groups, epsilon);
}
Tensor instance_norm(const Tensor& x, const Tensor& scale, const Tensor& bias, double epsilon) {
  return call(ops::instance_norm, x, scale, bias, epsilon);
}
Tensor batch_norm(const Tensor& x, const Tensor& scale, const Tensor& bias, const Tensor& mean,
                  const Tensor& variance, double epsilon) {
  return call(ops::batch_norm, x, scale, bias, mean, variance, epsilon);
}

}  // namespace tunesmith::tracer
