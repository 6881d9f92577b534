// Lowering of operators to the stages of a kernel, one function an operator kind that has a loop-nest
// form; the operator table points at them. Attributes are those that the kind's own header documents.
//
// Every function: inputs and outputs have static shapes without zero extents; the views returned have the
// types in `outputs`. What is cheap to recompute comes back as a function of the input views; a reduction
// becomes a stage. The functions are pure save for the builder that they are given.
#pragma once

#include <span>
#include <vector>

#include "tracer/graph.h"
#include "tracer/kernel_builder.h"

namespace tunesmith::tracer {

// elementwise (lower_elementwise.cpp)
std::vector<TensorView> lower_unary(KernelBuilder& builder, std::span<const TensorView> inputs,
                                    const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_binary(KernelBuilder& builder, std::span<const TensorView> inputs,
                                     const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_where(KernelBuilder& builder, std::span<const TensorView> inputs,
                                    const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_cast(KernelBuilder& builder, std::span<const TensorView> inputs,
                                   const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_bit_cast(KernelBuilder& builder, std::span<const TensorView> inputs,
                                       const Attributes& attributes, std::span<const TensorType> outputs);

// data movement (lower_movement.cpp, lower_gather.cpp, lower_resize.cpp)
std::vector<TensorView> lower_reshape(KernelBuilder& builder, std::span<const TensorView> inputs,
                                      const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_transpose(KernelBuilder& builder, std::span<const TensorView> inputs,
                                        const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_expand(KernelBuilder& builder, std::span<const TensorView> inputs,
                                     const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_concat(KernelBuilder& builder, std::span<const TensorView> inputs,
                                     const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_slice(KernelBuilder& builder, std::span<const TensorView> inputs,
                                    const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_pad(KernelBuilder& builder, std::span<const TensorView> inputs,
                                  const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_tile(KernelBuilder& builder, std::span<const TensorView> inputs,
                                   const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_gather(KernelBuilder& builder, std::span<const TensorView> inputs,
                                     const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_gather_elements(KernelBuilder& builder, std::span<const TensorView> inputs,
                                              const Attributes& attributes,
                                              std::span<const TensorType> outputs);
std::vector<TensorView> lower_gather_nd(KernelBuilder& builder, std::span<const TensorView> inputs,
                                        const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_iota(KernelBuilder& builder, std::span<const TensorView> inputs,
                                   const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_resize(KernelBuilder& builder, std::span<const TensorView> inputs,
                                     const Attributes& attributes, std::span<const TensorType> outputs);

// contractions and windows (lower_matmul.cpp, lower_conv.cpp, lower_winograd.cpp, lower_pool.cpp)
std::vector<TensorView> lower_matmul(KernelBuilder& builder, std::span<const TensorView> inputs,
                                     const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_conv(KernelBuilder& builder, std::span<const TensorView> inputs,
                                   const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_conv_transpose(KernelBuilder& builder, std::span<const TensorView> inputs,
                                             const Attributes& attributes,
                                             std::span<const TensorType> outputs);
std::vector<TensorView> lower_winograd_input(KernelBuilder& builder, std::span<const TensorView> inputs,
                                             const Attributes& attributes,
                                             std::span<const TensorType> outputs);
std::vector<TensorView> lower_winograd_output(KernelBuilder& builder, std::span<const TensorView> inputs,
                                              const Attributes& attributes,
                                              std::span<const TensorType> outputs);
std::vector<TensorView> lower_pool(KernelBuilder& builder, std::span<const TensorView> inputs,
                                   const Attributes& attributes, std::span<const TensorType> outputs);

// reductions and normalisations (lower_reduce.cpp, lower_norm.cpp)
std::vector<TensorView> lower_reduce(KernelBuilder& builder, std::span<const TensorView> inputs,
                                     const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_arg_reduce(KernelBuilder& builder, std::span<const TensorView> inputs,
                                         const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_softmax(KernelBuilder& builder, std::span<const TensorView> inputs,
                                      const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_log_softmax(KernelBuilder& builder, std::span<const TensorView> inputs,
                                          const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_layer_norm(KernelBuilder& builder, std::span<const TensorView> inputs,
                                         const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_rms_norm(KernelBuilder& builder, std::span<const TensorView> inputs,
                                       const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_group_norm(KernelBuilder& builder, std::span<const TensorView> inputs,
                                         const Attributes& attributes, std::span<const TensorType> outputs);
std::vector<TensorView> lower_lrn(KernelBuilder& builder, std::span<const TensorView> inputs,
                                  const Attributes& attributes, std::span<const TensorType> outputs);

}  // namespace tunesmith::tracer
