// HostTensor: a dense row-major array in host memory, as used for constants, references and the
// interpreter. Copies share the storage; mutable access copies first when it is shared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ir/dtype.h"

namespace tunesmith::ir {

class HostTensor {
 public:
  HostTensor() = default;
  /// Zero-filled, 64-byte aligned. An empty shape is a scalar; a zero extent gives no elements.
  HostTensor(DType dtype, std::vector<std::int64_t> shape);
  static HostTensor from_bytes(DType dtype, std::vector<std::int64_t> shape,
                               std::span<const std::byte> bytes);
  static HostTensor scalar(DType dtype, double value);

  DType dtype() const { return dtype_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t rank() const { return static_cast<std::int64_t>(shape_.size()); }
  std::int64_t size() const { return size_; }  // elements
  std::size_t byte_size() const { return static_cast<std::size_t>(size_) * size_bytes(dtype_); }

  const std::byte* bytes() const { return data_.get(); }
  std::byte* mutable_bytes();
  /// Typed view. REQUIRES: sizeof(T) == size_bytes(dtype()).
  template <class T>
  std::span<const T> values() const {
    return {reinterpret_cast<const T*>(bytes()), static_cast<std::size_t>(size_)};
  }
  template <class T>
  std::span<T> mutable_values() {
    return {reinterpret_cast<T*>(mutable_bytes()), static_cast<std::size_t>(size_)};
  }

  /// Element by flat row-major index, converted.
  double at(std::int64_t flat) const;
  std::int64_t int_at(std::int64_t flat) const;
  void set(std::int64_t flat, double value);
  void set_int(std::int64_t flat, std::int64_t value);

  /// The same elements under another shape. REQUIRES: equal element count.
  HostTensor reshaped(std::vector<std::int64_t> shape) const;

 private:
  DType dtype_ = DType::f32;
  std::vector<std::int64_t> shape_;
  std::int64_t size_ = 0;
  std::shared_ptr<std::byte> data_;
};

}  // namespace tunesmith::ir
