// One self-contained page of HTML about a tuned model: no script, nothing from a network.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tuner/limits.h"

namespace tunesmith::tools {

/// What the page says of one distinct kernel.
struct KernelPage {
  std::string name;
  std::vector<std::size_t> indices;  // of the steps of the program that run it
  double flops = 0;
  double bytes = 0;  // of its arguments
  double limit_ns = 0;
  double model_ns = 0;                       // what the analytic model says of the schedule below
  std::optional<double> default_ns;          // measured
  std::optional<double> best_ns;             // measured
  std::string origin;                        // of the schedule
  std::string schedule;
  std::string nest;
  std::vector<std::optional<double>> trials;     // ns in the order measured; none for failures
  std::map<std::string, std::int64_t> failures;  // class -> count
};

struct ModelPage {
  std::string model;
  std::string machine;
  std::int32_t threads = 1;
  tuner::Limits limits;
  std::vector<KernelPage> kernels;
  std::size_t host_steps = 0;  // operators that run their reference implementation
};

std::string html_report(const ModelPage& page);

}  // namespace tunesmith::tools
