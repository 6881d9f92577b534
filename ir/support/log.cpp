#include "ir/support/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "ir/support/env.h"

namespace tunesmith {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::error: return spdlog::level::err;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::trace:
    case LogLevel::everything: return spdlog::level::trace;
  }
  return spdlog::level::trace;
}

struct Log {
  LogLevel level = LogLevel::warning;
  std::shared_ptr<spdlog::logger> logger;

  Log() {
    const std::string setting = env_value("TUNESMITH_DEBUG").value_or("1");
    const std::size_t comma = setting.find(',');
    const int number = std::atoi(setting.substr(0, comma).c_str());
    level = static_cast<LogLevel>(number < 0 ? 0 : number > 5 ? 5 : number);
    if (comma != std::string::npos)
      logger = std::make_shared<spdlog::logger>(
          "tunesmith", std::make_shared<spdlog::sinks::basic_file_sink_mt>(setting.substr(comma + 1)));
    else
      logger =
          std::make_shared<spdlog::logger>("tunesmith", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_level(spdlog::level::trace);
    logger->set_pattern("tunesmith [%l] %v");
    logger->flush_on(spdlog::level::warn);
  }
};

const Log& the_log() {
  static const Log log;
  return log;
}

}  // namespace

bool log_enabled(LogLevel level) { return level <= the_log().level; }

void log_message(LogLevel level, std::string_view message) {
  the_log().logger->log(to_spdlog(level), message);
}

}  // namespace tunesmith
