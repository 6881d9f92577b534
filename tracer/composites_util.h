// Internal: what the composites share.
#pragma once

#include "tracer/composites.h"

namespace tunesmith::tracer::ops {

/// f32 for floats narrower than it, else the dtype itself.
inline DType wide_dtype(DType dtype) {
  return ir::is_float(dtype) && ir::bit_width(dtype) < 32 ? DType::f32 : dtype;
}

/// f(x) computed in the wide dtype and rounded once.
template <class F>
ValueId in_wide(Graph& graph, ValueId x, F&& f) {
  const DType dtype = graph.type(x).dtype;
  return cast(graph, f(cast(graph, x, wide_dtype(dtype))), dtype);
}

inline ValueId add(Graph& graph, ValueId a, ValueId b) { return binary(graph, ir::BinaryOp::add, a, b); }
inline ValueId sub(Graph& graph, ValueId a, ValueId b) { return binary(graph, ir::BinaryOp::sub, a, b); }
inline ValueId mul(Graph& graph, ValueId a, ValueId b) { return binary(graph, ir::BinaryOp::mul, a, b); }
inline ValueId div(Graph& graph, ValueId a, ValueId b) { return binary(graph, ir::BinaryOp::div, a, b); }
inline ValueId add(Graph& graph, ValueId a, double b) { return add(graph, a, scalar_like(graph, a, b)); }
inline ValueId mul(Graph& graph, ValueId a, double b) { return mul(graph, a, scalar_like(graph, a, b)); }
inline ValueId less(Graph& graph, ValueId a, double b) {
  return binary(graph, ir::BinaryOp::lt, a, scalar_like(graph, a, b));
}
inline ValueId greater(Graph& graph, ValueId a, double b) {
  return binary(graph, ir::BinaryOp::gt, a, scalar_like(graph, a, b));
}

inline Ints shape_of(const Graph& graph, ValueId x) { return to_ints(graph.type(x).shape); }
inline std::size_t rank_of(const Graph& graph, ValueId x) { return graph.type(x).shape.size(); }

}  // namespace tunesmith::tracer::ops
