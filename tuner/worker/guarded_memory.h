// Memory between guard pages: an access that leaves it at either end faults there and then, instead of
// damaging what lies beside it and putting the blame on a later candidate.
//
// Not synchronised.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tuner/worker/protocol.h"

namespace tunesmith::tuner {

/// A private block that ends where its last page ends, up to 63 bytes of alignment.
class GuardedMemory {
 public:
  GuardedMemory() = default;
  /// Every byte 0xff: NaN for floats. Throws std::bad_alloc. No bytes: data() is null.
  explicit GuardedMemory(std::int64_t bytes);
  ~GuardedMemory();
  GuardedMemory(GuardedMemory&& other) noexcept { swap(other); }
  GuardedMemory& operator=(GuardedMemory&& other) noexcept {
    GuardedMemory(std::move(other)).swap(*this);
    return *this;
  }

  std::byte* data() const { return data_; }

 private:
  void swap(GuardedMemory& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(mapped_bytes_, other.mapped_bytes_);
    std::swap(data_, other.data_);
  }
  std::byte* base_ = nullptr;
  std::int64_t mapped_bytes_ = 0;
  std::byte* data_ = nullptr;
};

/// The session's buffers from the shared memory file, each between guard pages, inputs read-only.
class GuardedBuffers {
 public:
  GuardedBuffers() = default;
  ~GuardedBuffers() { unmap(); }
  GuardedBuffers(const GuardedBuffers&) = delete;
  GuardedBuffers& operator=(const GuardedBuffers&) = delete;

  /// False where the system refuses.
  bool map(const std::vector<Segment>& segments);
  const std::vector<void*>& pointers() const { return pointers_; }

 private:
  void unmap();
  std::byte* base_ = nullptr;
  std::int64_t mapped_bytes_ = 0;
  std::vector<void*> pointers_;
};

}  // namespace tunesmith::tuner
