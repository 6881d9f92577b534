#include "tuner/features.h"

#include <cmath>

namespace tunesmith::tuner {
namespace {

using schedules::AnalyticCost;
using schedules::Machine;

struct Feature {
  std::string_view name;
  double (*value)(const AnalyticCost&, const Machine&);
};

double log_of(double x) { return std::log2(1.0 + std::max(0.0, x)); }
double share(double part, const AnalyticCost& c) { return part / std::max(1.0, c.time_ns); }

constexpr std::array features = {
    Feature{"log_time", [](const AnalyticCost& c, const Machine&) { return log_of(c.time_ns); }},
    Feature{"fma_share", [](const AnalyticCost& c, const Machine&) { return share(c.fma_ns, c); }},
    Feature{"load_share", [](const AnalyticCost& c, const Machine&) { return share(c.load_ns, c); }},
    Feature{"store_share", [](const AnalyticCost& c, const Machine&) { return share(c.store_ns, c); }},
    Feature{"l1_share", [](const AnalyticCost& c, const Machine&) { return share(c.l1_ns, c); }},
    Feature{"l2_share", [](const AnalyticCost& c, const Machine&) { return share(c.l2_ns, c); }},
    Feature{"l3_share", [](const AnalyticCost& c, const Machine&) { return share(c.l3_ns, c); }},
    Feature{"dram_share", [](const AnalyticCost& c, const Machine&) { return share(c.dram_ns, c); }},
    Feature{"latency_share", [](const AnalyticCost& c, const Machine&) { return share(c.latency_ns, c); }},
    Feature{"overhead_share", [](const AnalyticCost& c, const Machine&) { return share(c.overhead_ns, c); }},
    Feature{"pack_share", [](const AnalyticCost& c, const Machine&) { return share(c.pack_ns, c); }},
    Feature{"launch_share", [](const AnalyticCost& c, const Machine&) { return share(c.launch_ns, c); }},
    Feature{"tail_waste", [](const AnalyticCost& c, const Machine&) { return c.tail_waste; }},
    Feature{"imbalance", [](const AnalyticCost& c, const Machine&) { return c.imbalance; }},
    Feature{"log_vector_ops", [](const AnalyticCost& c, const Machine&) { return log_of(c.vector_ops); }},
    Feature{"vector_loads_per_op",
            [](const AnalyticCost& c, const Machine&) { return c.vector_loads / std::max(1.0, c.vector_ops); }},
    Feature{"scalar_loads_per_op",
            [](const AnalyticCost& c, const Machine&) { return c.scalar_loads / std::max(1.0, c.vector_ops); }},
    Feature{"stores_per_op",
            [](const AnalyticCost& c, const Machine&) { return c.vector_stores / std::max(1.0, c.vector_ops); }},
    Feature{"gathers_per_op",
            [](const AnalyticCost& c, const Machine&) { return c.gathers / std::max(1.0, c.vector_ops); }},
    Feature{"log_bytes_touched", [](const AnalyticCost& c, const Machine&) { return log_of(c.bytes_touched); }},
    Feature{"spilled_registers", [](const AnalyticCost& c, const Machine&) { return c.spilled_registers; }},
    Feature{"live_registers",
            [](const AnalyticCost& c, const Machine& m) { return c.live_registers / m.vector_registers; }},
    Feature{"log_code_size", [](const AnalyticCost& c, const Machine&) { return log_of(c.code_size); }},
    Feature{"log_max_stride", [](const AnalyticCost& c, const Machine&) { return log_of(c.max_stride_bytes); }},
    Feature{"page_stride",
            [](const AnalyticCost& c, const Machine& m) {
              return c.max_stride_bytes >= 1024 && std::fmod(c.max_stride_bytes, static_cast<double>(m.page_bytes)) == 0
                         ? 1.0
                         : 0.0;
            }},
    Feature{"l1_footprint", [](const AnalyticCost& c, const Machine&) { return log_of(c.l1_footprint); }},
    Feature{"l2_footprint", [](const AnalyticCost& c, const Machine&) { return log_of(c.l2_footprint); }},
    Feature{"log_parallel_chunks", [](const AnalyticCost& c, const Machine&) { return log_of(c.parallel_chunks); }},
};

}  // namespace

std::vector<std::string_view> feature_names() {
  std::vector<std::string_view> names;
  for (const Feature& feature : features) names.push_back(feature.name);
  return names;
}

std::vector<float> features_of(const AnalyticCost& cost, const Machine& machine) {
  std::vector<float> row;
  row.reserve(features.size());
  for (const Feature& feature : features) row.push_back(static_cast<float>(feature.value(cost, machine)));
  return row;
}

}  // namespace tunesmith::tuner
