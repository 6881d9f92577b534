// Compiled models against the reference: what the runtime's tests share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "ir/support/env.h"
#include "runtime/compiled_model.h"
#include "tests/tracer/random_values.h"
#include "tracer/op_table.h"
#include "tracer/trace.h"

namespace tunesmith::runtime::testing {

using ir::DType;
using ir::HostTensor;
using tracer::Graph;
using tracer::Tensor;

/// Without a database, on the given number of threads.
inline ModelOptions model_options(std::int32_t threads) {
  auto environment = tuner::host_environment(threads, nullptr);
  if (!environment) throw std::runtime_error(environment.error().message);
  ModelOptions options;
  options.environment = std::move(*environment);
  return options;
}

inline std::unique_ptr<CompiledModel> build_model(const Graph& graph, const ModelOptions& options) {
  auto model = CompiledModel::build(graph, options);
  if (!model) throw std::runtime_error(model.error().message);
  return std::move(*model);
}

/// Random tensors for the inputs of a graph.
inline std::vector<HostTensor> random_inputs(const Graph& graph, std::uint64_t seed = 1) {
  Rng rng(tracer::testing::first_seed(seed));
  std::vector<HostTensor> inputs;
  for (const tracer::OpId id : graph.inputs()) {
    const tracer::TensorType& type = graph.op(id).outputs.at(0);
    inputs.push_back(tracer::testing::random_tensor(rng, type.dtype, tracer::to_ints(type.shape)));
  }
  return inputs;
}

inline void expect_close(const std::vector<HostTensor>& got, const std::vector<HostTensor>& want,
                         double tolerance = 1e-4) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t o = 0; o < want.size(); ++o)
    EXPECT_EQ(tracer::testing::difference(got[o], want[o], tolerance), "") << "output " << o;
}

/// The function gives what the reference gives, on one and two threads, fused and not.
template <class Fn>
void expect_reference(Fn&& fn, const std::vector<tracer::TensorSpec>& specs) {
  const Graph graph = tracer::trace(fn, specs);
  const std::vector<HostTensor> inputs = random_inputs(graph);
  const std::vector<HostTensor> want = tracer::evaluate_reference(graph, inputs);
  for (const std::int32_t threads : {1, 2})
    for (const bool fuse : {true, false}) {
      SCOPED_TRACE(::testing::Message() << threads << " threads, " << (fuse ? "fused" : "not fused"));
      ModelOptions options = model_options(threads);
      options.fuse.fuse = fuse;
      const auto model = build_model(graph, options);
      expect_close(model->run(inputs), want);
      expect_close(model->run(inputs), want);  // nothing of the first run is left behind
    }
}

}  // namespace tunesmith::runtime::testing
