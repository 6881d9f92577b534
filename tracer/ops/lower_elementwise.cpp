// Elementwise operators: one expression an element. Narrow floats are computed in f32 and rounded after
// every operator, which is what their arithmetic means everywhere in the IR.
#include "tracer/ops/lower.h"
#include "tracer/ops/lower_util.h"
#include "tracer/ops/names.h"

namespace tunesmith::tracer {

using namespace ir;

namespace {

std::vector<std::int64_t> output_shape(std::span<const TensorType> outputs) {
  return to_ints(outputs[0].shape);
}

}  // namespace

std::vector<TensorView> lower_unary(KernelBuilder&, std::span<const TensorView> inputs,
                                    const Attributes& attributes, std::span<const TensorType> outputs) {
  const auto op = unary_from_name(attributes.get_text("op"));
  const DType in = compute_dtype(inputs[0].dtype), out = outputs[0].dtype;
  return {mapped(inputs[0], out, [=](const Expr& x) { return cast(out, unary(op, cast(in, x))); })};
}

std::vector<TensorView> lower_binary(KernelBuilder&, std::span<const TensorView> inputs,
                                     const Attributes& attributes, std::span<const TensorType> outputs) {
  const auto op = binary_from_name(attributes.get_text("op"));
  const DType in = compute_dtype(inputs[0].dtype), out = outputs[0].dtype;
  const auto shape = output_shape(outputs);
  return {{out, shape, [=, a = broadcast(inputs[0], shape), b = broadcast(inputs[1], shape)](Indices i) {
             return cast(out, binary(op, cast(in, a(i)), cast(in, b(i))));
           }}};
}

std::vector<TensorView> lower_where(KernelBuilder&, std::span<const TensorView> inputs, const Attributes&,
                                    std::span<const TensorType> outputs) {
  const auto shape = output_shape(outputs);
  return {{outputs[0].dtype, shape,
           [c = broadcast(inputs[0], shape), a = broadcast(inputs[1], shape),
            b = broadcast(inputs[2], shape)](Indices i) { return select(c(i), a(i), b(i)); }}};
}

std::vector<TensorView> lower_cast(KernelBuilder&, std::span<const TensorView> inputs, const Attributes&,
                                   std::span<const TensorType> outputs) {
  return {cast_view(inputs[0], outputs[0].dtype)};
}

std::vector<TensorView> lower_bit_cast(KernelBuilder&, std::span<const TensorView> inputs, const Attributes&,
                                       std::span<const TensorType> outputs) {
  const DType dtype = outputs[0].dtype;
  return {mapped(inputs[0], dtype, [dtype](const Expr& x) { return bit_cast(dtype, x); })};
}

}  // namespace tunesmith::tracer
