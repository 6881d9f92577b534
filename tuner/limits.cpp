#include "tuner/limits.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "codegen/aligned_memory.h"
#include "codegen/threads/pool.h"
#include "ir/loop_nest.h"

namespace tunesmith::tuner {
namespace {

using ir::Expr;
using ir::LoopKind;

constexpr std::int64_t chains = 12;  // independent accumulators: more than latency x ports
constexpr std::int64_t fma_iterations = 20000;
constexpr std::int64_t cache_repeats = 1000;
constexpr int least_rounds = 12;
constexpr double least_seconds = 0.1;  // of rounds together: longer than another process keeps a core

/// Each thread: `chains` vector accumulators, all in registers, `fma_iterations` times a = a * x + x.
ir::LoopNest fma_nest(std::int32_t threads, std::int64_t lanes) {
  ir::LoopNest nest;
  nest.name = "peak";
  const ir::BufferId x =
      nest.add_buffer({"x", ir::DType::f32, {Expr(1)}, ir::Role::input, ir::Scope::global, {}});
  const ir::BufferId y = nest.add_buffer(
      {"y", ir::DType::f32, {Expr(threads * chains * lanes)}, ir::Role::output, ir::Scope::global, {}});
  const ir::BufferId a = nest.add_buffer(
      {"a", ir::DType::f32, {Expr(chains * lanes)}, ir::Role::temp, ir::Scope::registers, {}});
  nest.arguments = {x, y};
  const ir::VarId t = nest.vars.add("t");
  const Expr factor = ir::load(x, ir::DType::f32, {Expr(0)});

  // One loop over the accumulators' elements, in whole vectors.
  auto each = [&](const char* name, auto&& statement) {
    const ir::VarId c = nest.vars.add(std::string(name) + "c");
    const ir::VarId v = nest.vars.add(std::string(name) + "v");
    const Expr element = ir::var(c) * lanes + ir::var(v);
    return ir::for_loop(c, chains, LoopKind::unroll,
                        ir::for_loop(v, lanes, LoopKind::vectorize, statement(element)));
  };
  const ir::VarId i = nest.vars.add("i");
  nest.body = ir::for_loop(
      t, threads, LoopKind::parallel,
      ir::allocate(a, ir::block({each("i", [&](Expr e) { return ir::store(a, e, factor); }),
                                 ir::for_loop(i, fma_iterations, LoopKind::serial,
                                              each("u",
                                                   [&](Expr e) {
                                                     return ir::store(
                                                         a, e,
                                                         ir::load(a, ir::DType::f32, {e}) * factor + factor);
                                                   })),
                                 each("o", [&](Expr e) {
                                   return ir::store(y, ir::var(t) * (chains * lanes) + e,
                                                    ir::load(a, ir::DType::f32, {e}));
                                 })})));
  return nest;
}

/// y = x in equal contiguous parts, `repeats` times.
ir::LoopNest copy_nest(std::int32_t threads, std::int64_t lanes, std::int64_t vectors_a_thread,
                       std::int64_t repeats, bool streaming) {
  ir::LoopNest nest;
  nest.name = streaming ? "streaming copy" : "cache copy";
  const std::int64_t size = threads * vectors_a_thread * lanes;
  const ir::BufferId x =
      nest.add_buffer({"x", ir::DType::f32, {Expr(size)}, ir::Role::input, ir::Scope::global, {}});
  const ir::BufferId y =
      nest.add_buffer({"y", ir::DType::f32, {Expr(size)}, ir::Role::output, ir::Scope::global, {}});
  nest.arguments = {x, y};
  const ir::VarId t = nest.vars.add("t");
  const ir::VarId r = nest.vars.add("r");
  const ir::VarId i = nest.vars.add("i");
  const ir::VarId v = nest.vars.add("v");
  const Expr index = (ir::var(t) * vectors_a_thread + ir::var(i)) * lanes + ir::var(v);
  nest.body = ir::for_loop(
      t, threads, LoopKind::parallel,
      ir::for_loop(
          r, repeats, LoopKind::serial,
          ir::for_loop(i, vectors_a_thread, LoopKind::serial,
                       ir::for_loop(v, lanes, LoopKind::vectorize,
                                    ir::store(y, index, ir::load(x, ir::DType::f32, {index}), streaming)))));
  return nest;
}

/// Least time of several runs, in ns.
Expected<double, Error> best_time(const ir::LoopNest& nest, const Environment& environment,
                                  codegen::ThreadPool& pool) {
  auto object = environment.backend->compile(nest);
  if (!object)
    return Unexpected(make_error("the {} probe does not compile: {}", nest.name, object.error().message));
  auto executable = environment.backend->load(std::move(*object));
  if (!executable)
    return Unexpected(make_error("the {} probe does not load: {}", nest.name, executable.error().message));
  codegen::ExecutionContext context(pool);
  context.reserve((*executable)->object().workspace_bytes, (*executable)->object().thread_scratch_bytes);
  std::vector<codegen::AlignedMemory> memory;
  std::vector<void*> arguments;
  for (const std::int64_t bytes : (*executable)->object().argument_bytes) {
    memory.emplace_back(bytes);
    arguments.push_back(memory.back().data());
  }
  using Clock = std::chrono::steady_clock;
  double best = 0;
  const Clock::time_point begin = Clock::now();
  for (int round = 0;
       round < least_rounds || std::chrono::duration<double>(Clock::now() - begin).count() < least_seconds;
       ++round) {
    const Clock::time_point start = Clock::now();
    (*executable)->run(arguments.data(), nullptr, context.get());
    const double ns = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    best = round == 0 ? ns : std::min(best, ns);
  }
  return best;
}

}  // namespace

Expected<Limits, Error> measure_limits(const Environment& environment) {
  codegen::ThreadPool pool(environment.threads);
  const std::int64_t lanes = environment.target.lanes(4);
  const auto fma_ns = best_time(fma_nest(environment.threads, lanes), environment, pool);
  if (!fma_ns) return Unexpected(fma_ns.error());
  // Both buffers together take four times the last-level cache, at least 64 MiB.
  const std::int64_t buffer_bytes = std::max<std::int64_t>(
      32 << 20, 2 * std::max(environment.target.l3_bytes, environment.target.l2_bytes));
  const std::int64_t vectors = std::max<std::int64_t>(1, buffer_bytes / (4 * lanes * environment.threads));
  const auto copy_ns = best_time(copy_nest(environment.threads, lanes, vectors, 1, true), environment, pool);
  if (!copy_ns) return Unexpected(copy_ns.error());
  const std::int64_t cached_vectors =
      std::max<std::int64_t>(1, environment.target.l1_bytes / (4 * 4 * lanes));
  const auto cache_ns = best_time(copy_nest(environment.threads, lanes, cached_vectors, cache_repeats, false),
                                  environment, pool);
  if (!cache_ns) return Unexpected(cache_ns.error());

  Limits limits;
  limits.threads = environment.threads;
  limits.flops_per_ns =
      2.0 * static_cast<double>(environment.threads * chains * lanes * fma_iterations) / *fma_ns;
  limits.bytes_per_ns = 2.0 * static_cast<double>(environment.threads * vectors * lanes * 4) / *copy_ns;
  limits.cache_bytes_per_ns =
      2.0 * static_cast<double>(environment.threads * cached_vectors * lanes * 4 * cache_repeats) / *cache_ns;
  limits.cache_bytes = std::max(environment.target.l3_bytes, environment.target.l2_bytes);
  return limits;
}

namespace {

double compute_ns(const ir::Kernel& kernel, const Limits& limits) {
  return ir::flop_count(kernel) / limits.flops_per_ns;
}
double memory_ns(const ir::Kernel& kernel, const Limits& limits) {
  const double bytes = ir::argument_bytes(kernel);
  const bool cached = bytes <= static_cast<double>(limits.cache_bytes);
  return bytes / (cached ? limits.cache_bytes_per_ns : limits.bytes_per_ns);
}

}  // namespace

double limit_ns(const ir::Kernel& kernel, const Limits& limits) {
  return std::max(compute_ns(kernel, limits), memory_ns(kernel, limits));
}

bool is_compute_bound(const ir::Kernel& kernel, const Limits& limits) {
  return compute_ns(kernel, limits) > memory_ns(kernel, limits);
}

}  // namespace tunesmith::tuner
