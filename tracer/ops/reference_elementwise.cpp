#include "ir/scalar_ops.h"
#include "ir/support/error.h"
#include "tracer/ops/infer.h"
#include "tracer/ops/names.h"
#include "tracer/ops/reference.h"
#include "tracer/ops/reference_util.h"

namespace tunesmith::tracer {
namespace {

using ir::BinaryOp;
using ir::UnaryOp;

/// An element as the scalar functions of the IR take it, and back: they say what every operator gives.
ir::Scalar scalar_at(const HostTensor& tensor, std::int64_t flat) {
  ir::Scalar value;
  if (ir::is_float(tensor.dtype()))
    value.f = tensor.at(flat);
  else
    value.i = tensor.int_at(flat);
  return value;
}

void store(HostTensor& out, std::int64_t flat, ir::Scalar value) {
  if (ir::is_float(out.dtype()))
    out.set(flat, value.f);
  else
    out.set_int(flat, value.i);
}

/// Narrow floats are computed in f32; the result is rounded when it is stored.
DType computed_in(DType dtype) {
  return ir::is_float(dtype) && ir::bit_width(dtype) < 32 ? DType::f32 : dtype;
}

HostTensor output_of(std::vector<TensorType> types) { return {types[0].dtype, to_ints(types[0].shape)}; }

}  // namespace

Tensors reference_unary(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor& x = inputs[0];
  const UnaryOp op = unary_from_name(attributes.get_text("op"));
  HostTensor out = output_of(infer_unary(types_of(inputs), attributes));
  for (std::int64_t i = 0; i < x.size(); ++i)
    store(out, i, ir::scalar_unary(op, computed_in(x.dtype()), scalar_at(x, i)));
  return {out};
}

Tensors reference_binary(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor &a = inputs[0], &b = inputs[1];
  const BinaryOp op = binary_from_name(attributes.get_text("op"));
  HostTensor out = output_of(infer_binary(types_of(inputs), attributes));
  const Extents a_strides = broadcast_strides(a.shape(), out.shape());
  const Extents b_strides = broadcast_strides(b.shape(), out.shape());
  for_each_index(out.shape(), [&](std::span<const std::int64_t> index, std::int64_t flat) {
    const auto result = ir::scalar_binary(op, computed_in(a.dtype()), scalar_at(a, flat_of(index, a_strides)),
                                          scalar_at(b, flat_of(index, b_strides)));
    if (!result) throw_user_error("integer division by zero");
    store(out, flat, *result);
  });
  return {out};
}

Tensors reference_where(std::span<const HostTensor> inputs, const Attributes& attributes) {
  HostTensor out = output_of(infer_where(types_of(inputs), attributes));
  Extents strides[3];
  for (int k = 0; k < 3; ++k)
    strides[k] = broadcast_strides(inputs[static_cast<std::size_t>(k)].shape(), out.shape());
  for_each_index(out.shape(), [&](std::span<const std::int64_t> index, std::int64_t flat) {
    const std::size_t side = inputs[0].int_at(flat_of(index, strides[0])) != 0 ? 1 : 2;
    copy_element(out, flat, inputs[side], flat_of(index, strides[side]));
  });
  return {out};
}

Tensors reference_cast(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const HostTensor& x = inputs[0];
  HostTensor out = output_of(infer_cast(types_of(inputs), attributes));
  const bool saturate = attributes.get_int_or("saturate", 1) != 0;
  const bool integers = !ir::is_float(x.dtype()) && !ir::is_float(out.dtype());
  const std::size_t size = ir::size_bytes(out.dtype());
  std::byte* bytes = out.mutable_bytes();
  for (std::int64_t i = 0; i < x.size(); ++i) {
    void* element = bytes + static_cast<std::size_t>(i) * size;
    if (integers)
      ir::store_integer(out.dtype(), element, x.int_at(i));
    else
      ir::store_double(out.dtype(), element, x.at(i), saturate);
  }
  return {out};
}

Tensors reference_bit_cast(std::span<const HostTensor> inputs, const Attributes& attributes) {
  const DType to = *ir::dtype_from_string(attributes.get_text("to"));
  const HostTensor& x = inputs[0];
  return {HostTensor::from_bytes(to, x.shape(), std::span(x.bytes(), x.byte_size()))};
}

}  // namespace tunesmith::tracer
