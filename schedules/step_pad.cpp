// pad: axes whose extent a block size divides.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "ir/affine.h"
#include "ir/traverse.h"
#include "schedules/loads.h"
#include "schedules/steps.h"

namespace tunesmith::schedules {

using Code = ScheduleError::Code;

namespace {

using i64 = std::int64_t;

/// An axis is padded at most this far beyond what it was.
constexpr i64 longest_padding = 64;

using Shape = std::vector<i64>;

/// For each buffer that the stage would read past its end, the shape that reaches as far; nullopt where that cannot be told,
/// or where the padded points would be read before the beginning. `before`: the extent of the axis that is padded.
std::optional<std::vector<std::pair<ir::BufferId, Shape>>> grown_operands(const ir::Kernel& kernel, const ir::Stage& stage,
                                                                          const ir::Axis& padded, i64 before) {
  ir::VarRanges ranges, ranges_before;
  for (const auto* axes : {&stage.spatial, &stage.reduce})
    for (const ir::Axis& axis : *axes) ranges[axis.var] = {0, ir::int_value(axis.extent) - 1};
  ranges_before = ranges;
  ranges_before[padded.var].max = before - 1;
  std::vector<std::pair<ir::BufferId, Shape>> grown;
  bool bounded = true;
  auto see_load = [&](const ir::Load& load) {
    for (std::size_t d = 0; d < load.indices.size(); ++d) {
      if (!ir::uses_var(load.indices[d], padded.var)) continue;
      const auto range = ir::bounds(load.indices[d], ranges);
      const auto range_before = ir::bounds(load.indices[d], ranges_before);
      bounded &= range && range_before && (range->min >= 0 || range->min >= range_before->min);
      if (!range || range->max < ir::int_value(kernel.buffer(load.buffer).shape[d])) continue;
      auto entry = std::ranges::find(grown, load.buffer, [](const auto& g) { return g.first; });
      if (entry == grown.end()) {
        Shape shape;
        for (const ir::Expr& size : kernel.buffer(load.buffer).shape) shape.push_back(ir::int_value(size));
        entry = grown.insert(grown.end(), {load.buffer, std::move(shape)});
      }
      entry->second[d] = std::max(entry->second[d], range->max + 1);
    }
  };
  for (const ir::Expr& value : stage.values) for_each_load(value, see_load);
  if (!bounded) return std::nullopt;
  return grown;
}

/// Zeros that divide have no value.
bool divides_integers(const ir::Stage& stage) {
  bool divides = false;
  for (const ir::Expr& value : stage.values)
    ir::walk_once(value, [&](const ir::Expr& e) {
      const auto* b = e.as<ir::Binary>();
      const bool is_division = b && (b->op == ir::BinaryOp::div || b->op == ir::BinaryOp::mod ||
                                     b->op == ir::BinaryOp::floor_div || b->op == ir::BinaryOp::floor_mod);
      divides |= is_division && !ir::is_float(e.dtype()) && !ir::as_int(b->b);
      return !divides && !e.as<ir::Load>();
    });
  return divides;
}

/// A stage with one spatial axis a dimension of `buffer`, which it writes.
ir::Stage stage_over(ir::Kernel& kernel, ir::BufferId buffer) {
  const ir::Buffer& written = kernel.buffer(buffer);
  ir::Stage stage;
  stage.name = written.name;
  stage.outputs = {buffer};
  for (std::size_t d = 0; d < written.shape.size(); ++d)
    stage.spatial.push_back({kernel.vars.add(fmt::format("{}.d{}", stage.name, d)), written.shape[d]});
  return stage;
}

std::vector<ir::Expr> point_of(const ir::Stage& stage) {
  std::vector<ir::Expr> point;
  for (const ir::Axis& axis : stage.spatial) point.push_back(ir::var(axis.var));
  return point;
}

/// Adds the stage P = the operand, and zeros behind its ends.
ir::BufferId pad_operand(LoopTree& tree, StageIndex reader, ir::BufferId operand, const Shape& shape) {
  ir::Buffer padded = tree.kernel.buffer(operand);
  const bool is_known = padded.role == ir::Role::constant || padded.role == ir::Role::prepared;
  const ir::Buffer source = padded;
  padded.name += ".padded";
  padded.role = is_known ? ir::Role::prepared : ir::Role::temp;
  padded.scope = ir::Scope::global;
  padded.layout = {};
  padded.shape.assign(shape.begin(), shape.end());
  const ir::BufferId id = tree.kernel.add_buffer(std::move(padded));
  ir::Stage stage = stage_over(tree.kernel, id);
  ir::Expr inside;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == ir::int_value(source.shape[d])) continue;
    const ir::Expr in_dim = ir::var(stage.spatial[d].var) < source.shape[d];
    inside = inside ? ir::logical_and(inside, in_dim) : in_dim;
  }
  stage.values = {
      ir::select(inside, ir::load(operand, source.dtype, point_of(stage)), ir::constant(0, source.dtype))};
  tree.add_stage(std::move(stage), reader, true);
  return id;
}

/// The stage writes a larger buffer, and a new stage what was asked for.
void crop_output(LoopTree& tree, StageIndex stage, std::size_t component, const ir::Expr& extent, std::size_t axis) {
  ir::Buffer larger = tree.kernel.buffer(tree.stages[stage].def.outputs[component]);
  const ir::BufferId output = tree.stages[stage].def.outputs[component];
  larger.name += ".padded";
  larger.role = ir::Role::temp;
  larger.layout = {};
  larger.shape[axis] = extent;
  const ir::DType dtype = larger.dtype;
  const ir::BufferId id = tree.kernel.add_buffer(std::move(larger));
  ir::Stage crop = stage_over(tree.kernel, output);
  crop.values = {ir::load(id, dtype, point_of(crop))};
  for (StageIndex reader : tree.sequence) redirect_loads(tree.stages[reader].def, output, id);
  tree.stages[stage].def.outputs[component] = id;
  tree.add_stage(std::move(crop), stage, false);
}

}  // namespace

/// pad(C, i, f):  for i in n: C[i] = g(A[i])
///   ->  P = A and zeros; for i in ceil(n / f) * f: C'[i] = g(P[i]);  for i in n: C[i] = C'[i]
/// Legal where indices can be bounded, rise with the axis, and nothing divides integers: points past the end are computed from
/// zeros and not read. What reads C reads C' in its place; the last copy
/// is there for outputs of the kernel only.
Status take(LoopTree& tree, const Pad& step, std::uint32_t) {
  TreeStage* stage = tree.find(step.stage);
  if (!stage) return refuse(Code::unknown_stage);
  if (step.axis >= stage->def.spatial.size()) return refuse(Code::not_spatial_axis);
  if (stage->scheduled || stage->partial) return refuse(Code::stage_was_scheduled);
  const i64 extent = ir::int_value(stage->def.spatial[step.axis].extent);
  if (step.factor < 1 || step.factor > std::max(extent, longest_padding)) return refuse(Code::bad_factor);
  if (extent % step.factor == 0) return {};

  ir::Axis& axis = stage->def.spatial[step.axis];
  const ir::Expr before = axis.extent;
  axis.extent = (extent + step.factor - 1) / step.factor * step.factor;
  const ir::Expr after = axis.extent;
  const auto grown = divides_integers(stage->def) ? std::nullopt : grown_operands(tree.kernel, stage->def, axis, extent);
  if (!grown) {
    axis.extent = before;
    return refuse(Code::unbounded_index);
  }
  for (const auto& [operand, shape] : *grown) {
    const ir::BufferId padded = pad_operand(tree, step.stage, operand, shape);
    redirect_loads(tree.stages[step.stage].def, operand, padded);
  }
  for (std::size_t c = 0; c < tree.stages[step.stage].def.outputs.size(); ++c) {
    ir::Buffer& output = tree.kernel.buffers[ir::index_of(tree.stages[step.stage].def.outputs[c])];
    if (output.role == ir::Role::output)
      crop_output(tree, step.stage, c, after, step.axis);
    else
      output.shape[step.axis] = after;
  }
  return {};
}

}  // namespace tunesmith::schedules
