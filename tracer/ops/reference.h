// Reference implementations of the operators: plain loops over doubles (floats) or 64-bit integers,
// independent of lowering. What a result means is decided here. Attributes as in infer.h; inputs have the
// types that the rule accepted.
#pragma once

#include <span>
#include <vector>

#include "tracer/graph.h"

namespace tunesmith::tracer {

using Tensors = std::vector<HostTensor>;

Tensors reference_unary(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_binary(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_where(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_cast(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_bit_cast(std::span<const HostTensor> inputs, const Attributes& attributes);

Tensors reference_reshape(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_transpose(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_expand(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_concat(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_slice(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_pad(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_tile(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_gather(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_gather_elements(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_gather_nd(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_iota(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_resize(std::span<const HostTensor> inputs, const Attributes& attributes);

Tensors reference_matmul(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_conv(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_conv_transpose(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_winograd_input(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_winograd_output(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_pool(std::span<const HostTensor> inputs, const Attributes& attributes);

Tensors reference_reduce(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_arg_reduce(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_softmax(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_log_softmax(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_layer_norm(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_rms_norm(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_group_norm(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_lrn(std::span<const HostTensor> inputs, const Attributes& attributes);

Tensors reference_cumulate(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_scatter_elements(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_scatter_nd(std::span<const HostTensor> inputs, const Attributes& attributes);
Tensors reference_top_k(std::span<const HostTensor> inputs, const Attributes& attributes);

}  // namespace tunesmith::tracer
