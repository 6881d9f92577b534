// The operator table: everything that Tunesmith knows of an operator stands in one row.
//
// The rows' own headers (tracer/ops/*.h) say which attributes an operator takes.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "tracer/graph.h"
#include "tracer/kernel_builder.h"

namespace tunesmith::tracer {

/// How an operator takes part in fused kernels.
enum class FusionKind : std::uint8_t {
  leaf,         // input or constant: in no kernel
  map,          // elementwise, or each output element from at most a few computed places: slice, pad, …
  rows,         // reduces some axes of one operand: producing maps may be inlined, consuming ones join
  contraction,  // reuses its operands (products, windows): consuming maps join, producers stay outside
  host,         // no lowering: run by its reference
};

/// Types of the outputs, or a thrown UserError that names the operand at fault.
using InferFn = std::vector<TensorType> (*)(std::span<const TensorType> inputs, const Attributes& attributes);
/// The reference: plain code, independent of lowering. Inputs have the types that infer accepted,
/// static shapes.
using ReferenceFn = std::vector<HostTensor> (*)(std::span<const HostTensor> inputs,
                                                const Attributes& attributes);
/// Adds the operator's stages to a kernel; returns a view of each output. Null for operators of the host.
using LowerFn = std::vector<TensorView> (*)(KernelBuilder& builder, std::span<const TensorView> inputs,
                                            const Attributes& attributes,
                                            std::span<const TensorType> outputs);

struct OpRow {
  OpKind kind;
  std::string_view name;
  FusionKind fusion;
  int min_inputs;
  int max_inputs;  // -1: any number
  InferFn infer;
  ReferenceFn reference;
  LowerFn lower;
};

const OpRow& op_row(OpKind kind);

/// What one operator gives by its reference. REQUIRES: its rule accepted operands of these types. Throws a
/// UserError where it has no result for its values (an index out of range, an integer division by zero).
std::vector<HostTensor> evaluate_op(OpKind kind, std::span<const HostTensor> operands,
                                    const Attributes& attributes);
/// The same for an operator of a graph; the error names it.
std::vector<HostTensor> evaluate_op(const Op& op, std::span<const HostTensor> operands);

/// Evaluates a whole graph with the reference implementations; `inputs` in the order of graph.inputs(),
/// results in the order of graph.outputs(). Throws a UserError for inputs that do not fit, and where an
/// operator has no result for its values.
std::vector<HostTensor> evaluate_reference(const Graph& graph, std::span<const HostTensor> inputs);

}  // namespace tunesmith::tracer
