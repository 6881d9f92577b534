#include "cache/store.h"

#include "ir/support/log.h"

namespace tunesmith::cache {

std::optional<Served> Store::find(std::string_view workload, const Conditions& conditions) {
  auto served = serve(workload, conditions);
  if (served) return *std::move(served);
  log(LogLevel::warning, "{}", served.error().message);
  return std::nullopt;
}

}  // namespace tunesmith::cache
