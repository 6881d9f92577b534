#include "schedules/analytic.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "schedules/analytic_nest.h"

namespace tunesmith::schedules {

using namespace ir;
using i64 = std::int64_t;

namespace {

constexpr double usable_cache = 0.9;     // share of a level that a working set may take
constexpr double hidden_overlap = 0.2;   // share of the shorter of compute and memory that is not hidden
constexpr double issue_width = 5;        // instructions a cycle
constexpr double loop_instructions = 3;  // counter, compare, branch
constexpr double scalar_ops_per_cycle = 2;

/// Statements below one innermost serial or parallel loop: they share ports and overlap.
struct Group {
  double slot_cycles = 0, load_cycles = 0, store_cycles = 0, instructions = 0, latency_cycles = 0;
  double l1_bytes = 0, l2_bytes = 0, l3_bytes = 0, dram_bytes = 0, stream_bytes = 0;
  double live = 0;
  double serial_iterations = 0;
  double flops = 0;
  bool only_copies = true;
};

/// Turns bodies into times.
class Costing {
 public:
  explicit Costing(NestBodies& c) : c_(c), groups_(c.group_count) {}

  AnalyticCost run() {
    measure_working_sets();
    for (const Body& body : c_.bodies)
      for (const Access& a : body.accesses)
        if (a.fetches_ahead) fetched_.insert(a.buffer);
    for (const Body& body : c_.bodies) add_body(body);
    finish();
    return cost_;
  }

 private:
  bool in_registers(BufferId id) const { return c_.nest.buffer(id).scope == Scope::registers; }

  void measure_working_sets() {
    for (const Body& body : c_.bodies)
      for (const Access& a : body.accesses) {
        if (in_registers(a.buffer)) continue;
        for (std::size_t d = 0; d < body.nodes.size(); ++d) {
          Footprint& known = c_.nodes[body.nodes[d]].touched[a.buffer];
          const Footprint here = footprint(a, d, c_.machine.line_bytes);
          known.bytes = std::max(known.bytes, here.bytes);
          known.set_bytes = std::max(known.set_bytes, here.set_bytes);
        }
      }
    for (LoopNode& node : c_.nodes)
      for (const auto& [buffer, bytes] : node.touched) {
        node.bytes += bytes.bytes;
        node.set_bytes += bytes.set_bytes;
      }
  }

  /// Bytes that `a` moves from beyond a cache of `capacity`: inside the outermost loop whose working set
  /// fits, and across the iterations of the loop around it, data is reused.
  double traffic(const Body& body, const Access& a, double capacity, bool by_sets, bool warm) const {
    std::size_t fits = body.nodes.size();
    for (std::size_t d = body.nodes.size(); d-- > 0;) {
      const LoopNode& node = c_.nodes[body.nodes[d]];
      if ((by_sets ? node.set_bytes : node.bytes) > capacity * usable_cache) break;
      fits = d;
    }
    if (fits == 0) return warm ? 0 : footprint(a, 0, c_.machine.line_bytes).bytes;
    double bytes = footprint(a, fits - 1, c_.machine.line_bytes).bytes;
    for (std::size_t d = 0; d + 1 < fits; ++d) bytes *= body.loops[d].trips * body.loops[d].probability;
    // A parallel loop inside the footprint is shared by the threads.
    for (std::size_t d = fits - 1; d < body.loops.size(); ++d)
      if (body.loops[d].kind == LoopKind::parallel)
        bytes *= body.loops[d].trips / static_cast<double>(body.loops[d].extent);
    return bytes;
  }

  struct Lanes {
    double chunks = 1;      // vector operations of one execution of the vector loop
    double slots = 1;       // port slots that they take
    double extent = 1;      // its trip count
    double lanes = 1;       // of the machine for the widest value
    std::size_t depth = 0;  // of the vector loop; only when `vectorised`
    bool vectorised = false;
  };
  Lanes lanes_of(const Body& body) const {
    Lanes result;
    result.lanes = std::max(1, c_.machine.lanes(body.element_bytes));
    for (std::size_t d = 0; d < body.loops.size(); ++d) {
      if (body.loops[d].kind != LoopKind::vectorize) continue;
      result.vectorised = true;
      result.depth = d;
      result.extent = static_cast<double>(body.loops[d].extent);
      result.chunks = std::ceil(result.extent / result.lanes);
      result.slots = vector_slots(body.loops[d].extent, static_cast<i64>(result.lanes));
    }
    return result;
  }

  /// Executions of an access after common loads are shared: the loops that it does not vary with cost
  /// nothing when they are unrolled, or innermost (hoisted).
  double executions(const Body& body, const Access& a, const Lanes& lanes) const {
    double count = body.probability;
    bool hoisting = true;
    // Vectors are kept from one unrolled step to the next; single elements are read again as operands.
    const bool is_kept = !a.is_store && !a.is_transposed && lanes.vectorised && a.walks[lanes.depth].varies();
    std::vector<Walk> unrolled;
    for (std::size_t d = body.loops.size(); d-- > 0;) {
      const LoopInfo& loop = body.loops[d];
      const bool varies = a.walks[d].varies();
      count *= loop.probability;
      if (loop.kind == LoopKind::vectorize) {
        if (varies && lanes.vectorised && d == lanes.depth) count *= lanes.chunks;
        continue;
      }
      if (loop.kind == LoopKind::unroll) {
        if (varies && a.walks[d].is_regular && is_kept)
          unrolled.push_back(a.walks[d]);
        else if (varies)
          count *= loop.trips;
        continue;
      }
      if (varies) hoisting = false;
      if (varies || !hoisting) count *= loop.trips;
    }
    return count * distinct_places(unrolled);
  }

  void add_body(const Body& body) {
    Group& group = groups_[body.group];
    const Lanes lanes = lanes_of(body);
    double instances = body.probability;
    for (const LoopInfo& loop : body.loops)
      instances *= loop.probability * (loop.kind == LoopKind::vectorize ? 1 : loop.trips);
    const double operations = instances * lanes.chunks;
    const double rate =
        lanes.vectorised ? c_.machine.flops_per_cycle / 2 / c_.machine.lanes(4) : scalar_ops_per_cycle;
    group.slot_cycles += instances * lanes.slots * body.slots / rate;
    group.instructions += operations * body.slots;
    group.flops += instances * lanes.extent * body.flops;
    if (body.slots > 0 || !body.to_temporary) group.only_copies = false;
    cost_.vector_ops += operations * body.slots;
    if (lanes.vectorised && lanes.extent < lanes.chunks * lanes.lanes)
      wasted_ += operations * (1 - lanes.extent / (lanes.chunks * lanes.lanes));
    all_operations_ += operations;

    double serial = body.probability;
    double copies = 1;
    for (const LoopInfo& loop : body.loops) {
      serial *= loop.probability *
                (loop.kind == LoopKind::unroll || loop.kind == LoopKind::vectorize ? 1 : loop.trips);
      if (loop.kind == LoopKind::unroll) copies *= loop.trips;
    }
    group.serial_iterations = std::max(group.serial_iterations, serial);
    cost_.code_size += copies * lanes.chunks * (body.slots + static_cast<double>(body.accesses.size()));
    if (body.is_accumulation) add_latency(body, lanes, group);
    add_accesses(body, lanes, group);
  }

  void add_latency(const Body& body, const Lanes& lanes, Group& group) {
    const Access& target = body.accesses.back();
    const bool registers = in_registers(target.buffer);
    double chain = body.probability;
    double instructions = body.slots + static_cast<double>(body.accesses.size());  // of the chains of one tile
    for (std::size_t d = 0; d < body.loops.size(); ++d) {
      const LoopInfo& loop = body.loops[d];
      const double trips = loop.kind == LoopKind::vectorize ? lanes.chunks : loop.trips;
      const bool parallel_in_core =
          target.walks[d].varies() && (loop.kind == LoopKind::unroll || loop.kind == LoopKind::vectorize);
      if (!parallel_in_core) chain *= loop.probability * trips;
      if (parallel_in_core || !target.walks[d].varies()) instructions *= trips;
    }
    // The chains of the next tile start while those of this one wait.
    chain /= std::max(1.0, c_.machine.reorder_window / std::max(1.0, instructions));
    const double latency = c_.machine.fma_latency_cycles + (registers ? 0 : 6);
    group.latency_cycles = std::max(group.latency_cycles, chain * latency * std::max(1.0, body.slots * 0.5));
  }

  void add_accesses(const Body& body, const Lanes& lanes, Group& group) {
    double live_loads = 0;
    for (const Access& a : body.accesses) {
      if (in_registers(a.buffer)) {
        note_registers(body, a, lanes, group);
        continue;
      }
      const bool varies_in_lanes = lanes.vectorised && a.walks[lanes.depth].varies();
      const Walk in_lanes = varies_in_lanes ? a.walks[lanes.depth] : Walk{};
      const bool contiguous = varies_in_lanes && in_lanes.is_regular && in_lanes.stride == 1;
      double count = executions(body, a, lanes);
      double width = a.element_bytes;
      if (contiguous) {
        width = std::min(lanes.extent, lanes.lanes) * a.element_bytes;
        if (a.is_transposed) {  // a shuffle a round for each vector
          group.slot_cycles += count * std::log2(lanes.lanes);
          group.instructions += count * std::log2(lanes.lanes);
        }
      } else if (varies_in_lanes && in_lanes.is_regular && !a.is_store && shuffled_vectors(in_lanes.stride) > 0) {
        count *= static_cast<double>(shuffled_vectors(in_lanes.stride));
        width = std::min(lanes.extent, lanes.lanes) * a.element_bytes;
        group.slot_cycles += count;
        group.instructions += count;
      } else if (varies_in_lanes || (a.data_dependent && lanes.vectorised)) {
        const double active = std::min(lanes.extent, lanes.lanes);
        count *= active;
        cost_.gathers += count;
        group.slot_cycles += count * (in_lanes.is_regular ? 1 : 6);  // insert, and the address where it jumps
        group.instructions += count * (in_lanes.is_regular ? 1 : 6);
      }
      if (a.is_store) {
        group.store_cycles += count / c_.machine.stores_per_cycle;
        cost_.vector_stores += count;
      } else {
        group.load_cycles +=
            count / (contiguous ? c_.machine.loads_per_cycle : 2 * c_.machine.loads_per_cycle);
        (contiguous ? cost_.vector_loads : cost_.scalar_loads) += count;
        live_loads += contiguous ? distinct(body, a, lanes) : 1;
      }
      group.instructions += count;
      group.l1_bytes += count * width;
      for (const Walk& w : a.walks)
        cost_.max_stride_bytes =
            std::max(cost_.max_stride_bytes, static_cast<double>(w.stride * a.element_bytes));
      if (moved_.insert({body.group, a.buffer, a.index_hash}).second) add_traffic(body, a, group);
    }
    group.live = std::max(group.live, live_loads);
  }

  /// Vector values that the unrolled copies of a body keep for an access.
  double distinct(const Body& body, const Access& a, const Lanes& lanes) const {
    double count = lanes.vectorised && a.walks[lanes.depth].varies() ? lanes.chunks : 1;
    bool reused = false;
    for (std::size_t d = 0; d < body.loops.size(); ++d) {
      if (body.loops[d].kind != LoopKind::unroll) continue;
      if (!a.walks[d].varies()) reused = true;
    }
    if (!reused) return 1;
    // Only the copies inside the innermost loop over which the value is reused stay alive.
    for (std::size_t d = body.loops.size(); d-- > 0;) {
      if (body.loops[d].kind != LoopKind::unroll) continue;
      if (!a.walks[d].varies()) break;
      count *= body.loops[d].trips;
    }
    return count;
  }

  void note_registers(const Body& body, const Access& a, const Lanes& lanes, Group&) {
    double count = lanes.vectorised && a.walks[lanes.depth].varies() ? lanes.chunks : 1;
    for (std::size_t d = 0; d < body.loops.size(); ++d)
      if (body.loops[d].kind == LoopKind::unroll && a.walks[d].varies()) count *= body.loops[d].trips;
    if (!lanes.vectorised) {  // scalars taken out of vectors
      const Buffer& buffer = c_.nest.buffer(a.buffer);
      double elements = 1;
      for (const Expr& extent : buffer.shape) elements *= static_cast<double>(c_.prober.eval(extent));
      count = std::min(count, std::ceil(elements * a.element_bytes / c_.machine.vector_bytes));
    }
    double& known = registers_[{body.group, a.buffer}];
    known = std::max(known, count);
  }

  void add_traffic(const Body& body, const Access& a, Group& group) {
    const Machine& m = c_.machine;
    const double writes = a.is_store && !a.streaming ? 2 : 1;  // a line is read before it is written
    const double beyond_l1 = traffic(body, a, static_cast<double>(m.l1_bytes), true, false);
    const double beyond_l2 =
        std::min(beyond_l1, traffic(body, a, static_cast<double>(m.l2_bytes), false, true));
    const double beyond_l3 =
        std::min(beyond_l2, traffic(body, a, static_cast<double>(m.l3_bytes), false, true));
    cost_.bytes_touched += footprint(a, 0, m.line_bytes).bytes;
    if (a.is_store && a.streaming) {
      group.stream_bytes +=
          footprint(a, 0, m.line_bytes).bytes * (1 + dram_jump_bytes / sequential_run_bytes(a));
      return;
    }
    group.l2_bytes += writes * beyond_l1;
    const double run = sequential_run_bytes(a);
    const bool meanwhile = !a.is_store && fetched_.contains(a.buffer);
    (meanwhile ? fetched_l3_bytes_ : group.l3_bytes) += writes * beyond_l2 * (1 + l3_jump_bytes / run);
    (meanwhile ? fetched_dram_bytes_ : group.dram_bytes) += writes * beyond_l3 * (1 + dram_jump_bytes / run);
  }

  void finish() {
    const Machine& m = c_.machine;
    const double ns = 1 / m.clock_ghz;
    const double dram = std::min(m.dram_gbps, c_.threads > 1 ? m.dram_all_gbps / c_.threads : m.dram_gbps);
    for (const auto& [key, count] : registers_) groups_[key.first].live += count;
    for (Group& g : groups_) {
      const double live = g.live + 1;
      const double spilled = std::max(0.0, live - m.vector_registers);
      if (spilled > 0) {
        g.load_cycles += spilled * 2 * g.serial_iterations;
        g.store_cycles += spilled * 2 * g.serial_iterations;
      }
      const double issue = (g.instructions + g.serial_iterations * loop_instructions) / issue_width;
      const double compute =
          ns * std::max({g.slot_cycles, g.load_cycles, g.store_cycles, issue, g.latency_cycles});
      const double l1 = g.l1_bytes / m.l1_gbps;
      const double l2 = g.l2_bytes / m.l2_gbps;
      const double l3 = g.l3_bytes / m.l3_gbps;
      const double far = g.dram_bytes / dram + g.stream_bytes / std::max(dram, m.dram_stream_gbps);
      const double memory = std::max({l1, l2, l3, far});
      const double time = std::max(compute, memory) + hidden_overlap * std::min(compute, memory);
      cost_.fma_ns += ns * g.slot_cycles;
      cost_.load_ns += ns * g.load_cycles;
      cost_.store_ns += ns * g.store_cycles;
      cost_.latency_ns += ns * g.latency_cycles;
      cost_.overhead_ns += ns * g.serial_iterations * loop_instructions / issue_width;
      cost_.l1_ns += l1;
      cost_.l2_ns += l2;
      cost_.l3_ns += l3;
      cost_.dram_ns += far;
      if (g.only_copies) cost_.pack_ns += time;
      cost_.live_registers = std::max(cost_.live_registers, live);
      cost_.spilled_registers = std::max(cost_.spilled_registers, spilled);
      cost_.time_ns += time;
    }
    // What is fetched ahead arrives while everything else runs, over the same bus.
    const double fetched = std::max(fetched_l3_bytes_ / m.l3_gbps, fetched_dram_bytes_ / dram);
    cost_.l3_ns += fetched_l3_bytes_ / m.l3_gbps;
    cost_.dram_ns += fetched_dram_bytes_ / dram;
    cost_.time_ns = std::max({cost_.time_ns, fetched, cost_.dram_ns}) + hidden_overlap * std::min(cost_.time_ns, fetched);
    finish_structure(m);
  }

  void finish_structure(const Machine& m) {
    if (c_.threads > 1) cost_.launch_ns = c_.launches * m.parallel_launch_ns;
    cost_.time_ns += cost_.launch_ns;
    cost_.imbalance = c_.imbalance;
    cost_.parallel_chunks = c_.parallel_chunks;
    cost_.tail_waste = all_operations_ > 0 ? wasted_ / all_operations_ : 0;
    // The loop that does most of the arithmetic and the one around it.
    double most = -1;
    for (const Body& body : c_.bodies) {
      double work = body.slots + 0.1;
      for (const LoopInfo& loop : body.loops) work *= loop.trips;
      if (work <= most || body.nodes.empty()) continue;
      most = work;
      const std::size_t depth = body.nodes.size();
      std::size_t serial = depth - 1;
      while (serial > 0 && body.loops[serial].kind != LoopKind::serial) --serial;
      cost_.l1_footprint = c_.nodes[body.nodes[serial]].set_bytes / static_cast<double>(m.l1_bytes);
      const std::size_t outer = serial >= 2 ? serial - 2 : 0;
      cost_.l2_footprint = c_.nodes[body.nodes[outer]].bytes / static_cast<double>(m.l2_bytes);
    }
  }

  NestBodies& c_;
  std::vector<Group> groups_;
  std::map<std::pair<std::size_t, BufferId>, double> registers_;
  std::set<std::tuple<std::size_t, BufferId, std::uint64_t>> moved_;
  std::set<BufferId> fetched_;  // ahead of their reads
  double fetched_l3_bytes_ = 0, fetched_dram_bytes_ = 0;
  AnalyticCost cost_;
  double wasted_ = 0;
  double all_operations_ = 0;
};

}  // namespace

AnalyticCost analytic_cost(const LoopNest& nest, const Machine& machine, int threads) {
  NestBodies bodies = collect_bodies(nest, machine, threads);
  return Costing(bodies).run();
}

}  // namespace tunesmith::schedules
