// The calling convention of generated code, plain C so that emitted libraries can use it too.
//
//   run(void* const* buffers, const int64_t* dims, Context* context)
//   prepare(void* const* buffers, const int64_t* dims, Context* context)
//
// `buffers` follows LoopNest::arguments; every pointer is 64-byte aligned. Generated code allocates
// nothing: scratch comes from the context. `parallel` loops call context->parallel, so a host's own
// executor can replace the pool. No global state.
#pragma once

#include <cstdint>

extern "C" {

struct TunesmithContext;

/// Runs iterations [begin, end) of a parallel loop on the thread with number `thread`.
typedef void (*TunesmithLoopBody)(void* closure, int64_t begin, int64_t end, int32_t thread,
                                  struct TunesmithContext* context);

struct TunesmithContext {
  /// Runs body over [0, extent) and returns when all of it is done. Calls do not nest.
  void (*parallel)(struct TunesmithContext* context, TunesmithLoopBody body, void* closure, int64_t extent);
  void* executor;                 // for `parallel`
  unsigned char* workspace;       // kernel-wide temporaries, 64-byte aligned
  unsigned char* thread_scratch;  // thread t uses thread_scratch + t * thread_scratch_stride
  int64_t thread_scratch_stride;
  int32_t threads;  // `thread` is always below this; 1: `parallel` runs on the caller
};

typedef void (*TunesmithEntry)(void* const* buffers, const int64_t* dims, struct TunesmithContext* context);

}  // extern "C"

namespace tunesmith::codegen {
using Context = ::TunesmithContext;
using EntryPoint = ::TunesmithEntry;
}  // namespace tunesmith::codegen
