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

/// What fusion may do with an operator.
enum class FusionClass : std::uint8_t {
  leaf,         // input, constant
  elementwise,  // each output element from the elements at the (broadcast) same place
  injective,    // each output element from at most a few computed places: transpose, slice, pad, …
  reduction,    // row reductions: elementwise producers may be inlined, elementwise consumers join
  contraction,  // reuses its inputs: elementwise consumers join as epilogue, producers stay outside
  opaque,       // no lowering
};

/// Types of the outputs, or a thrown UserError that names the operand at fault.
using InferFn = std::vector<TensorType> (*)(std::span<const TensorType> inputs, const Attributes& attributes);
/// The reference: plain code, independent of lowering. Inputs have the types that infer accepted,
/// static shapes.
using ReferenceFn = std::vector<HostTensor> (*)(std::span<const HostTensor> inputs,
                                                const Attributes& attributes);
/// Adds the operator's stages to a kernel; returns a view of each output. Null for opaque operators.
using LowerFn = std::vector<TensorView> (*)(KernelBuilder& builder, std::span<const TensorView> inputs,
                                            const Attributes& attributes,
                                            std::span<const TensorType> outputs);

struct OpRow {
  OpKind kind;
  std::string_view name;
  FusionClass fusion;
  int min_inputs;
  int max_inputs;  // -1: any number
  InferFn infer;
  ReferenceFn reference;
  LowerFn lower;
};

const OpRow& op_row(OpKind kind);

/// Evaluates a whole graph with the reference implementations; `inputs` in the order of graph.inputs(),
/// results in the order of graph.outputs(). Throws a UserError for inputs that do not fit, and where an
/// operator has no result for its values (an index out of range, an integer division by zero).
std::vector<HostTensor> evaluate_reference(const Graph& graph, std::span<const HostTensor> inputs);

}  // namespace tunesmith::tracer
