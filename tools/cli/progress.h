// Progress of a tuning session on standard error: a live bar on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <string>

#include "tuner/session.h"

namespace tunesmith::tools {

class ProgressDisplay {
 public:
  ProgressDisplay();
  ~ProgressDisplay();
  void update(const tuner::Progress& progress);
  /// Ends the live line, so that other text can follow.
  void finish();

 private:
  std::string render(const tuner::Progress& progress, bool live) const;

  bool terminal_ = false;
  bool open_line_ = false;
  std::string last_task_;
  std::chrono::steady_clock::time_point last_shown_{};
};

}  // namespace tunesmith::tools
