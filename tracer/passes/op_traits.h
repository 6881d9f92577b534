// What the graph passes need to know of an operator beyond its row in the operator table: how fusion treats
// it, what it costs to recompute, which axes it reduces. Attributes are read here and nowhere else in the
// passes that fuse and lay out. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tracer/op_table.h"

namespace tunesmith::tracer {

/// What its row says, save that the host runs operators without elements, on types that generated code does
/// not hold, and with attributes without a lowering.
FusionKind fusion_kind(const Graph& graph, const Op& op);

/// Elementwise: output element i reads element i (or the broadcast one) of each operand.
bool is_pointwise(const Op& op);
/// Only moves elements, and each output element reads one place that is affine in its index.
bool is_affine_movement(const Op& op);
/// Reads no element of its operand more than once (transpose, slice, pad, concat).
bool reads_once(const Op& op);

/// Rough work to compute one output element again, loads aside: 0 for pure movement, 1 for an addition,
/// about 8 for a division, 16 for exp and its kind.
int recompute_cost(const Op& op);
/// How many stages of a row operator's lowering read its first operand.
int stages_that_read(const Op& op);
/// The axes that a `rows` operator reduces, ascending; nullopt where rows are not whole axes (groups).
std::optional<std::vector<std::size_t>> reduced_axes(const Graph& graph, const Op& op);
/// The order of a transpose, and the attributes of one; the attributes of a reshape.
std::vector<std::int64_t> transpose_order(const Op& op);
Attributes transpose_attributes(const std::vector<std::int64_t>& order);
Attributes reshape_attributes(const std::vector<std::int64_t>& shape);
std::vector<std::int64_t> slice_steps(const Op& op);
/// Padding before every dimension, then after every dimension; whether it is with zeros.
std::vector<std::int64_t> pad_amounts(const Op& op);
bool pads_zero(const Graph& graph, const Op& op);
/// Short text for names of kernels, e.g. "conv", "add", "exp"; empty for pure movement.
std::string label(const Op& op);

std::vector<std::int64_t> shape_of(const Graph& graph, ValueId value);
std::int64_t bytes_of(const Graph& graph, ValueId value);
/// A constant of one element: it becomes a number inside kernels.
bool is_scalar_constant(const Graph& graph, ValueId value);

}  // namespace tunesmith::tracer
