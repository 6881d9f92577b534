// Buffers and their memory layout.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/expr.h"

namespace tunesmith::ir {

enum class Role : std::uint8_t {
  input,     // given by the caller
  constant,  // given by the caller, never changes: packs of it may move to `prepare`
  output,    // written for the caller
  temp,      // lives inside the kernel
  prepared,  // loop nests only: written by `prepare`, read by `run`, kept by the runtime
};
std::string_view to_string(Role role);

enum class Scope : std::uint8_t {
  global,     // kernel-wide: arguments, or one allocation from the context's scratch
  local,      // the running thread's scratch, lives inside one iteration of the enclosing loop
  registers,  // vector values; every access has a constant index once unroll/vectorize are expanded
  shared,     // GPU block memory
};
std::string_view to_string(Scope scope);

/// Physical order of a buffer's dimensions, outermost first. An entry names a logical dimension and
/// a block: the entry with `block == 0` walks what is left of the dimension after its blocked
/// entries. A dimension that is blocked is padded up to a whole number of blocks.
/// Empty `order`: row-major. Example, NCHW16c: {0,0} {1,0} {2,0} {3,0} {1,16}.
struct LayoutDim {
  std::int32_t dim = 0;
  std::int64_t block = 0;
  bool operator==(const LayoutDim&) const = default;
};
struct Layout {
  std::vector<LayoutDim> order;
  bool operator==(const Layout&) const = default;
  bool is_row_major() const { return order.empty(); }
  /// A layout that only permutes: order[p] is the logical dimension at physical place p.
  static Layout permutation(std::span<const std::int32_t> order);
};
/// "row_major", or e.g. "(0,1,2,3,1:16)".
std::string to_string(const Layout& layout);

struct Buffer {
  std::string name;  // for people; no part of a kernel's identity
  DType dtype = DType::f32;
  std::vector<Expr> shape;  // logical extents
  Role role = Role::temp;
  Scope scope = Scope::global;
  Layout layout;
};

/// How one physical dimension walks its logical one: index = floor_mod(floor_div(logical, stride), block), without the modulus
/// where `block` is 0 (the outermost part).
struct PhysicalDim {
  std::int32_t dim;
  std::int64_t stride;
  std::int64_t block;
};
/// Outermost first.
std::vector<PhysicalDim> physical_dims(const Buffer& buffer);
/// Extents of the physical dimensions, outermost first (padded for blocks).
std::vector<Expr> physical_shape(const Buffer& buffer);
/// Index of each physical dimension for the given logical indices.
std::vector<Expr> physical_index(const Buffer& buffer, std::span<const Expr> indices);
/// Flat element index for the given logical indices.
Expr flat_index(const Buffer& buffer, std::span<const Expr> indices);
/// Number of elements that the buffer takes in memory, padding included.
Expr element_count(const Buffer& buffer);
/// What is wrong with the layout: a dimension that it does not walk once, or a block that is far too large.
std::optional<std::string> layout_problem(const Buffer& buffer);
/// That it has more elements than anything could hold. REQUIRES: the layout has no problem.
std::optional<std::string> size_problem(const Buffer& buffer);

}  // namespace tunesmith::ir
