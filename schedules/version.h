// Version of the schedule language. A record whose major number differs is not served; bump major when the meaning
// of a step changes, minor when a step is added.
#pragma once

namespace tunesmith::schedules {

inline constexpr int language_major = 1;
inline constexpr int language_minor = 3;

}  // namespace tunesmith::schedules
