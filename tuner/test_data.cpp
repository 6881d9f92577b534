#include "tuner/test_data.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "ir/buffer.h"
#include "ir/support/rng.h"
#include "ir/traverse.h"

namespace tunesmith::tuner {
namespace {

/// The argument whose element an index is: the load itself, converted, or with negative values counted from
/// the end.
std::optional<ir::BufferId> place_of(const ir::Expr& index) {
  if (const auto* load = index.as<ir::Load>()) return load->buffer;
  if (const auto* cast = index.as<ir::Cast>()) return place_of(cast->a);
  const auto* select = index.as<ir::Select>();
  if (select == nullptr) return std::nullopt;
  const auto* condition = select->condition.as<ir::Binary>();
  const bool is_wrap =
      condition != nullptr && condition->op == ir::BinaryOp::lt && ir::is_int(condition->b, 0);
  return is_wrap ? place_of(select->no) : std::nullopt;
}

/// Exclusive upper bounds of the values of integer buffers that other loads are indexed by. 1 (zeros only)
/// where an index is computed in a way that says nothing of its range.
class IndexBounds {
 public:
  explicit IndexBounds(const ir::Kernel& kernel) : kernel_(kernel) {
    for (const ir::Stage& stage : kernel.stages)
      for (const ir::Expr& value : stage.values)
        ir::walk_once(value, [&](const ir::Expr& e) {
          if (const auto* load = e.as<ir::Load>()) add(*load);
          return true;
        });
    // What computes an index, from whatever inputs, says nothing of its range.
    for (std::size_t s = kernel.stages.size(); s-- > 0;)
      for (const ir::BufferId output : kernel.stages[s].outputs)
        if (computed_.contains(output))
          for (const ir::Expr& value : kernel.stages[s].values)
            ir::walk_once(value, [&](const ir::Expr& e) {
              if (const auto* load = e.as<ir::Load>()) {
                bounds_[load->buffer] = 1;
                computed_.insert(load->buffer);
              }
              return true;
            });
  }

  std::optional<std::int64_t> bound(ir::BufferId id) const {
    const auto it = bounds_.find(id);
    return it != bounds_.end() ? std::optional(it->second) : std::nullopt;
  }

 private:
  void add(const ir::Load& load) {
    const ir::Buffer& target = kernel_.buffer(load.buffer);
    for (std::size_t d = 0; d < load.indices.size(); ++d) {
      const std::optional<ir::BufferId> place = place_of(load.indices[d]);
      ir::walk(load.indices[d], [&](const ir::Expr& inner) {
        const auto* source = inner.as<ir::Load>();
        if (source == nullptr) return true;
        if (kernel_.buffer(source->buffer).role == ir::Role::temp) computed_.insert(source->buffer);
        const std::int64_t bound = place == source->buffer ? ir::int_value(target.shape.at(d)) : 1;
        const auto [it, added] = bounds_.emplace(source->buffer, bound);
        if (!added) it->second = std::min(it->second, bound);
        return true;
      });
    }
  }

  const ir::Kernel& kernel_;
  std::map<ir::BufferId, std::int64_t> bounds_;
  std::set<ir::BufferId> computed_;  // results that indices are made from
};

/// The largest value of an integer dtype, or something large.
std::int64_t largest(ir::DType dtype) {
  const int bits = std::min(ir::bit_width(dtype), 32) - (ir::is_signed_integer(dtype) ? 1 : 0);
  return (std::int64_t{1} << bits) - 1;
}

constexpr std::int64_t run_length = 97;  // of elements with one sign

/// Not between 48 and 128, where exponentials of f32 begin to overflow: there one more unit in the last place is infinite.
double awkward_value(Rng& rng, ir::DType dtype, bool is_negative) {
  double magnitude = 0;
  const std::int64_t kind = rng.between(0, 15);
  if (kind == 1)
    magnitude = std::ldexp(1 + rng.unit(), dtype == ir::DType::f16 ? -20 : -140);  // denormal, but for f64
  else if (kind > 1) {
    const std::int64_t exponent = rng.between(-16, dtype == ir::DType::f16 ? 1 : 6);
    magnitude = std::ldexp(1 + 0.5 * rng.unit(), static_cast<int>(exponent == 6 ? 7 : exponent));
  }
  return is_negative ? -magnitude : magnitude;
}

}  // namespace

bool depends_on_values(const ir::Kernel& kernel) {
  bool depends = false;
  for (const ir::Stage& stage : kernel.stages) {
    depends = depends || (stage.combiner && stage.combiner->kind != ir::CombinerKind::sum);
    for (const ir::Expr& value : stage.values)
      ir::walk_once(value, [&](const ir::Expr& e) {
        if (!ir::is_float(e.dtype())) return true;
        if (const auto* unary = e.as<ir::Unary>())
          depends = depends || (unary->op != ir::UnaryOp::neg && unary->op != ir::UnaryOp::abs);
        if (const auto* binary = e.as<ir::Binary>())
          depends = depends || binary->op == ir::BinaryOp::div || binary->op == ir::BinaryOp::mod ||
                    binary->op == ir::BinaryOp::pow || binary->op == ir::BinaryOp::atan2;
        return true;
      });
  }
  return depends;
}

std::vector<ir::HostTensor> make_inputs(const ir::Kernel& kernel, std::uint64_t seed, Values values) {
  const IndexBounds indices(kernel);
  std::vector<ir::HostTensor> inputs;
  for (const ir::BufferId id : ir::arguments(kernel)) {
    const ir::Buffer& buffer = kernel.buffer(id);
    if (buffer.role == ir::Role::output) continue;
    std::vector<std::int64_t> shape;
    for (const ir::Expr& extent : ir::physical_shape(buffer)) shape.push_back(ir::int_value(extent));
    ir::HostTensor tensor(buffer.dtype, shape);
    // One stream a buffer, so that a kernel with one more input keeps the data of the others.
    Rng rng(combine64(seed, index_of(id)));
    if (ir::is_float(buffer.dtype) && values == Values::awkward) {
      bool is_negative = true;
      for (std::int64_t i = 0; i < tensor.size(); ++i) {
        if (i % run_length == 0) is_negative = rng.unit() < 0.5;
        const bool is_mixed = i / run_length % 2 == 1;
        tensor.set(i, awkward_value(rng, buffer.dtype, is_mixed ? rng.unit() < 0.5 : is_negative));
      }
    } else if (ir::is_float(buffer.dtype)) {
      for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set(i, 2 * rng.unit() - 1);
    } else {
      const std::optional<std::int64_t> bound = indices.bound(id);
      const std::int64_t low = bound || buffer.dtype == ir::DType::boolean ? 0 : 1;
      const std::int64_t high = bound ? std::min(*bound - 1, largest(buffer.dtype))
                                : buffer.dtype == ir::DType::boolean
                                    ? 1
                                    : std::min<std::int64_t>(8, largest(buffer.dtype));
      for (std::int64_t i = 0; i < tensor.size(); ++i) tensor.set_int(i, rng.between(low, high));
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

}  // namespace tunesmith::tuner
