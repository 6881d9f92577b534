// KernelBuilder: collects the stages of one fused kernel.
//
// Operators hand each other views: functions from indices to the expression of an element. A view that
// is cheap to recompute stays a function (it is inlined where it is read); a reduction, or a view that
// several readers would recompute, becomes a stage with a buffer.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ir/kernel.h"

namespace tunesmith::tracer {

/// A tensor as lowering sees it: static shape and the expression of its element at the given indices.
struct TensorView {
  ir::DType dtype = ir::DType::f32;
  std::vector<std::int64_t> shape;
  std::function<ir::Expr(std::span<const ir::Expr> indices)> at;

  ir::Expr operator()(std::span<const ir::Expr> indices) const { return at(indices); }
};

class KernelBuilder {
 public:
  explicit KernelBuilder(std::string name, ir::Numerics numerics = ir::Numerics::strict);

  /// A kernel argument.
  TensorView input(std::string name, ir::DType dtype, std::vector<std::int64_t> shape, bool constant,
                   ir::Layout layout = {});

  /// A stage without reduction that stores `value` at every point of `shape`; returns a view that loads it.
  TensorView map(std::string name, ir::DType dtype, std::vector<std::int64_t> shape,
                 const std::function<ir::Expr(std::span<const ir::Expr> indices)>& value);
  /// Makes `view` a buffer unless it is one already.
  TensorView materialise(std::string name, const TensorView& view);
  /// A stage with a plain reduction over `reduce_extents`; state and value have `dtype`.
  TensorView reduce(std::string name, ir::DType dtype, std::vector<std::int64_t> shape,
                    std::vector<std::int64_t> reduce_extents, ir::CombinerKind combiner,
                    const std::function<ir::Expr(std::span<const ir::Expr> indices,
                                                 std::span<const ir::Expr> reduce)>& value);
  /// A tuple-state reduction. `update(state, value)` gives the new state; one view a component.
  struct TupleComponent {
    ir::DType dtype;
    ir::Expr identity;
  };
  std::vector<TensorView> reduce_tuple(
      std::string name, std::vector<std::int64_t> shape, std::vector<std::int64_t> reduce_extents,
      std::vector<TupleComponent> components,
      const std::function<std::vector<ir::Expr>(std::span<const ir::Expr> indices,
                                                std::span<const ir::Expr> reduce)>& values,
      const std::function<std::vector<ir::Expr>(std::span<const ir::Expr> state,
                                                std::span<const ir::Expr> value)>& update);

  /// Declares `view` a kernel output; the stage that computes it writes the argument directly where possible.
  void output(std::string name, const TensorView& view, ir::Layout layout = {});

  /// The finished kernel, verified. REQUIRES: at least one output.
  ir::Kernel finish() &&;

 private:
  ir::Kernel kernel_;
  std::vector<std::pair<std::size_t, ir::BufferId>> view_buffers_;
};

}  // namespace tunesmith::tracer
