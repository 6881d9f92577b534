// In the manner of the per-statement features of Zheng et al., "Ansor" (2020): operations, loop annotations, and for the
// widest accesses the bytes, lines, strides and reuse.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "ir/support/check.h"
#include "schedules/analytic_nest.h"
#include "tuner/features.h"

namespace tunesmith::tuner {
namespace {

using schedules::Access;
using schedules::Body;

constexpr std::size_t accesses_a_statement = 4;

float log_of(double x) { return static_cast<float>(std::log2(1.0 + std::max(0.0, x))); }

double trips_of(const Body& body, ir::LoopKind kind) {
  double trips = 1;
  for (const schedules::LoopInfo& loop : body.loops)
    if (loop.kind == kind) trips *= static_cast<double>(loop.extent);
  return trips;
}

struct AccessRow {
  double bytes = 0, unique_bytes = 0, stride = 0, reuse_distance = 0;
  bool is_store = false;
};

AccessRow row_of(const Body& body, const Access& access, double executions, std::int64_t line_bytes) {
  AccessRow row;
  row.is_store = access.is_store;
  row.bytes = executions * access.element_bytes;
  row.unique_bytes = schedules::footprint(access, 0, line_bytes).bytes;
  for (std::size_t d = access.walks.size(); d-- > 0;)
    if (access.walks[d].varies()) {
      row.stride = static_cast<double>(std::abs(access.walks[d].stride)) * access.element_bytes;
      break;
    }
  // Iterations until the innermost loop around that brings the same element back.
  double inner = 1;
  for (std::size_t d = access.walks.size(); d-- > 0; inner *= static_cast<double>(body.loops[d].extent))
    if (!access.walks[d].varies() && body.loops[d].extent > 1) {
      row.reuse_distance = inner;
      break;
    }
  return row;
}

}  // namespace

std::vector<float> statement_features(const ir::LoopNest& nest, const schedules::Machine& machine, int threads) {
  std::vector<float> rows;
  for (const Body& body : schedules::collect_bodies(nest, machine, threads).bodies) {
    const std::size_t begin = rows.size();
    double executions = body.probability;
    for (const schedules::LoopInfo& loop : body.loops) executions *= loop.trips * loop.probability;
    rows.push_back(log_of(executions));
    rows.push_back(log_of(executions * body.flops));
    rows.push_back(log_of(body.slots));
    rows.push_back(body.is_accumulation ? 1 : 0);
    rows.push_back(body.to_temporary ? 1 : 0);
    rows.push_back(static_cast<float>(body.loops.size()));
    for (ir::LoopKind kind : {ir::LoopKind::vectorize, ir::LoopKind::unroll, ir::LoopKind::parallel})
      rows.push_back(log_of(trips_of(body, kind)));

    std::vector<AccessRow> accesses;
    for (const Access& access : body.accesses)
      if (nest.buffer(access.buffer).scope != ir::Scope::registers)
        accesses.push_back(row_of(body, access, executions, machine.line_bytes));
    std::ranges::stable_sort(accesses, std::ranges::greater{}, &AccessRow::bytes);
    double unique_bytes = 0;
    for (const AccessRow& access : accesses) unique_bytes += access.unique_bytes;
    accesses.resize(accesses_a_statement);
    for (const AccessRow& access : accesses) {
      rows.push_back(log_of(access.bytes));
      rows.push_back(log_of(access.unique_bytes));
      rows.push_back(log_of(access.stride));
      rows.push_back(log_of(access.reuse_distance));
      rows.push_back(access.is_store ? 1 : 0);
      rows.push_back(log_of(access.unique_bytes > 0 ? access.bytes / access.unique_bytes : 0));
    }
    rows.push_back(log_of(executions * body.flops / std::max(1.0, unique_bytes)));
    TS_CHECK(rows.size() == begin + statement_feature_count, "a row a statement");
  }
  return rows;
}

}  // namespace tunesmith::tuner
