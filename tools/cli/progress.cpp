#include "tools/cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "tools/cli/common.h"

namespace tunesmith::tools {
namespace {

std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// Seconds as "1:05" or "2:03:04".
std::string clock_text(double seconds) {
  const auto s = static_cast<long>(seconds);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

}  // namespace

ProgressDisplay::ProgressDisplay() : terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressDisplay::~ProgressDisplay() { finish(); }

std::string ProgressDisplay::render(const tuner::Progress& p, bool live) const {
  std::string text;
  if (live && p.budget_seconds > 0) {
    constexpr int cells = 20;
    const int full = static_cast<int>(std::clamp(p.seconds / p.budget_seconds, 0.0, 1.0) * cells);
    text += fmt::format("[{}{}] ", std::string(static_cast<std::size_t>(full), '#'),
                        std::string(static_cast<std::size_t>(cells - full), '.'));
  }
  text += fmt::format("{} trials, {} tasks", p.trials, p.tasks);
  if (p.best_total_ns > 0)
    text += fmt::format(", best {} ({:.2f}x of default)", format_time(p.best_total_ns),
                        p.default_total_ns / p.best_total_ns);
  if (p.expected_gain > 0) text += fmt::format(", expected gain {:.1f} %", 100 * p.expected_gain);
  text += ", " + clock_text(p.seconds);
  if (p.budget_seconds > 0) text += fmt::format(", ETA {}", clock_text(std::max(0.0, p.budget_seconds - p.seconds)));
  return text + ", " + p.task;
}

void ProgressDisplay::update(const tuner::Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  if (terminal_) {
    if (now - last_shown_ < std::chrono::milliseconds(100)) return;
    std::string line = render(progress, true);
    line.resize(std::min(line.size(), terminal_width() - 1));
    fmt::print(stderr, "\r\x1b[K{}", line);
    std::fflush(stderr);
    open_line_ = true;
  } else {
    if (progress.task == last_task_ && now - last_shown_ < std::chrono::seconds(5)) return;
    fmt::print(stderr, "tune: {}\n", render(progress, false));
  }
  last_task_ = progress.task;
  last_shown_ = now;
}

void ProgressDisplay::finish() {
  if (open_line_) fmt::print(stderr, "\n");
  open_line_ = false;
}

}  // namespace tunesmith::tools
