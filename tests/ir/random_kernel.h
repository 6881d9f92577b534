// Random valid kernels: chains of elementwise stages, transpositions, broadcasts, windows with guards,
// plain and tuple reductions, over buffers in row-major, permuted and blocked layouts.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ir/host_tensor.h"
#include "ir/interpret.h"
#include "tests/ir/random_ir.h"

namespace tunesmith::ir::testing {

class KernelGenerator {
 public:
  explicit KernelGenerator(Rng& rng) : rng_(rng) {
    static constexpr DType usual[] = {DType::f32, DType::f32, DType::f16, DType::i32, DType::f64};
    dtype_ = usual[rng.below(std::size(usual))];
  }

  Kernel run() {
    kernel_ = {};
    kernel_.name = "random";
    if (rng_.below(3) == 0) kernel_.numerics = Numerics::fast;
    const std::int64_t stages = rng_.between(1, 4);
    for (std::int64_t s = 0; s < stages; ++s) add_stage(s + 1 == stages);
    return kernel_;
  }

 private:
  std::int64_t extent() {
    static constexpr std::int64_t usual[] = {1, 1, 2, 3, 4, 5, 6};
    return usual[rng_.below(std::size(usual))];
  }

  Layout layout(std::size_t rank) {
    if (rank == 0 || rng_.below(3) != 0) return {};
    std::vector<std::int32_t> order(rank);
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t i = rank; i > 1; --i) std::swap(order[i - 1], order[rng_.below(i)]);
    Layout result = Layout::permutation(order);
    if (rng_.below(2) != 0) return result;
    if (result.is_row_major())
      for (std::int32_t d : order) result.order.push_back({d, 0});
    result.order.push_back({static_cast<std::int32_t>(rng_.below(rank)), rng_.between(2, 4)});
    return result;
  }

  BufferId buffer(Role role, DType dtype, const std::vector<std::int64_t>& shape) {
    const char* name = role == Role::input ? "in" : role == Role::output ? "out" : "tmp";
    return kernel_.add_buffer(
        {name, dtype, {shape.begin(), shape.end()}, role, Scope::global, layout(shape.size())});
  }

  /// A new input walked by some of the axes, in some order, now and then with a window or a unit dimension.
  Expr load_input(const std::vector<Axis>& axes) {
    std::vector<std::int64_t> shape;
    std::vector<Expr> indices;
    std::vector<Axis> chosen;
    for (const Axis& axis : axes)
      if (rng_.below(4) != 0) chosen.push_back(axis);
    if (rng_.below(4) == 0) std::reverse(chosen.begin(), chosen.end());
    Expr guard;
    for (const Axis& axis : chosen) {
      const std::int64_t size = int_value(axis.extent);
      const auto kind = rng_.below(8);
      if (kind == 0) {  // shifted: the first places are padding
        const Expr index = var(axis.var) - 1;
        guard = guard ? logical_and(guard, index >= Expr(0)) : index >= Expr(0);
        indices.push_back(index);
        shape.push_back(size);
      } else if (kind == 1) {  // strided
        indices.push_back(var(axis.var) * 2 + 1);
        shape.push_back(2 * size);
      } else if (kind == 2) {  // only the front part is read
        indices.push_back(var(axis.var));
        shape.push_back(size + 1);
      } else {
        indices.push_back(var(axis.var));
        shape.push_back(size);
      }
      if (rng_.below(6) == 0) {
        indices.emplace_back(0);
        shape.push_back(1);
      }
    }
    const BufferId id = buffer(rng_.below(4) == 0 ? Role::constant : Role::input, dtype_, shape);
    const Expr value = load(id, dtype_, indices);
    return guard ? select(guard, value, constant(0, dtype_)) : value;
  }

  /// A buffer that an earlier stage wrote.
  Expr load_temp(const std::vector<Axis>& axes) {
    const BufferId id = temps_[rng_.below(temps_.size())];
    const Buffer& from = kernel_.buffer(id);
    std::vector<Expr> indices;
    for (std::size_t d = 0; d < from.shape.size(); ++d) {
      if (d < axes.size() && equal(axes[d].extent, from.shape[d]))
        indices.push_back(var(axes[d].var));
      else if (!axes.empty())
        indices.push_back(floor_mod(var(axes[rng_.below(axes.size())].var), from.shape[d]));
      else
        indices.emplace_back(0);
    }
    return cast(dtype_, load(id, from.dtype, indices));
  }

  Expr leaf(const std::vector<Axis>& axes) {
    if (rng_.below(8) == 0) return constant(static_cast<double>(rng_.between(-3, 3)), dtype_);
    return !temps_.empty() && rng_.below(2) ? load_temp(axes) : load_input(axes);
  }

  Expr value(const std::vector<Axis>& axes, int depth) {
    if (depth == 0) return leaf(axes);
    const Expr a = value(axes, depth - 1);
    switch (rng_.below(8)) {
      case 0: return a + value(axes, depth - 1);
      case 1: return a * leaf(axes);
      case 2: return a - leaf(axes);
      case 3: return max(a, constant(0, dtype_));
      case 4: return unary(UnaryOp::neg, a);
      case 5: return select(a < leaf(axes), a, constant(1, dtype_));
      case 6: return unary(UnaryOp::abs, a) * a;
      default: return a;
    }
  }

  void add_stage(bool last) {
    Stage stage;
    stage.name = fmt::format("stage_{}", kernel_.stages.size());
    std::vector<std::int64_t> shape;
    if (!temps_.empty() && rng_.below(3) != 0) {
      for (const Expr& e : kernel_.buffer(temps_.back()).shape) shape.push_back(int_value(e));
    } else {
      for (std::int64_t rank = rng_.between(0, 4); rank > 0; --rank) shape.push_back(extent());
    }
    for (std::int64_t size : shape) stage.spatial.push_back({kernel_.vars.add("i"), size});
    std::vector<Axis> axes = stage.spatial;
    const bool reduces = rng_.below(2) == 0;
    if (reduces)
      for (std::int64_t rank = rng_.between(1, 3); rank > 0; --rank)
        stage.reduce.push_back({kernel_.vars.add("k"), extent()});
    axes.insert(axes.end(), stage.reduce.begin(), stage.reduce.end());
    const Role role = last || rng_.below(6) == 0 ? Role::output : Role::temp;
    const Expr first = value(axes, static_cast<int>(rng_.between(0, 3)));
    stage.values = {first};
    stage.outputs = {buffer(role, dtype_, shape)};
    if (reduces && rng_.below(4) == 0)
      make_tuple_reduction(stage, shape, role);
    else if (reduces)
      stage.combiner = plain_combiner(static_cast<CombinerKind>(rng_.below(4)), dtype_);
    temps_.insert(temps_.end(), stage.outputs.begin(), stage.outputs.end());
    kernel_.stages.push_back(std::move(stage));
  }

  /// The largest value and the place of the innermost axis where it stands.
  void make_tuple_reduction(Stage& stage, const std::vector<std::int64_t>& shape, Role role) {
    stage.values.push_back(var(stage.reduce.back().var));
    stage.outputs.push_back(buffer(role, DType::i64, shape));
    Combiner c;
    c.kind = CombinerKind::tuple;
    c.identity = {constant(-1000, dtype_), Expr(-1)};
    for (auto* list : {&c.state, &c.value})
      for (const char* name : {"best", "where"}) list->push_back(kernel_.vars.add(name));
    const Expr best = var(c.state[0], dtype_), found = var(c.value[0], dtype_);
    c.update = {select(found > best, found, best), select(found > best, var(c.value[1]), var(c.state[1]))};
    c.associative = rng_.below(2) == 0;
    stage.combiner = std::move(c);
  }

  Rng& rng_;
  DType dtype_ = DType::f32;
  Kernel kernel_;
  std::vector<BufferId> temps_;
};

/// Random contents for the kernel's inputs, in physical layout.
inline std::vector<HostTensor> random_inputs(const Kernel& kernel, Rng& rng) {
  std::vector<HostTensor> inputs;
  for (BufferId id : arguments(kernel)) {
    const Buffer& buffer = kernel.buffer(id);
    if (buffer.role == Role::output) continue;
    std::vector<std::int64_t> shape;
    for (const Expr& e : buffer.shape) shape.push_back(int_value(e));
    HostTensor logical(buffer.dtype, shape);
    for (std::int64_t i = 0; i < logical.size(); ++i)
      logical.set(i, static_cast<double>(rng.between(-8, 8)) / 4);
    inputs.push_back(to_physical(logical, buffer));
  }
  return inputs;
}

/// The same bytes under the physical shapes that another form of the kernel gives its inputs.
inline std::vector<HostTensor> reshaped_inputs(const Kernel& kernel, const std::vector<HostTensor>& inputs) {
  std::vector<HostTensor> result;
  for (BufferId id : arguments(kernel)) {
    if (kernel.buffer(id).role == Role::output) continue;
    std::vector<std::int64_t> shape;
    for (const Expr& e : physical_shape(kernel.buffer(id))) shape.push_back(int_value(e));
    result.push_back(inputs.at(result.size()).reshaped(shape));
  }
  return result;
}

/// Equal to the last bit; one NaN is as good as another.
inline bool same_elements(const HostTensor& a, const HostTensor& b) {
  if (a.dtype() != b.dtype() || a.byte_size() != b.byte_size()) return false;
  const std::size_t width = size_bytes(a.dtype());
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const std::byte* x = a.bytes() + static_cast<std::size_t>(i) * width;
    const std::byte* y = b.bytes() + static_cast<std::size_t>(i) * width;
    const bool both_nan = is_float(a.dtype()) && std::isnan(a.at(i)) && std::isnan(b.at(i));
    if (!both_nan && !std::equal(x, x + width, y)) return false;
  }
  return true;
}

}  // namespace tunesmith::ir::testing
