#include "cache/store.h"

#include "ir/support/log.h"

namespace tunesmith::cache {

Expected<std::vector<Record>, Error> Store::records_of_target(std::string_view target_kind,
                                                              std::string_view target) {
  Filter filter;
  filter.target_kind = std::string(target_kind);
  filter.target = std::string(target);
  std::vector<Record> records;
  auto visited = visit(filter, [&](const Record& record) {
    records.push_back(record);
    return true;
  });
  if (!visited) return Unexpected(visited.error());
  return records;
}

std::optional<Served> Store::find(std::string_view workload, const Conditions& conditions) {
  auto served = serve(workload, conditions);
  if (served) return *std::move(served);
  log(LogLevel::warning, "{}", served.error().message);
  return std::nullopt;
}

}  // namespace tunesmith::cache
