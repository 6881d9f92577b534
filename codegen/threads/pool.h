// ThreadPool: the low-latency fork-join pool that `parallel` loops of generated code run on.
//
// Static balance: iteration ranges are split evenly in order, thread 0 is the caller. Workers spin briefly,
// then sleep; each is kept on a CPU of its own inside the process's affinity mask, and makes way when the caller has
// moved there. Any number of threads from 1. Thread safety: one parallel region at a time a pool; a second caller waits. A region
// started from inside a region runs on the calling thread alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "codegen/aligned_memory.h"
#include "codegen/context.h"

namespace tunesmith::codegen {

class ThreadPool {
 public:
  /// `threads` = 0: one a physical core allowed by the affinity mask.
  explicit ThreadPool(std::int32_t threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::int32_t size() const;
  void parallel(TunesmithLoopBody body, void* closure, std::int64_t extent, Context* context);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A context with its own scratch memory that runs on `pool`. Reused between kernels: reserve() grows it.
class ExecutionContext {
 public:
  explicit ExecutionContext(ThreadPool& pool);
  ~ExecutionContext();
  ExecutionContext(const ExecutionContext&) = delete;
  ExecutionContext& operator=(const ExecutionContext&) = delete;

  /// Makes room for a kernel's workspace and per-thread scratch. Allocates only when it must grow.
  void reserve(std::int64_t workspace_bytes, std::int64_t thread_scratch_bytes);
  Context* get() { return &context_; }

 private:
  ThreadPool& pool_;
  Context context_{};
  AlignedMemory workspace_;
  AlignedMemory scratch_;
  std::int64_t workspace_bytes_ = 0;
  std::int64_t thread_scratch_bytes_ = 0;
};

}  // namespace tunesmith::codegen
