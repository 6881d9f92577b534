#include "codegen/threads/pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "codegen/aligned_memory.h"
#include "codegen/target.h"

namespace tunesmith::codegen {
namespace {

constexpr int spins_before_sleep = 4000;  // some tens of microseconds

thread_local bool inside_region = false;

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Waits until `value` differs from `old`: spins a while, then sleeps.
std::uint32_t wait_for_change(const std::atomic<std::uint32_t>& value, std::uint32_t old, int spins) {
  for (int i = 0; i < spins; ++i) {
    const std::uint32_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    pause_cpu();
  }
  std::uint32_t now = value.load(std::memory_order_acquire);
  while (now == old) {
    value.wait(old, std::memory_order_acquire);
    now = value.load(std::memory_order_acquire);
  }
  return now;
}

}  // namespace

struct ThreadPool::State {
  std::mutex region;  // one parallel region at a time
  std::vector<std::thread> workers;
  std::int32_t size = 1;
  int spins = spins_before_sleep;
  std::vector<int> cpus;  // one a thread, the caller's first; empty: threads are not placed

  // The region in progress; written before `generation` is bumped, read after it was seen.
  TunesmithLoopBody body = nullptr;
  void* closure = nullptr;
  std::int64_t extent = 0;
  Context* context = nullptr;
  std::atomic<std::uint32_t> generation{0};
  std::atomic<std::uint32_t> pending{0};
  std::atomic<bool> quit{false};

  /// Keeps the caller and its workers on CPUs of their own: a worker whose CPU the caller has moved to takes the one
  /// that the caller has left.
  void make_way_for_caller() {
    if (cpus.empty()) return;
    const int here = sched_getcpu();
    if (here == cpus[0]) return;
    const auto taken = std::find(cpus.begin() + 1, cpus.end(), here);
    if (taken != cpus.end()) {
      *taken = cpus[0];
      place(static_cast<std::size_t>(taken - cpus.begin()));
    }
    cpus[0] = here;
  }

  void place(std::size_t t) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpus[t], &one);
    pthread_setaffinity_np(workers[t - 1].native_handle(), sizeof one, &one);  // a hint: failure is harmless
  }

  /// The part of thread `t`: contiguous, sizes differ by one at most.
  void run_part(std::int32_t t) {
    const std::int64_t begin = extent * t / size;
    const std::int64_t end = extent * (t + 1) / size;
    if (begin < end) body(closure, begin, end, t, context);
  }

  void work(std::int32_t t) {
    inside_region = true;
    std::uint32_t seen = 0;
    while (true) {
      seen = wait_for_change(generation, seen, spins);
      if (quit.load(std::memory_order_relaxed)) return;
      run_part(t);
      if (pending.fetch_sub(1, std::memory_order_acq_rel) == 1) pending.notify_one();
    }
  }
};

ThreadPool::ThreadPool(std::int32_t threads) : state_(std::make_unique<State>()) {
  state_->size = threads > 0 ? threads : host_cpu_target().cores;
  std::vector<int> cpus = allowed_cpus();
  const auto size = static_cast<std::size_t>(state_->size);
  if (size > cpus.size()) {
    state_->spins = 0;  // a spinning thread would take the core that another one needs
  } else {
    cpus.resize(size);
    state_->cpus = std::move(cpus);
  }
  for (std::int32_t t = 1; t < state_->size; ++t) {
    state_->workers.emplace_back([state = state_.get(), t] { state->work(t); });
    if (!state_->cpus.empty()) state_->place(static_cast<std::size_t>(t));
  }
}

ThreadPool::~ThreadPool() {
  state_->quit = true;
  state_->generation.fetch_add(1, std::memory_order_release);
  state_->generation.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

std::int32_t ThreadPool::size() const { return state_->size; }

void ThreadPool::parallel(TunesmithLoopBody body, void* closure, std::int64_t extent, Context* context) {
  if (inside_region || state_->size == 1 || extent <= 1) {
    if (extent > 0) body(closure, 0, extent, 0, context);
    return;
  }
  const std::scoped_lock lock(state_->region);
  State& s = *state_;
  s.make_way_for_caller();
  s.body = body;
  s.closure = closure;
  s.extent = extent;
  s.context = context;
  s.pending.store(static_cast<std::uint32_t>(s.size - 1), std::memory_order_relaxed);
  s.generation.fetch_add(1, std::memory_order_release);
  s.generation.notify_all();
  inside_region = true;
  s.run_part(0);
  inside_region = false;
  std::uint32_t left = s.pending.load(std::memory_order_acquire);
  while (left != 0) left = wait_for_change(s.pending, left, s.spins);
}

ExecutionContext::ExecutionContext(ThreadPool& pool) : pool_(pool) {
  context_.executor = &pool_;
  context_.threads = pool_.size();
  context_.parallel = [](Context* context, TunesmithLoopBody body, void* closure, std::int64_t extent) {
    static_cast<ThreadPool*>(context->executor)->parallel(body, closure, extent, context);
  };
}

ExecutionContext::~ExecutionContext() = default;

void ExecutionContext::reserve(std::int64_t workspace_bytes, std::int64_t thread_scratch_bytes) {
  if (workspace_bytes > workspace_bytes_) {
    workspace_ = AlignedMemory(workspace_bytes);
    workspace_bytes_ = workspace_bytes;
    context_.workspace = reinterpret_cast<unsigned char*>(workspace_.data());
  }
  if (thread_scratch_bytes > thread_scratch_bytes_) {
    // A cache line more than asked for, so that threads never share one.
    const std::int64_t stride = (thread_scratch_bytes + 63) / 64 * 64 + 64;
    scratch_ = AlignedMemory(stride * context_.threads);
    thread_scratch_bytes_ = thread_scratch_bytes;
    context_.thread_scratch = reinterpret_cast<unsigned char*>(scratch_.data());
    context_.thread_scratch_stride = stride;
  }
}

}  // namespace tunesmith::codegen
