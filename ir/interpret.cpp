#include "ir/interpret.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/evaluator.h"
#include "ir/support/check.h"

namespace tunesmith::ir {
namespace {

/// Counts through the points of a box, last dimension fastest. Returns false after the last point.
bool advance(std::vector<std::int64_t>& point, const std::vector<std::int64_t>& extents) {
  for (std::size_t d = point.size(); d-- > 0;) {
    if (++point[d] < extents[d]) return true;
    point[d] = 0;
  }
  return false;
}

class KernelInterpreter {
 public:
  KernelInterpreter(const Kernel& kernel, std::span<const HostTensor> inputs)
      : kernel_(kernel), evaluator_(kernel.vars, kernel.buffers, false) {
    std::vector<BufferId> given;
    for (BufferId id : arguments(kernel))
      if (kernel.buffer(id).role != Role::output) given.push_back(id);
    bind_arguments(evaluator_, kernel.buffers, kernel.vars, kernel.symbols, given, inputs);
  }

  Expected<std::vector<HostTensor>, Error> run() {
    for (std::uint32_t i = 0; i < kernel_.buffers.size() && !evaluator_.failed(); ++i)
      if (!evaluator_.storage(BufferId{i}).live())
        evaluator_.storage(BufferId{i}).allocate(kernel_.buffers[i], evaluator_.shape_of(kernel_.buffers[i]));
    for (const Stage& stage : kernel_.stages) {
      if (!evaluator_.failed()) run_stage(stage);
      if (evaluator_.failed())
        return Unexpected(make_error("stage '{}': {}", stage.name, evaluator_.error()));
    }
    if (evaluator_.failed()) return Unexpected(Error{evaluator_.error()});
    std::vector<HostTensor> outputs;
    for (BufferId id : arguments(kernel_))
      if (kernel_.buffer(id).role == Role::output) outputs.push_back(evaluator_.storage(id).tensor());
    return outputs;
  }

 private:
  using Programs = std::vector<Evaluator::Program>;

  std::vector<std::int64_t> extents_of(const std::vector<Axis>& axes) {
    std::vector<std::int64_t> extents;
    for (const Axis& axis : axes) extents.push_back(evaluator_.evaluate_int(axis.extent));
    return extents;
  }
  void set_vars(const std::vector<Axis>& axes, const std::vector<std::int64_t>& point) {
    for (std::size_t d = 0; d < axes.size(); ++d) evaluator_.set_int(axes[d].var, point[d]);
  }
  Programs compile(const std::vector<Expr>& exprs) {
    Programs programs;
    for (const Expr& e : exprs) programs.push_back(evaluator_.compile(e));
    return programs;
  }
  static bool empty(const std::vector<std::int64_t>& extents) {
    for (std::int64_t extent : extents)
      if (extent <= 0) return true;
    return false;
  }

  void run_stage(const Stage& stage) {
    const Programs values = compile(stage.values);
    const std::vector<std::int64_t> extents = extents_of(stage.spatial);
    const std::vector<std::int64_t> reduce_extents = extents_of(stage.reduce);
    Programs identity, updates;
    if (stage.combiner) {
      identity = compile(stage.combiner->identity);
      updates = compile(stage.combiner->update);
    }
    if (evaluator_.failed() || empty(extents)) return;
    std::vector<Scalar> result(stage.outputs.size());
    std::vector<std::int64_t> point(extents.size(), 0);
    do {
      set_vars(stage.spatial, point);
      if (stage.combiner)
        reduce(stage, values, identity, updates, reduce_extents, result);
      else
        for (std::size_t c = 0; c < result.size(); ++c) result[c] = evaluator_.run(values[c]);
      for (std::size_t c = 0; c < result.size(); ++c) evaluator_.store(stage.outputs[c], point, result[c]);
    } while (!evaluator_.failed() && advance(point, extents));
  }

  void reduce(const Stage& stage, const Programs& values, const Programs& identity, const Programs& updates,
              const std::vector<std::int64_t>& extents, std::vector<Scalar>& state) {
    for (std::size_t c = 0; c < state.size(); ++c) state[c] = evaluator_.run(identity[c]);
    if (empty(extents)) return;
    std::vector<std::int64_t> point(extents.size(), 0);
    std::vector<Scalar> next(state.size());
    do {
      set_vars(stage.reduce, point);
      for (std::size_t c = 0; c < state.size(); ++c) next[c] = evaluator_.run(values[c]);
      if (stage.combiner->kind == CombinerKind::tuple)
        update(*stage.combiner, updates, state, next);
      else
        state[0] =
            plain_update(stage.combiner->kind, kernel_.buffer(stage.outputs[0]).dtype, state[0], next[0]);
    } while (!evaluator_.failed() && advance(point, extents));
  }

  void update(const Combiner& combiner, const Programs& updates, std::vector<Scalar>& state,
              std::vector<Scalar>& value) {
    for (std::size_t c = 0; c < state.size(); ++c) {
      evaluator_.set(combiner.state[c], state[c]);
      evaluator_.set(combiner.value[c], value[c]);
    }
    for (std::size_t c = 0; c < state.size(); ++c) state[c] = evaluator_.run(updates[c]);
  }

  static Scalar plain_update(CombinerKind kind, DType dtype, Scalar state, Scalar value) {
    BinaryOp op = BinaryOp::add;
    if (kind == CombinerKind::prod) op = BinaryOp::mul;
    if (kind == CombinerKind::min) op = BinaryOp::min;
    if (kind == CombinerKind::max) op = BinaryOp::max;
    return *scalar_binary(op, dtype, state, value);  // none of these fails
  }

  const Kernel& kernel_;
  Evaluator evaluator_;
};

/// Calls copy(logical place, physical place) for every element of a buffer with constant extents.
template <class Copy>
void for_each_element(const Buffer& buffer, const HostTensor& physical, Copy&& copy) {
  std::vector<std::int64_t> extents;
  for (const Expr& extent : buffer.shape) extents.push_back(int_value(extent));
  Storage places;
  places.bind(buffer, extents, physical);
  for (std::int64_t extent : extents)
    if (extent == 0) return;
  std::vector<std::int64_t> point(extents.size(), 0);
  std::int64_t logical = 0;
  do {
    copy(logical++, places.place(point));
  } while (advance(point, extents));
}

std::vector<std::int64_t> constant_shape(const std::vector<Expr>& shape) {
  std::vector<std::int64_t> result;
  for (const Expr& extent : shape) result.push_back(int_value(extent));
  return result;
}

void copy_element(HostTensor& to, std::int64_t to_place, const HostTensor& from, std::int64_t from_place) {
  const auto bytes = static_cast<std::int64_t>(size_bytes(from.dtype()));
  std::copy_n(from.bytes() + from_place * bytes, bytes, to.mutable_bytes() + to_place * bytes);
}

}  // namespace

Expected<std::vector<HostTensor>, Error> interpret(const Kernel& kernel, std::span<const HostTensor> inputs) {
  return KernelInterpreter(kernel, inputs).run();
}

HostTensor to_physical(const HostTensor& logical, const Buffer& buffer) {
  TS_CHECK(logical.dtype() == buffer.dtype && logical.shape() == constant_shape(buffer.shape),
           "a tensor that does not fit its buffer");
  if (buffer.layout.is_row_major()) return logical;
  HostTensor physical(buffer.dtype, constant_shape(physical_shape(buffer)));
  const HostTensor shape_only = physical;
  for_each_element(buffer, shape_only,
                   [&](std::int64_t from, std::int64_t to) { copy_element(physical, to, logical, from); });
  return physical;
}

HostTensor from_physical(const HostTensor& physical, const Buffer& buffer) {
  if (buffer.layout.is_row_major()) return physical;
  HostTensor logical(buffer.dtype, constant_shape(buffer.shape));
  for_each_element(buffer, physical,
                   [&](std::int64_t to, std::int64_t from) { copy_element(logical, to, physical, from); });
  return logical;
}

}  // namespace tunesmith::ir
