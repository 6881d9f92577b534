// Compiles and runs loop nests for the tests.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "codegen/aligned_memory.h"
#include "codegen/backend.h"
#include "codegen/threads/pool.h"
#include "ir/host_tensor.h"
#include "ir/loop_nest.h"

namespace tunesmith::codegen {

inline const Backend& test_backend() {
  static const std::unique_ptr<Backend> backend = [] {
    auto made = make_llvm_backend(host_cpu_target());
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
  }();
  return *backend;
}

/// Runs a nest on `threads` threads; outputs in calling order. Outputs and scratch are poisoned first.
inline Expected<std::vector<ir::HostTensor>, Error> run_nest(const ir::LoopNest& nest,
                                                             std::vector<ir::HostTensor> inputs,
                                                             int threads = 1) {
  auto object = test_backend().compile(nest);
  if (!object) return Unexpected(object.error());
  auto executable = test_backend().load(std::move(*object));
  if (!executable) return Unexpected(executable.error());
  ThreadPool pool(threads);
  ExecutionContext context(pool);
  context.reserve((*executable)->object().workspace_bytes, (*executable)->object().thread_scratch_bytes);
  std::vector<void*> arguments;
  std::vector<ir::HostTensor> outputs;
  std::vector<AlignedMemory> prepared;
  outputs.reserve(nest.arguments.size());
  std::size_t next = 0;
  for (std::size_t i = 0; i < nest.arguments.size(); ++i) {
    const ir::Buffer& buffer = nest.buffer(nest.arguments[i]);
    if (buffer.role == ir::Role::prepared) {
      prepared.emplace_back((*executable)->object().argument_bytes[i]);
      arguments.push_back(prepared.back().data());
    } else if (buffer.role == ir::Role::output) {
      std::vector<std::int64_t> shape;
      for (const ir::Expr& extent : ir::physical_shape(buffer)) shape.push_back(ir::int_value(extent));
      outputs.emplace_back(buffer.dtype, shape);
      std::byte* bytes = outputs.back().mutable_bytes();
      std::fill(bytes, bytes + outputs.back().byte_size(), std::byte{0xff});
      arguments.push_back(bytes);
    } else {
      arguments.push_back(inputs.at(next++).mutable_bytes());
    }
  }
  (*executable)->prepare(arguments.data(), nullptr, context.get());
  (*executable)->run(arguments.data(), nullptr, context.get());
  return outputs;
}

}  // namespace tunesmith::codegen
