#include "ir/buffer.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/support/check.h"

namespace tunesmith::ir {
namespace {

constexpr std::int64_t largest_block = 1024;  // of a layout, beyond the extent
constexpr std::int64_t most_elements = std::int64_t{1} << 40;

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::input: return "input";
    case Role::constant: return "constant";
    case Role::output: return "output";
    case Role::temp: return "temp";
    case Role::prepared: return "prepared";
  }
  TS_UNREACHABLE("unknown role");
}

std::string_view to_string(Scope scope) {
  switch (scope) {
    case Scope::global: return "global";
    case Scope::local: return "local";
    case Scope::registers: return "registers";
    case Scope::shared: return "shared";
  }
  TS_UNREACHABLE("unknown scope");
}

Layout Layout::permutation(std::span<const std::int32_t> order) {
  Layout layout;
  bool identity = true;
  for (std::size_t p = 0; p < order.size(); ++p) {
    layout.order.push_back({order[p], 0});
    identity &= order[p] == static_cast<std::int32_t>(p);
  }
  if (identity) layout.order.clear();
  return layout;
}

std::string to_string(const Layout& layout) {
  if (layout.is_row_major()) return "row_major";
  std::string text = "(";
  for (const LayoutDim& d : layout.order) {
    if (text.size() > 1) text += ",";
    text += d.block == 0 ? fmt::format("{}", d.dim) : fmt::format("{}:{}", d.dim, d.block);
  }
  return text + ")";
}

std::vector<PhysicalDim> physical_dims(const Buffer& buffer) {
  const std::size_t rank = buffer.shape.size();
  std::vector<PhysicalDim> result;
  if (buffer.layout.is_row_major()) {
    for (std::size_t d = 0; d < rank; ++d) result.push_back({static_cast<std::int32_t>(d), 1, 0});
    return result;
  }
  const auto& order = buffer.layout.order;
  for (std::size_t p = 0; p < order.size(); ++p) {
    TS_CHECK(order[p].dim >= 0 && static_cast<std::size_t>(order[p].dim) < rank,
             "a layout names a dimension that the buffer does not have");
    std::int64_t stride = 1;
    for (std::size_t q = 0; q < order.size(); ++q) {
      const bool is_inside = order[p].block == 0 || q > p;
      if (q != p && is_inside && order[q].dim == order[p].dim && order[q].block != 0)
        stride *= order[q].block;
    }
    result.push_back({order[p].dim, stride, order[p].block});
  }
  return result;
}

std::vector<Expr> physical_shape(const Buffer& buffer) {
  std::vector<Expr> shape;
  for (const PhysicalDim& w : physical_dims(buffer)) {
    const Expr& logical = buffer.shape[static_cast<std::size_t>(w.dim)];
    if (w.block != 0)
      shape.emplace_back(w.block);
    else
      shape.push_back(w.stride == 1 ? logical : floor_div(logical + (w.stride - 1), w.stride));
  }
  return shape;
}

std::vector<Expr> physical_index(const Buffer& buffer, std::span<const Expr> indices) {
  TS_CHECK(
      indices.size() == buffer.shape.size(),
      fmt::format("{} indices for buffer '{}' of rank {}", indices.size(), buffer.name, buffer.shape.size()));
  std::vector<Expr> result;
  for (const PhysicalDim& w : physical_dims(buffer)) {
    Expr index = floor_div(indices[static_cast<std::size_t>(w.dim)], w.stride);
    result.push_back(w.block == 0 ? index : floor_mod(index, w.block));
  }
  return result;
}

Expr flat_index(const Buffer& buffer, std::span<const Expr> indices) {
  const std::vector<Expr> shape = physical_shape(buffer);
  const std::vector<Expr> index = physical_index(buffer, indices);
  std::vector<Expr> stride(shape.size(), Expr(1));
  for (std::size_t p = shape.size(); p-- > 1;) stride[p - 1] = shape[p] * stride[p];
  Expr flat = 0;
  for (std::size_t p = 0; p < shape.size(); ++p) flat = flat + index[p] * stride[p];
  return flat;
}

Expr element_count(const Buffer& buffer) {
  Expr count = 1;
  for (const Expr& extent : physical_shape(buffer)) count = count * extent;
  return count;
}

std::optional<std::string> layout_problem(const Buffer& buffer) {
  if (buffer.layout.is_row_major()) return std::nullopt;
  std::vector<int> plain(buffer.shape.size(), 0);
  for (const LayoutDim& entry : buffer.layout.order) {
    if (entry.dim < 0 || static_cast<std::size_t>(entry.dim) >= plain.size())
      return fmt::format("the layout of '{}' names dimension {} of {}", buffer.name, entry.dim, plain.size());
    if (entry.block < 0) return fmt::format("the layout of '{}' has a negative block", buffer.name);
    const std::int64_t* extent = as_int(buffer.shape[static_cast<std::size_t>(entry.dim)]);
    if (entry.block > std::max(extent ? *extent : 0, largest_block))
      return fmt::format("the layout of '{}' has a block of {} in dimension {}", buffer.name, entry.block, entry.dim);
    if (entry.block == 0) ++plain[static_cast<std::size_t>(entry.dim)];
  }
  for (std::size_t d = 0; d < plain.size(); ++d)
    if (plain[d] != 1)
      return fmt::format("the layout of '{}' has {} plain entries for dimension {}, not 1", buffer.name,
                         plain[d], d);
  return std::nullopt;
}

std::optional<std::string> size_problem(const Buffer& buffer) {
  std::int64_t elements = 1;
  for (const Expr& extent : physical_shape(buffer)) {
    const std::int64_t* size = as_int(extent);
    if (size && __builtin_mul_overflow(elements, *size, &elements)) elements = most_elements + 1;
    if (elements > most_elements) return fmt::format("'{}' has more than 2^40 elements", buffer.name);
  }
  return std::nullopt;
}

}  // namespace tunesmith::ir
