#include "ir/host_tensor.h"

#include <cstring>
#include <new>

#include "ir/support/check.h"

namespace tunesmith::ir {
namespace {

constexpr std::align_val_t alignment{64};

std::shared_ptr<std::byte> allocate_zeroed(std::size_t bytes) {
  const std::size_t padded = (bytes + 63) / 64 * 64 + (bytes == 0 ? 64 : 0);
  auto* data = static_cast<std::byte*>(::operator new(padded, alignment));
  std::memset(data, 0, padded);
  return {data, [](std::byte* p) { ::operator delete(p, alignment); }};
}

std::int64_t element_product(const std::vector<std::int64_t>& shape) {
  std::int64_t size = 1;
  for (std::int64_t extent : shape) {
    TS_CHECK(extent >= 0, "a tensor with a negative extent");
    TS_CHECK(!__builtin_mul_overflow(size, extent, &size), "a tensor with more elements than i64 counts");
  }
  return size;
}

}  // namespace

HostTensor::HostTensor(DType dtype, std::vector<std::int64_t> shape)
    : dtype_(dtype), shape_(std::move(shape)), size_(element_product(shape_)) {
  data_ = allocate_zeroed(byte_size());
}

HostTensor HostTensor::from_bytes(DType dtype, std::vector<std::int64_t> shape,
                                  std::span<const std::byte> bytes) {
  HostTensor tensor(dtype, std::move(shape));
  TS_CHECK(bytes.size() == tensor.byte_size(), "the bytes of a tensor do not match its shape");
  if (!bytes.empty()) std::memcpy(tensor.data_.get(), bytes.data(), bytes.size());
  return tensor;
}

HostTensor HostTensor::scalar(DType dtype, double value) {
  HostTensor tensor(dtype, {});
  tensor.set(0, value);
  return tensor;
}

std::byte* HostTensor::mutable_bytes() {
  if (data_.use_count() > 1) {
    auto copy = allocate_zeroed(byte_size());
    std::memcpy(copy.get(), data_.get(), byte_size());
    data_ = std::move(copy);
  }
  return data_.get();
}

double HostTensor::at(std::int64_t flat) const {
  TS_CHECK(flat >= 0 && flat < size_, "an element outside of the tensor");
  return load_double(dtype_, data_.get() + static_cast<std::size_t>(flat) * size_bytes(dtype_));
}

std::int64_t HostTensor::int_at(std::int64_t flat) const {
  TS_CHECK(flat >= 0 && flat < size_, "an element outside of the tensor");
  return load_integer(dtype_, data_.get() + static_cast<std::size_t>(flat) * size_bytes(dtype_));
}

void HostTensor::set(std::int64_t flat, double value) {
  TS_CHECK(flat >= 0 && flat < size_, "an element outside of the tensor");
  store_double(dtype_, mutable_bytes() + static_cast<std::size_t>(flat) * size_bytes(dtype_), value);
}

void HostTensor::set_int(std::int64_t flat, std::int64_t value) {
  TS_CHECK(flat >= 0 && flat < size_, "an element outside of the tensor");
  store_integer(dtype_, mutable_bytes() + static_cast<std::size_t>(flat) * size_bytes(dtype_), value);
}

HostTensor HostTensor::reshaped(std::vector<std::int64_t> shape) const {
  TS_CHECK(element_product(shape) == size_, "reshaped to another element count");
  HostTensor tensor = *this;
  tensor.shape_ = std::move(shape);
  return tensor;
}

}  // namespace tunesmith::ir
