// CacheEviction: empties the data caches of everything but its own memory, so that what runs next finds them cold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tunesmith::tuner {

class CacheEviction {
 public:
  /// Writes every line of `bytes`, which should be well beyond the last cache. Kept between calls.
  void evict(std::int64_t bytes) {
    if (bytes <= 0) return;
    memory_.resize(static_cast<std::size_t>(bytes));
    volatile unsigned char* const first = memory_.data();
    for (std::size_t i = 0; i < memory_.size(); i += line_bytes) first[i] = static_cast<unsigned char>(first[i] + 1);
  }

 private:
  static constexpr std::size_t line_bytes = 64;
  std::vector<unsigned char> memory_;
};

}  // namespace tunesmith::tuner
