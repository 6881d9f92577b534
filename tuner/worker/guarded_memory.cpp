#include "tuner/worker/guarded_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <new>

namespace tunesmith::tuner {
namespace {

constexpr std::int64_t alignment = 64;
constexpr int poison = 0xff;

std::int64_t page_bytes() { return ::sysconf(_SC_PAGESIZE); }

/// Address space that cannot be accessed; null where there is none.
std::byte* reserve(std::int64_t bytes) {
  void* base = ::mmap(nullptr, static_cast<std::size_t>(bytes), PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return base == MAP_FAILED ? nullptr : static_cast<std::byte*>(base);
}

}  // namespace

GuardedMemory::GuardedMemory(std::int64_t bytes) {
  if (bytes <= 0) return;
  const std::int64_t page = page_bytes();
  if (bytes > std::numeric_limits<std::int64_t>::max() / 2) throw std::bad_alloc();
  const std::int64_t aligned = (bytes + alignment - 1) / alignment * alignment;
  const std::int64_t inner = (aligned + page - 1) / page * page;
  base_ = reserve(inner + 2 * page);
  if (base_ == nullptr) throw std::bad_alloc();
  mapped_bytes_ = inner + 2 * page;
  void* mapped = ::mmap(base_ + page, static_cast<std::size_t>(inner), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (mapped == MAP_FAILED) {
    ::munmap(base_, static_cast<std::size_t>(mapped_bytes_));
    throw std::bad_alloc();
  }
  std::memset(mapped, poison, static_cast<std::size_t>(inner));
  data_ = base_ + page + (inner - aligned);
}

GuardedMemory::~GuardedMemory() {
  if (base_ != nullptr) ::munmap(base_, static_cast<std::size_t>(mapped_bytes_));
}

bool GuardedBuffers::map(const std::vector<Segment>& segments) {
  unmap();
  const std::int64_t page = page_bytes();
  mapped_bytes_ = page;
  for (const Segment& segment : segments) mapped_bytes_ += segment.size + page;
  base_ = reserve(mapped_bytes_);
  if (base_ == nullptr) return false;
  std::int64_t at = page;
  for (const Segment& segment : segments) {
    const int protection = segment.writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void* mapped = ::mmap(base_ + at, static_cast<std::size_t>(segment.size), protection,
                          MAP_SHARED | MAP_FIXED, worker_memory_fd, segment.offset);
    if (mapped == MAP_FAILED) return false;
    pointers_.push_back(static_cast<std::byte*>(mapped) + segment.start);
    at += segment.size + page;
  }
  return true;
}

void GuardedBuffers::unmap() {
  if (base_ != nullptr) ::munmap(base_, static_cast<std::size_t>(mapped_bytes_));
  base_ = nullptr;
  pointers_.clear();
}

}  // namespace tunesmith::tuner
