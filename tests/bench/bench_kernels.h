// The kernels that the benchmark programs share.
#pragma once

#include <cstdlib>

#include "codegen/backend.h"
#include "ir/support/error.h"
#include "schedules/apply.h"
#include "schedules/space.h"
#include "tracer/composites.h"
#include "tracer/program.h"
#include "tuner/environment.h"

namespace tunesmith::bench {

/// The host with one thread and no database.
inline const tuner::Environment& environment(std::int32_t threads = 1) {
  static const auto make = [](std::int32_t n) {
    auto made = tuner::host_environment(n, nullptr);
    if (!made) throw UserError(made.error().message);
    return std::move(*made);
  };
  static const tuner::Environment one = make(1), two = make(2);
  return threads == 1 ? one : two;
}

inline ir::Kernel only_kernel(const tracer::Graph& graph) {
  const tracer::Program program = tracer::make_program(graph);
  return program.steps.at(0).kernel;
}

/// 256 x 256 x 256.
inline ir::Kernel matmul_kernel() {
  tracer::Graph graph;
  const auto a = graph.add_input("a", {ir::DType::f32, tracer::to_shape({256, 256})});
  const auto b = graph.add_input("b", {ir::DType::f32, tracer::to_shape({256, 256})});
  graph.add_output("y", tracer::ops::matmul(graph, a, b));
  return only_kernel(graph);
}

/// 64 channels to 64, 28 x 28, 3 x 3, padded.
inline ir::Kernel conv_kernel() {
  tracer::Graph graph;
  const auto x = graph.add_input("x", {ir::DType::f32, tracer::to_shape({1, 64, 28, 28})});
  const auto w = graph.add_input("w", {ir::DType::f32, tracer::to_shape({64, 64, 3, 3})});
  graph.add_output("y", tracer::ops::conv(graph, x, w, std::nullopt, {.pads = {1, 1, 1, 1}}));
  return only_kernel(graph);
}

/// 256 rows of 256.
inline ir::Kernel softmax_kernel() {
  tracer::Graph graph;
  const auto x = graph.add_input("x", {ir::DType::f32, tracer::to_shape({256, 256})});
  graph.add_output("y", tracer::ops::softmax(graph, x));
  return only_kernel(graph);
}

}  // namespace tunesmith::bench
