// A .npy file put together by hand.
#pragma once

#include <string>
#include <string_view>

namespace tunesmith::tracer::testing {

inline std::string npy_text(std::string_view header, std::string_view elements, int version = 1) {
  std::string file = "\x93NUMPY";
  file += {static_cast<char>(version), '\0'};
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xff);
  file += header;
  return file.append(elements);
}

}  // namespace tunesmith::tracer::testing
