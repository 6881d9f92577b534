#include "tracer/passes/cheaper_arithmetic.h"

#include <cmath>
#include <optional>

#include "tracer/ops/lower_util.h"
#include "tracer/passes/rebuild.h"

namespace tunesmith::tracer {

namespace {

/// Reciprocals and products of constants outside this range are left alone: they might overflow or lose bits.
constexpr double smallest_factor = 1e-18, largest_factor = 1e18;

bool is_ordinary(const HostTensor& data) {
  for (std::int64_t i = 0; i < data.size(); ++i)
    if (!(std::abs(data.at(i)) >= smallest_factor && std::abs(data.at(i)) <= largest_factor)) return false;
  return true;
}

/// A divisor that divides at least so many elements is inverted first.
constexpr std::int64_t shared_by = 8;

/// A value and the constant that it is to be multiplied with.
struct Product {
  ValueId value;
  HostTensor factor;
};

class ArithmeticPass {
 public:
  explicit ArithmeticPass(const Graph& source) : rebuild_(source) {}

  Graph run() {
    rebuild_.replace_each([this](const Op& op) { return cheaper(op); });
    return std::move(rebuild_).finish();
  }

 private:
  Graph& graph() { return rebuild_.graph(); }

  std::optional<ValueId> cheaper(const Op& op) {
    if (op.outputs.empty() || (op.outputs[0].dtype != DType::f32 && op.outputs[0].dtype != DType::f64))
      return std::nullopt;
    if (op.kind == OpKind::matmul) return factor_behind_product(op);
    if (op.kind != OpKind::binary) return std::nullopt;
    const std::string& kind = op.attributes.get_text("op");
    if (kind == "pow") return power(op);
    if (kind == "div") return by_reciprocal(op);
    if (kind == "mul") return joined_factors(op);
    return std::nullopt;
  }

  const HostTensor* constant(ValueId value) {
    const Op& op = graph().op(value);
    return op.kind == OpKind::constant ? &op.data : nullptr;
  }
  /// `operand` broadcasts to a value of its own shape.
  bool keeps_shape(ValueId operand, const Op& op) {
    const Shape& shape = graph().type(operand).shape;
    return shape.size() == op.outputs[0].shape.size() &&
           std::equal(shape.begin(), shape.end(), op.outputs[0].shape.begin(), ir::equal);
  }
  ValueId multiply(ValueId a, ValueId b, const std::string& name) {
    return graph().add(OpKind::binary, {a, b}, {{"op", std::string("mul")}}, name);
  }
  ValueId multiply(const Product& product, const std::string& name) {
    return multiply(product.value, graph().add_constant(product.factor), name);
  }

  std::optional<ValueId> power(const Op& op) {
    const ValueId x = rebuild_(op.inputs[0]);
    const HostTensor* exponent = constant(rebuild_(op.inputs[1]));
    if (!exponent || exponent->size() != 1 || !keeps_shape(x, op)) return std::nullopt;
    const double e = exponent->at(0);
    if (e == 2) return multiply(x, x, op.name);
    if (e == 3) return multiply(multiply(x, x, op.name), x, op.name);
    if (e == 0.5) return graph().add(OpKind::unary, {x}, {{"op", std::string("sqrt")}}, op.name);
    return std::nullopt;
  }

  std::optional<ValueId> by_reciprocal(const Op& op) {
    const HostTensor* divisor = constant(rebuild_(op.inputs[1]));
    if (!divisor) return by_shared_reciprocal(op);
    if (!is_ordinary(*divisor)) return std::nullopt;
    const Product product{rebuild_(op.inputs[0]),
                          evaluate_binary("div", HostTensor::scalar(divisor->dtype(), 1), *divisor)};
    return join(product, op).value_or(multiply(product, op.name));
  }

  /// x / y where each element of y divides many of x: one division for all of them.
  std::optional<ValueId> by_shared_reciprocal(const Op& op) {
    const ValueId x = rebuild_(op.inputs[0]), y = rebuild_(op.inputs[1]);
    if (!is_static(op.outputs[0].shape) || !keeps_shape(x, op)) return std::nullopt;
    if (product(to_ints(graph().type(y).shape)) * shared_by > product(to_ints(op.outputs[0].shape)))
      return std::nullopt;
    const ValueId one = graph().add_constant(HostTensor::scalar(op.outputs[0].dtype, 1));
    return multiply(x, graph().add(OpKind::binary, {one, y}, op.attributes, op.name), op.name);
  }

  std::optional<ValueId> joined_factors(const Op& op) {
    for (std::size_t side = 0; side < 2; ++side)
      if (const HostTensor* factor = constant(rebuild_(op.inputs[1 - side])))
        return join({rebuild_(op.inputs[side]), *factor}, op);
    return std::nullopt;
  }

  /// (x * c) * d, where the joint factor is no larger than one of them.
  std::optional<ValueId> join(const Product& outer, const Op& op) {
    const auto inner = as_product(outer.value);
    if (!inner || !is_ordinary(outer.factor) || !is_ordinary(inner->factor)) return std::nullopt;
    const HostTensor factor = evaluate_binary("mul", inner->factor, outer.factor);
    const bool grew = factor.size() > std::max(inner->factor.size(), outer.factor.size());
    if (grew || !is_ordinary(factor) || !keeps_shape(inner->value, op)) return std::nullopt;
    return multiply({inner->value, factor}, op.name);
  }

  std::optional<Product> as_product(ValueId value) {
    const Op& op = graph().op(value);
    if (op.kind != OpKind::binary || op.attributes.get_text("op") != "mul") return std::nullopt;
    for (std::size_t side = 0; side < 2; ++side)
      if (const HostTensor* factor = constant(op.inputs[1 - side])) return Product{op.inputs[side], *factor};
    return std::nullopt;
  }

  /// `value` without the scalar factor that it carries through reshapes and transposes.
  std::optional<Product> without_factor(ValueId value) {
    std::vector<Op> moves;  // from the last to the first
    for (;; value = moves.back().inputs[0]) {
      const Op& op = graph().op(value);
      if (op.kind != OpKind::reshape && op.kind != OpKind::transpose) break;
      moves.push_back(op);
    }
    auto product = as_product(value);
    if (!product || product->factor.size() != 1 || !keeps_shape(product->value, graph().op(value)))
      return std::nullopt;
    for (; !moves.empty(); moves.pop_back())
      product->value =
          graph().add(moves.back().kind, {product->value}, moves.back().attributes, moves.back().name);
    return product;
  }

  std::optional<ValueId> factor_behind_product(const Op& op) {
    std::vector<ValueId> inputs = rebuild_(op.inputs);
    std::optional<HostTensor> factor;
    for (ValueId& input : inputs)
      if (const auto product = without_factor(input)) {
        input = product->value;
        const HostTensor scalar = product->factor.reshaped({});
        factor = factor ? evaluate_binary("mul", *factor, scalar) : scalar;
      }
    if (!factor || !is_ordinary(*factor)) return std::nullopt;
    const ValueId product = graph().add(op.kind, std::move(inputs), op.attributes, op.name);
    return multiply({product, *factor}, op.name);
  }

  GraphRebuilder rebuild_;
};

}  // namespace

Graph cheaper_arithmetic(const Graph& graph) { return ArithmeticPass(graph).run(); }

}  // namespace tunesmith::tracer
