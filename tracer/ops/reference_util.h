// What the reference implementations share: index arithmetic and access to elements.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tracer/graph.h"

namespace tunesmith::tracer {

using Extents = std::vector<std::int64_t>;

inline std::int64_t element_count(std::span<const std::int64_t> shape) {
  std::int64_t count = 1;
  for (std::int64_t extent : shape) count *= extent;
  return count;
}

/// Row-major strides.
inline Extents strides_of(std::span<const std::int64_t> shape) {
  Extents strides(shape.size(), 1);
  for (std::size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * shape[d];
  return strides;
}

inline std::int64_t flat_of(std::span<const std::int64_t> index, std::span<const std::int64_t> strides) {
  std::int64_t flat = 0;
  for (std::size_t d = 0; d < index.size(); ++d) flat += index[d] * strides[d];
  return flat;
}

/// Calls visit(index, flat) for every point of `shape`, row-major.
template <class Visit>
void for_each_index(std::span<const std::int64_t> shape, Visit&& visit) {
  const std::int64_t count = element_count(shape);
  Extents index(shape.size(), 0);
  for (std::int64_t flat = 0; flat < count; ++flat) {
    visit(std::span<const std::int64_t>(index), flat);
    for (std::size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
}

/// Strides of an operand that broadcasts to `shape`: 0 along the axes that it repeats.
inline Extents broadcast_strides(std::span<const std::int64_t> own, std::span<const std::int64_t> shape) {
  const Extents strides = strides_of(own);
  Extents result(shape.size(), 0);
  const std::size_t offset = shape.size() - own.size();
  for (std::size_t d = 0; d < own.size(); ++d)
    if (own[d] != 1) result[offset + d] = strides[d];
  return result;
}

/// Copies one element, bits as they are. REQUIRES: equal dtypes.
inline void copy_element(ir::HostTensor& to, std::int64_t to_flat, const ir::HostTensor& from,
                         std::int64_t from_flat) {
  const std::size_t size = ir::size_bytes(from.dtype());
  std::byte* target = to.mutable_bytes() + static_cast<std::size_t>(to_flat) * size;
  const std::byte* source = from.bytes() + static_cast<std::size_t>(from_flat) * size;
  for (std::size_t i = 0; i < size; ++i) target[i] = source[i];
}

/// The order of two elements of one dtype, exact for 64-bit integers. False where one is a NaN.
inline bool element_less(const ir::HostTensor& a, std::int64_t i, const ir::HostTensor& b, std::int64_t j) {
  if (ir::is_float(a.dtype())) return a.at(i) < b.at(j);
  if (a.dtype() == DType::u64)
    return static_cast<std::uint64_t>(a.int_at(i)) < static_cast<std::uint64_t>(b.int_at(j));
  return a.int_at(i) < b.int_at(j);
}

inline std::vector<TensorType> types_of(std::span<const ir::HostTensor> tensors) {
  std::vector<TensorType> types;
  for (const ir::HostTensor& tensor : tensors) types.push_back({tensor.dtype(), to_shape(tensor.shape())});
  return types;
}

inline std::size_t axis_of(std::int64_t axis, std::size_t rank) {
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis);
}

}  // namespace tunesmith::tracer
