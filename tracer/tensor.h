// Tensor: the value that traced functions compute with (trace.h records them), its operators and functions.
//
// A Tensor is a handle: copies name the same value. It belongs to the trace that made it and must not outlive
// it; mixing tensors of two traces is a UserError. Plain numbers take the dtype of the tensor that they meet.
// Element operators broadcast as in NumPy; axes may be negative; errors are UserErrors that name the
// operator. Not synchronised: one trace belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tracer/composites.h"

namespace tunesmith::tracer {

class Tensor {
 public:
  Tensor() = default;
  /// The value `value` of the graph that is being recorded. REQUIRES: the graph outlives the tensor.
  Tensor(Graph& graph, ValueId value) : graph_(&graph), value_(value) {}

  DType dtype() const { return type().dtype; }
  /// Extents; throws a UserError where one is symbolic.
  std::vector<std::int64_t> shape() const { return to_ints(type().shape); }
  std::int64_t rank() const { return static_cast<std::int64_t>(type().shape.size()); }
  const TensorType& type() const { return graph().type(value_); }

  /// A constant of the same trace.
  Tensor constant(HostTensor data) const { return {graph(), graph().add_constant(std::move(data))}; }
  /// A number of this tensor's dtype, in the same trace.
  Tensor number(double value) const { return {graph(), ops::scalar_like(graph(), value_, value)}; }

  Graph& graph() const;
  ValueId value() const { return value_; }

 private:
  Graph* graph_ = nullptr;
  ValueId value_;
};

// Operators. `a / b` truncates on integers; comparisons give bool; & | ^ ~ are logical on bool, bitwise on
// integers.
Tensor operator-(const Tensor& x);
Tensor operator~(const Tensor& x);
Tensor binary(ir::BinaryOp op, const Tensor& a, const Tensor& b);
Tensor unary(ir::UnaryOp op, const Tensor& x);
Tensor max(const Tensor& a, const Tensor& b);
Tensor min(const Tensor& a, const Tensor& b);
Tensor pow(const Tensor& a, const Tensor& b);
Tensor pow(const Tensor& a, double b);
Tensor mod(const Tensor& a, const Tensor& b);
Tensor floor_div(const Tensor& a, const Tensor& b);
Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);
Tensor operator==(const Tensor& a, const Tensor& b);
Tensor operator!=(const Tensor& a, const Tensor& b);
Tensor operator<(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a, const Tensor& b);
Tensor operator>(const Tensor& a, const Tensor& b);
Tensor operator>=(const Tensor& a, const Tensor& b);
Tensor operator&(const Tensor& a, const Tensor& b);
Tensor operator|(const Tensor& a, const Tensor& b);
Tensor operator^(const Tensor& a, const Tensor& b);
inline Tensor operator+(const Tensor& a, double b) { return a + a.number(b); }
inline Tensor operator+(double a, const Tensor& b) { return b.number(a) + b; }
inline Tensor operator-(const Tensor& a, double b) { return a - a.number(b); }
inline Tensor operator-(double a, const Tensor& b) { return b.number(a) - b; }
inline Tensor operator*(const Tensor& a, double b) { return a * a.number(b); }
inline Tensor operator*(double a, const Tensor& b) { return b.number(a) * b; }
inline Tensor operator/(const Tensor& a, double b) { return a / a.number(b); }
inline Tensor operator/(double a, const Tensor& b) { return b.number(a) / b; }
inline Tensor operator==(const Tensor& a, double b) { return a == a.number(b); }
inline Tensor operator==(double a, const Tensor& b) { return b.number(a) == b; }
inline Tensor operator!=(const Tensor& a, double b) { return a != a.number(b); }
inline Tensor operator!=(double a, const Tensor& b) { return b.number(a) != b; }
inline Tensor operator<(const Tensor& a, double b) { return a < a.number(b); }
inline Tensor operator<(double a, const Tensor& b) { return b.number(a) < b; }
inline Tensor operator<=(const Tensor& a, double b) { return a <= a.number(b); }
inline Tensor operator<=(double a, const Tensor& b) { return b.number(a) <= b; }
inline Tensor operator>(const Tensor& a, double b) { return a > a.number(b); }
inline Tensor operator>(double a, const Tensor& b) { return b.number(a) > b; }
inline Tensor operator>=(const Tensor& a, double b) { return a >= a.number(b); }
inline Tensor operator>=(double a, const Tensor& b) { return b.number(a) >= b; }

// Mathematical functions, one element each
inline Tensor exp(const Tensor& x) { return unary(ir::UnaryOp::exp, x); }
inline Tensor exp2(const Tensor& x) { return unary(ir::UnaryOp::exp2, x); }
inline Tensor expm1(const Tensor& x) { return unary(ir::UnaryOp::expm1, x); }
inline Tensor log(const Tensor& x) { return unary(ir::UnaryOp::log, x); }
inline Tensor log2(const Tensor& x) { return unary(ir::UnaryOp::log2, x); }
inline Tensor log1p(const Tensor& x) { return unary(ir::UnaryOp::log1p, x); }
inline Tensor sqrt(const Tensor& x) { return unary(ir::UnaryOp::sqrt, x); }
inline Tensor rsqrt(const Tensor& x) { return unary(ir::UnaryOp::rsqrt, x); }
inline Tensor reciprocal(const Tensor& x) { return unary(ir::UnaryOp::reciprocal, x); }
inline Tensor abs(const Tensor& x) { return unary(ir::UnaryOp::abs, x); }
inline Tensor sign(const Tensor& x) { return unary(ir::UnaryOp::sign, x); }
inline Tensor floor(const Tensor& x) { return unary(ir::UnaryOp::floor, x); }
inline Tensor ceil(const Tensor& x) { return unary(ir::UnaryOp::ceil, x); }
inline Tensor round_even(const Tensor& x) { return unary(ir::UnaryOp::round_even, x); }
inline Tensor trunc(const Tensor& x) { return unary(ir::UnaryOp::trunc, x); }
inline Tensor sin(const Tensor& x) { return unary(ir::UnaryOp::sin, x); }
inline Tensor cos(const Tensor& x) { return unary(ir::UnaryOp::cos, x); }
inline Tensor tan(const Tensor& x) { return unary(ir::UnaryOp::tan, x); }
inline Tensor asin(const Tensor& x) { return unary(ir::UnaryOp::asin, x); }
inline Tensor acos(const Tensor& x) { return unary(ir::UnaryOp::acos, x); }
inline Tensor atan(const Tensor& x) { return unary(ir::UnaryOp::atan, x); }
inline Tensor sinh(const Tensor& x) { return unary(ir::UnaryOp::sinh, x); }
inline Tensor cosh(const Tensor& x) { return unary(ir::UnaryOp::cosh, x); }
inline Tensor asinh(const Tensor& x) { return unary(ir::UnaryOp::asinh, x); }
inline Tensor acosh(const Tensor& x) { return unary(ir::UnaryOp::acosh, x); }
inline Tensor atanh(const Tensor& x) { return unary(ir::UnaryOp::atanh, x); }
inline Tensor tanh(const Tensor& x) { return unary(ir::UnaryOp::tanh, x); }
inline Tensor erf(const Tensor& x) { return unary(ir::UnaryOp::erf, x); }
inline Tensor is_nan(const Tensor& x) { return unary(ir::UnaryOp::is_nan, x); }
inline Tensor is_inf(const Tensor& x) { return unary(ir::UnaryOp::is_inf, x); }

// Activations; see composites.h
Tensor relu(const Tensor& x);
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
Tensor prelu(const Tensor& x, const Tensor& slope);
Tensor elu(const Tensor& x, double alpha = 1.0);
Tensor celu(const Tensor& x, double alpha = 1.0);
Tensor selu(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor hard_sigmoid(const Tensor& x, double alpha = 0.2, double beta = 0.5);
Tensor hard_swish(const Tensor& x);
Tensor silu(const Tensor& x);
Tensor gelu(const Tensor& x, ops::GeluForm form = ops::GeluForm::erf);
Tensor softplus(const Tensor& x);
Tensor softsign(const Tensor& x);
Tensor mish(const Tensor& x);
Tensor clip(const Tensor& x, double low, double high);

// Choice and conversion
Tensor where(const Tensor& condition, const Tensor& yes, const Tensor& no);
Tensor cast(const Tensor& x, DType to);
Tensor bit_cast(const Tensor& x, DType to);

// Data movement; see ops/build.h and composites.h
Tensor reshape(const Tensor& x, ops::Ints shape);
Tensor transpose(const Tensor& x, ops::Ints perm);
Tensor swap_axes(const Tensor& x, std::int64_t a, std::int64_t b);
Tensor expand(const Tensor& x, ops::Ints shape);
Tensor squeeze(const Tensor& x, ops::Ints axes = {});
Tensor unsqueeze(const Tensor& x, ops::Ints axes);
Tensor flatten(const Tensor& x, std::int64_t axis = 1);
Tensor concat(const std::vector<Tensor>& parts, std::int64_t axis);
std::vector<Tensor> split(const Tensor& x, std::int64_t axis, const ops::Ints& sizes);
std::vector<Tensor> split_evenly(const Tensor& x, std::int64_t axis, std::int64_t parts);
/// Elements [begin, end) of one axis.
Tensor slice(const Tensor& x, std::int64_t axis, std::int64_t begin, std::int64_t end);
Tensor pad(const Tensor& x, ops::Ints pads, std::string mode = "constant", double value = 0);
Tensor tile(const Tensor& x, ops::Ints repeats);
Tensor gather(const Tensor& data, const Tensor& indices, std::int64_t axis);
Tensor gather_elements(const Tensor& data, const Tensor& indices, std::int64_t axis);
Tensor resize(const Tensor& x, const ops::ResizeOptions& options);
Tensor trilu(const Tensor& x, bool upper, std::int64_t k = 0);
Tensor one_hot(const Tensor& indices, std::int64_t depth, const Tensor& on, const Tensor& off,
               std::int64_t axis = -1);

// Contractions and windows
Tensor matmul(const Tensor& a, const Tensor& b);
Tensor gemm(const Tensor& a, const Tensor& b, const std::optional<Tensor>& c = {},
            const ops::GemmOptions& options = {});
Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands);
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const std::optional<Tensor>& mask = {},
                 ops::AttentionOptions options = {});
/// One to three spatial axes.
Tensor conv(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias = {},
            const ops::ConvOptions& options = {});
Tensor conv_transpose(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias = {},
                      const ops::ConvOptions& options = {});
Tensor max_pool(const Tensor& x, const ops::PoolOptions& options);
Tensor average_pool(const Tensor& x, const ops::PoolOptions& options);
Tensor global_max_pool(const Tensor& x);
Tensor global_average_pool(const Tensor& x);

// Reductions; empty `axes`: all of them
Tensor sum(const Tensor& x, ops::Ints axes = {}, bool keepdims = false);
Tensor mean(const Tensor& x, ops::Ints axes = {}, bool keepdims = false);
Tensor prod(const Tensor& x, ops::Ints axes = {}, bool keepdims = false);
Tensor reduce_max(const Tensor& x, ops::Ints axes = {}, bool keepdims = false);
Tensor reduce_min(const Tensor& x, ops::Ints axes = {}, bool keepdims = false);
Tensor log_sum_exp(const Tensor& x, ops::Ints axes = {}, bool keepdims = false);
Tensor l1_norm(const Tensor& x, ops::Ints axes = {}, bool keepdims = false);
Tensor l2_norm(const Tensor& x, ops::Ints axes = {}, bool keepdims = false);
Tensor arg_max(const Tensor& x, std::int64_t axis, bool keepdims = false);
Tensor arg_min(const Tensor& x, std::int64_t axis, bool keepdims = false);
Tensor cumulative_sum(const Tensor& x, std::int64_t axis, ops::CumulateOptions options = {});
/// Values and their places.
std::pair<Tensor, Tensor> top_k(const Tensor& x, std::int64_t k, std::int64_t axis = -1, bool largest = true);

// Normalisation
Tensor softmax(const Tensor& x, std::int64_t axis = -1);
Tensor log_softmax(const Tensor& x, std::int64_t axis = -1);
Tensor layer_norm(const Tensor& x, const std::optional<Tensor>& scale = {},
                  const std::optional<Tensor>& bias = {}, std::int64_t axis = -1, double epsilon = 1e-5);
Tensor rms_norm(const Tensor& x, const std::optional<Tensor>& scale = {}, std::int64_t axis = -1,
                double epsilon = 1e-5);
Tensor group_norm(const Tensor& x, const Tensor& scale, const Tensor& bias, std::int64_t groups,
                  double epsilon = 1e-5);
Tensor instance_norm(const Tensor& x, const Tensor& scale, const Tensor& bias, double epsilon = 1e-5);
Tensor batch_norm(const Tensor& x, const Tensor& scale, const Tensor& bias, const Tensor& mean,
                  const Tensor& variance, double epsilon = 1e-5);

}  // namespace tunesmith::tracer
