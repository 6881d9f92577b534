#include "runtime/kernel_loader.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <thread>

#include "ir/canonical.h"
#include "ir/support/log.h"
#include "schedules/apply.h"

namespace tunesmith::runtime {
namespace {

Digest object_key(const std::string& workload, const std::string& schedule,
                  const tuner::Environment& environment) {
  return CanonicalWriter()
      .text(workload)
      .text(schedule)
      .text(environment.target_text())
      .text(environment.toolchain_text())
      .finish();
}

/// The chosen schedule where there is one that applies; else what the database or the analytic model says.
tuner::Served schedule_for(const ir::Kernel& kernel, const std::string& workload,
                           const tuner::Environment& environment, const ScheduleTexts& chosen) {
  if (const auto it = chosen.find(digest(workload).hex()); it != chosen.end()) {
    if (const auto schedule = schedules::parse_schedule(it->second))
      if (auto nest = schedules::apply(kernel, *schedule))
        return {*schedule, std::move(*nest), tuner::Origin::tuned, std::nullopt};
    log(LogLevel::warning, "the schedule chosen for kernel {} does not apply and is passed over: {}",
        kernel.name, it->second);
  }
  return tuner::serve(kernel, environment);
}

/// Compiled code from the store where it loads; compiled afresh and stored otherwise.
Expected<LoadedKernel, Error> load_kernel(const ir::Kernel& kernel, const std::string& workload,
                                          const tuner::Environment& environment, cache::ObjectStore* objects,
                                          const ScheduleTexts& chosen) {
  const tuner::Served served = schedule_for(kernel, workload, environment, chosen);
  LoadedKernel loaded{nullptr, served.origin, served.median_ns, false};
  const Digest key = object_key(workload, schedules::print_schedule(served.schedule), environment);
  if (objects != nullptr) {
    if (const auto bytes = objects->get(key)) {
      auto object = codegen::Object::deserialise(*bytes);
      if (object) {
        auto executable = environment.backend->load(std::move(*object));
        if (executable) {
          loaded.executable = std::move(*executable);
          loaded.from_object_store = true;
          return loaded;
        }
      }
      log(LogLevel::warning, "compiled code {} in the object store does not load; compiling again",
          key.hex());
    }
  }
  auto object = environment.backend->compile(served.nest);
  if (!object) return Unexpected(object.error());
  if (objects != nullptr) objects->put(key, object->serialise());
  auto executable = environment.backend->load(std::move(*object));
  if (!executable) return Unexpected(executable.error());
  loaded.executable = std::move(*executable);
  return loaded;
}

}  // namespace

Expected<std::vector<LoadedKernel>, Error> load_kernels(std::span<const tracer::ProgramStep> steps,
                                                        const tuner::Environment& environment,
                                                        cache::ObjectStore* objects,
                                                        const ScheduleTexts& chosen) {
  std::map<std::string, std::size_t> unique;  // canonical text -> first step
  std::vector<std::size_t> same_as(steps.size());
  std::vector<std::pair<std::size_t, std::string>> work;
  for (std::size_t s = 0; s < steps.size(); ++s) {
    if (steps[s].is_host) continue;
    std::string text = ir::canonical_text(steps[s].kernel);
    const auto [it, added] = unique.emplace(text, s);
    same_as[s] = it->second;
    if (added) work.emplace_back(s, std::move(text));
  }

  std::vector<LoadedKernel> loaded(steps.size());
  std::vector<std::optional<Error>> errors(steps.size());
  std::atomic<std::size_t> next{0};
  auto worker = [&] {
    for (std::size_t i = next++; i < work.size(); i = next++) {
      const auto& [step, text] = work[i];
      try {
        auto kernel = load_kernel(steps[step].kernel, text, environment, objects, chosen);
        if (kernel)
          loaded[step] = std::move(*kernel);
        else
          errors[step] = kernel.error();
      } catch (const std::exception& error) {  // memory runs out, say: no reason to end the program
        errors[step] = Error{error.what()};
      }
    }
  };
  {
    const std::size_t count =
        std::min<std::size_t>(work.size(), static_cast<std::size_t>(std::max(1, environment.target.cores)));
    std::vector<std::jthread> threads;
    for (std::size_t t = 1; t < count; ++t) threads.emplace_back(worker);
    worker();
  }
  for (std::size_t s = 0; s < steps.size(); ++s)
    if (errors[s]) return Unexpected(make_error("step {} ({}): {}", s, steps[s].name, errors[s]->message));
  for (std::size_t s = 0; s < steps.size(); ++s)
    if (!steps[s].is_host && same_as[s] != s) loaded[s] = loaded[same_as[s]];
  return loaded;
}

}  // namespace tunesmith::runtime
