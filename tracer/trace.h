// trace(): records a C++ function of Tensors as a graph.
//
//   Graph g = trace([](Tensor x, Tensor w) { return gelu(matmul(x, w) + 1.0); },
//                   {{DType::f32, {"batch", 64}}, {DType::f32, {64, 32}}});
//
// The function runs once, so that its branches and loops must not depend on the values of tensors. Two specs
// that name the same symbol share it. Thread-safe as far as the function is.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tracer/tensor.h"

namespace tunesmith::tracer {

/// A symbolic extent is named, a fixed one is a number.
struct DimSpec {
  DimSpec(std::int64_t extent) : extent(extent) {}            // NOLINT: implicit by intent
  DimSpec(int extent) : extent(extent) {}                     // NOLINT
  DimSpec(std::string symbol) : symbol(std::move(symbol)) {}  // NOLINT
  DimSpec(const char* symbol) : symbol(symbol) {}             // NOLINT
  std::int64_t extent = 0;
  std::string symbol;  // empty: fixed
};

/// An argument of a traced function.
struct TensorSpec {
  DType dtype = DType::f32;
  std::vector<DimSpec> shape;
  std::string name = {};  // "x0", "x1", … unless given
};

namespace detail {

inline constexpr std::size_t max_traced_arguments = 16;

std::vector<Tensor> add_trace_inputs(Graph& graph, const std::vector<TensorSpec>& specs);
/// Names the outputs "y", or "y0", "y1", … when there are several.
void add_trace_outputs(Graph& graph, const std::vector<Tensor>& outputs);
[[noreturn]] void throw_wrong_arity(std::size_t count);

inline std::vector<Tensor> as_list(Tensor result) { return {std::move(result)}; }
inline std::vector<Tensor> as_list(std::vector<Tensor> results) { return results; }
/// Tuples, pairs and arrays of Tensors.
template <class Tuple>
std::vector<Tensor> as_list(const Tuple& results) {
  return std::apply([](const auto&... each) { return std::vector<Tensor>{each...}; }, results);
}

template <std::size_t>
using Argument = Tensor;

/// fn(arguments[0], arguments[1], …) when fn takes that many.
template <class Fn, std::size_t... I>
std::vector<Tensor> call_with(Fn& fn, const std::vector<Tensor>& arguments, std::index_sequence<I...>) {
  if constexpr (std::is_invocable_v<Fn&, Argument<I>...>)
    return as_list(std::invoke(fn, arguments[I]...));
  else
    throw_wrong_arity(arguments.size());
}

template <std::size_t N = 0, class Fn>
std::vector<Tensor> call(Fn& fn, const std::vector<Tensor>& arguments) {
  if (arguments.size() == N) return call_with(fn, arguments, std::make_index_sequence<N>());
  if constexpr (N < max_traced_arguments) return call<N + 1>(fn, arguments);
  throw_wrong_arity(arguments.size());
}

}  // namespace detail

/// Calls `fn` once with tensors of the given types and returns what it computed. `fn` takes one Tensor a spec
/// and returns a Tensor, a tuple, pair or array of Tensors, or a std::vector<Tensor>. Throws a UserError
/// where `fn` takes another number of arguments.
template <class Fn>
Graph trace(Fn&& fn, const std::vector<TensorSpec>& specs) {
  Graph graph;
  detail::add_trace_outputs(graph, detail::call(fn, detail::add_trace_inputs(graph, specs)));
  return graph;
}

/// As trace(), for a `fn` that takes its arguments as one std::vector<Tensor>.
template <class Fn>
Graph trace_list(Fn&& fn, const std::vector<TensorSpec>& specs) {
  Graph graph;
  detail::add_trace_outputs(graph, detail::as_list(std::invoke(fn, detail::add_trace_inputs(graph, specs))));
  return graph;
}

}  // namespace tunesmith::tracer
