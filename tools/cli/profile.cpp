#include "tools/cli/profile.h"

#include <fmt/format.h>

#include <algorithm>

#include "tuner/statistics.h"

namespace tunesmith::tools {

std::vector<KernelTime> profile(const runtime::CompiledModel& model, const std::vector<std::vector<double>>& step_ns,
                                const tuner::Limits& limits) {
  std::vector<KernelTime> kernels;
  double sum = 0;
  for (std::size_t i = 0; i < model.steps().size(); ++i) {
    const tracer::ProgramStep& step = model.program().steps[i];
    KernelTime& kernel = kernels.emplace_back();
    kernel.index = i;
    kernel.name = step.name;
    kernel.origin = step.is_host ? "host" : tuner::to_string(model.steps()[i].origin);
    std::vector<double> times;
    for (const std::vector<double>& run : step_ns) times.push_back(run.at(i));
    kernel.median_ns = tuner::median(times);
    if (!step.is_host) kernel.limit_ns = tuner::limit_ns(step.kernel, limits);
    sum += kernel.median_ns;
  }
  for (KernelTime& kernel : kernels) kernel.share = sum > 0 ? kernel.median_ns / sum : 0;
  std::ranges::stable_sort(kernels, std::ranges::greater{}, &KernelTime::median_ns);
  return kernels;
}

std::string profile_text(const std::vector<KernelTime>& kernels) {
  std::string text = "    time  share  of limit  schedule  kernel\n";
  for (const KernelTime& kernel : kernels) {
    const std::string of_limit =
        kernel.limit_ns ? fmt::format("{:.0f} %", 100 * *kernel.limit_ns / std::max(1.0, kernel.median_ns)) : "-";
    text += fmt::format("{:>8}  {:>3.0f} %  {:>8}  {:<8}  {} {}\n", format_time(kernel.median_ns), 100 * kernel.share,
                        of_limit, kernel.origin, kernel.index, kernel.name);
  }
  return text;
}

Json profile_json(const std::vector<KernelTime>& kernels) {
  Json json = Json::array();
  for (const KernelTime& kernel : kernels)
    json.push_back({{"index", kernel.index},
                    {"name", kernel.name},
                    {"origin", kernel.origin},
                    {"median_ns", kernel.median_ns},
                    {"share", kernel.share},
                    {"limit_ns", kernel.limit_ns ? Json(*kernel.limit_ns) : Json()}});
  return json;
}

}  // namespace tunesmith::tools
