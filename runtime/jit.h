// jit(): a C++ function of tensors, compiled for the dtypes and shapes that it is called with.
//
//   auto f = tunesmith::jit([](Tensor x, Tensor w) { return relu(matmul(x, w)); });
//   Array y = f(x, w);
//
// The first call with new dtypes and shapes traces the function and compiles it with the best schedules that
// are known (the defaults of the analytic model where nothing was measured), so it never waits for a search.
// With background tuning, better kernels are searched meanwhile in a thread and worker processes, kept in the
// database, and swapped in between two calls. Thread safety: a JitFunction may be called from several
// threads; the C++ function is traced by one at a time.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "ir/host_tensor.h"
#include "tracer/trace.h"

namespace tunesmith {

using Array = ir::HostTensor;
using ir::DType;
using tracer::Tensor;

struct JitOptions {
  std::int32_t threads = 0;  // that a call may use; 0: one a physical core
  std::string database;      // path; empty: the default database. Compiled code is kept beside it
  bool use_database = true;  // false: nothing is read or kept (background tuning still serves this object)
  double background_seconds = 0;  // of tuning for each new signature; 0: none
};

namespace runtime {

/// What is behind a JitFunction: one compiled model a signature of dtypes and shapes.
class JitCore {
 public:
  using TraceFn = std::function<tracer::Graph(const std::vector<tracer::TensorSpec>&)>;

  /// Throws a UserError that says what this build or machine lacks.
  JitCore(TraceFn trace, JitOptions options);
  /// Stops background tuning; what it measured is kept.
  ~JitCore();
  JitCore(const JitCore&) = delete;
  JitCore& operator=(const JitCore&) = delete;

  /// Throws a UserError when the function does not take such inputs.
  std::vector<Array> call(std::span<const Array> inputs);
  /// Waits until the background tuning of all signatures so far is done.
  void wait();
  /// Signatures compiled so far.
  std::size_t signature_count() const;
  /// Those whose kernels background tuning has replaced.
  std::size_t tuned_count() const;
  /// Kernels of all signatures whose code an earlier program, or this one, had compiled and kept.
  std::size_t reused_kernel_count() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace runtime

/// See the head of this file. Calls take one Array for each Tensor of `Fn` and return an Array where Fn
/// returns a Tensor, else a vector of Arrays.
template <class Fn>
class JitFunction {
 public:
  explicit JitFunction(Fn fn, JitOptions options = {})
      : core_(std::make_shared<runtime::JitCore>(
            [fn = std::move(fn)](const std::vector<tracer::TensorSpec>& specs) mutable {
              return tracer::trace(fn, specs);
            },
            std::move(options))) {}

  template <class... Arrays>
  requires(std::is_same_v<std::remove_cvref_t<Arrays>, Array>&&...) auto operator()(
      const Arrays&... arrays) const {
    const std::vector<Array> inputs{arrays...};
    std::vector<Array> outputs = core_->call(inputs);
    if constexpr (std::is_same_v<std::invoke_result_t<Fn&, AsTensor<Arrays>...>, Tensor>)
      return std::move(outputs.at(0));
    else
      return outputs;
  }

  void wait() const { core_->wait(); }
  std::size_t signature_count() const { return core_->signature_count(); }
  std::size_t tuned_count() const { return core_->tuned_count(); }
  std::size_t reused_kernel_count() const { return core_->reused_kernel_count(); }

 private:
  template <class>
  using AsTensor = Tensor;
  std::shared_ptr<runtime::JitCore> core_;
};

template <class Fn>
JitFunction<Fn> jit(Fn fn, JitOptions options = {}) {
  return JitFunction<Fn>(std::move(fn), std::move(options));
}

/// An array of f32 from values in row-major order. Throws a UserError for a shape that no array has, and when
/// the number of values does not fit to it.
Array make_array(std::vector<std::int64_t> shape, std::span<const float> values);

}  // namespace tunesmith
