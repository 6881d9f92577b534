// KernelBuilder: collects the stages of one fused kernel.
//
// Operators hand each other views: functions from indices to the expression of an element. A view that
// is cheap to recompute stays a function (it is inlined where it is read); a reduction, or a view that
// several readers would recompute, becomes a stage with a buffer.
// Invariants: stages are in dependency order and have unique names; a view of a buffer stays valid until
// finish(). Not synchronised.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
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

/// The buffer that `view` reads element by element, or nullopt for a view that computes.
std::optional<ir::BufferId> buffer_of(const TensorView& view);

/// The same view with the expressions of the last indices remembered, so that a value read several times
/// at one place is one shared expression (a chain of n operators that read their input twice would else
/// have 2^n nodes). A view of a buffer comes back unchanged.
TensorView memoised(TensorView view);

class KernelBuilder {
 public:
  explicit KernelBuilder(std::string name, ir::Numerics numerics = ir::Numerics::strict);

  /// Stages over tensors of rank order.size() walk the dimensions in this order from here on.
  void set_axis_order(std::vector<std::int32_t> order);
  /// Stages over exactly this shape walk dimension `dim` as two axes, the inner one of extent `inner`, from
  /// here on. Later calls for the same shape change nothing. REQUIRES: `inner` divides the dimension.
  void split_axis(const std::vector<std::int64_t>& shape, std::int32_t dim, std::int64_t inner);
  /// Stages over exactly this shape walk it in this order from here on, instead.
  void set_stage_order(std::vector<std::int64_t> shape, ir::Layout order);
  /// The axes of a stage over `shape`.
  ir::Layout stage_order(const std::vector<std::int64_t>& shape) const;

  /// A kernel argument. Its buffer has the physical shape that `layout` gives, row-major.
  TensorView input(std::string name, ir::DType dtype, std::vector<std::int64_t> shape, bool constant,
                   ir::Layout layout = {});

  /// A stage without reduction that stores `value` at every point of `shape`; returns a view that loads it.
  TensorView map(std::string name, ir::DType dtype, std::vector<std::int64_t> shape,
                 const std::function<ir::Expr(std::span<const ir::Expr> indices)>& value);
  /// Makes `view` a buffer unless it is one already.
  TensorView materialise(std::string name, const TensorView& view);
  /// A stage with a plain reduction over `reduce_extents`; state and value have `dtype`. Without
  /// reduction axes it is a map.
  TensorView reduce(std::string name, ir::DType dtype, std::vector<std::int64_t> shape,
                    std::vector<std::int64_t> reduce_extents, ir::CombinerKind combiner,
                    const std::function<ir::Expr(std::span<const ir::Expr> indices,
                                                 std::span<const ir::Expr> reduce)>& value);
  /// A tuple-state reduction. `update(state, value)` gives the new state and joins two partial states too;
  /// one view a component. REQUIRES: at least one reduction axis.
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
  /// Outputs are in the order of these calls in the finished kernel. `layout`: a permutation, the order in
  /// memory. `iteration`: the axes of a stage that has to be added, stage_order() unless given; the
  /// argument's logical dimensions are those axes. Returns a view that loads the stored elements.
  TensorView output(std::string name, const TensorView& view, ir::Layout layout = {},
                    std::optional<ir::Layout> iteration = {});

  /// The finished kernel, verified; temporary buffers that nothing reads are removed with their stages.
  /// REQUIRES: at least one output.
  ir::Kernel finish() &&;

 private:
  struct SplitAxis {
    std::vector<std::int64_t> shape;
    std::int32_t dim;
    std::int64_t inner;
  };
  /// A stage whose spatial axes are set, and the tensor's indices at a point of them.
  struct OpenStage {
    ir::Stage stage;
    std::vector<ir::Expr> indices;
    std::vector<std::int64_t> shape;
    ir::Layout order;
  };

  std::string unique_stage_name(std::string name);
  OpenStage open_stage(std::string name, std::vector<std::int64_t> shape, ir::Layout order);
  TensorView add_result(OpenStage& open, const std::string& name, ir::DType dtype);
  TensorView map_in_order(std::string name, const TensorView& view, ir::Layout order);
  std::optional<TensorView> stage_already_holding(const TensorView& view, const ir::Layout& order);
  std::vector<ir::Expr> add_axes(std::vector<ir::Axis>& axes, std::string_view prefix,
                                 const std::vector<std::int64_t>& extents);

  ir::Kernel kernel_;
  std::vector<ir::BufferId> outputs_;
  std::vector<std::int32_t> axis_order_;
  std::vector<SplitAxis> splits_;
  std::map<std::vector<std::int64_t>, ir::Layout> stage_orders_;
  std::unordered_set<std::string> stage_names_;
};

}  // namespace tunesmith::tracer
