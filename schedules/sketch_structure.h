// Structure of a kernel's stages as the sketch rules see it: extents, strides, who reads whom. Rules never
// ask which operator a stage came from.
//
// Invariants: values only; refer to the kernel that they were made from and must not outlive it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ir/kernel.h"

namespace tunesmith::schedules {

struct AxisInfo {
  ir::VarId var{};
  std::int64_t extent = 1;
  bool is_reduction = false;
};

/// A distinct access of a stage. Strides are in elements of the buffer's physical layout.
struct AccessInfo {
  ir::BufferId buffer{};
  int element_bytes = 4;
  std::int64_t elements = 1;  // of the whole buffer
  bool is_constant = false;   // role constant: a pack of it may be prepared once
  bool is_input = false;      // an argument of the kernel rather than an earlier stage's result
  bool is_guarded = false;    // on one side of a select
  ir::Expr flat;              // physical element index
  /// One a logical dimension: the axis that the index is, where it is a plain axis variable.
  std::vector<std::optional<std::size_t>> dim_axis;
  std::vector<std::int64_t> dim_extent;
  /// One an axis of the stage (spatial, then reduction): elements that one step moves; 0: not used.
  std::vector<std::int64_t> strides;
  /// The axis is inside a floor_div, floor_mod or load: `strides` holds the first step only.
  std::vector<bool> irregular;

  bool uses(std::size_t axis) const { return strides[axis] != 0 || irregular[axis]; }
};

enum class StageKind : std::uint8_t {
  map,        // no reduction
  reduction,  // one state component
  tuple,      // several state components
};

struct StageInfo {
  std::size_t index = 0;
  const ir::Stage* stage = nullptr;
  StageKind kind = StageKind::map;
  std::vector<AxisInfo> axes;  // spatial, then reduction
  std::size_t spatial_count = 0;
  std::vector<AccessInfo> loads;
  AccessInfo store;                    // of output 0
  /// One an axis: a select picks its side by comparing the axis with a number, so that an unrolled loop over
  /// it leaves one side only.
  std::vector<bool> picks;
  std::vector<std::size_t> producers;  // stages that it reads, ascending
  std::vector<std::size_t> consumers;
  int widest_bytes = 4;  // of the values and loads: decides the vector lanes
  double slots = 1;  // vector operations at one point, the combiner included (a fused multiply-add is one)
  bool writes_output = false;

  std::int64_t spatial_points() const;
  std::int64_t reduce_points() const;
  /// The spatial axis that moves the store by one element, if any; axes of extent 1 do not count.
  std::optional<std::size_t> unit_axis() const;
  /// Neighbouring points along this spatial axis read common elements: a load does not use it, or slides
  /// over it together with a reduction axis.
  bool has_reuse(std::size_t axis) const;
  /// Operands share work: a load that walks the reduction does not use some spatial axis.
  bool is_contraction() const;
  /// The reduction axis along which a load is contiguous, where no load is contiguous along the unit axis:
  /// such a reduction is vectorised along the reduction.
  std::optional<std::size_t> contiguous_reduction() const;
};

/// Port slots of one vector operation: 1 for plain arithmetic, more for divisions and polynomials.
double operation_slots(const ir::Expr& e);

/// An anchor stage with the stages that are computed together with it.
struct StageGroup {
  std::size_t anchor = 0;
  /// Maps over the anchor's own spatial axes that read it point by point, in order.
  std::vector<std::size_t> epilogue;
  /// Maps that only the anchor reads (padding, casts), in order; in a group of rows: all stages before the
  /// anchor, reductions included.
  std::vector<std::size_t> prologue;
  /// Not 0: a group of rows. Every stage has these leading spatial axes in common, and one row of the anchor
  /// needs only the same row of the others.
  std::size_t row_axes = 0;
};

struct KernelInfo {
  const ir::Kernel* kernel = nullptr;
  std::vector<StageInfo> stages;
  std::vector<StageGroup> groups;  // every stage is in exactly one group; in order of anchors
};

/// REQUIRES: a verified kernel without symbols.
KernelInfo analyse(const ir::Kernel& kernel);

/// The number that a select compares `var` with to pick a side; nullopt where it decides by something else.
std::optional<std::int64_t> picked_by(const ir::Select& choice, ir::VarId var);

/// `consumer` reads `producer` only at its own point: same axes, in order, no other index.
bool is_pointwise(const KernelInfo& info, std::size_t producer, std::size_t consumer);

}  // namespace tunesmith::schedules
