// WorkerClient: the session's side of one measurement worker process.
//
// start() gives a running worker, a new one after the last one died or was killed: a candidate that crashes
// or hangs costs one process start, never the session. Not synchronised: one thread uses a client, and lives
// as long as its worker (the system ends the worker together with the thread that started it).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "codegen/executable.h"
#include "ir/support/error.h"
#include "ir/support/expected.h"
#include "tuner/measurement.h"
#include "tuner/worker/protocol.h"

namespace tunesmith::tuner {

/// Why a request gave no answer: crash, timeout, resource or compile (the object does not load).
struct WorkerFailure {
  Status status = Status::crash;
  std::string message;
  /// Ended by SIGKILL, which no candidate sends itself: the system was short of memory, or a person did it.
  /// Status is resource then, and another try may well succeed.
  bool killed = false;
};

class WorkerClient {
 public:
  /// `path`: the worker program. `threads`: that kernels may use.
  WorkerClient(std::string path, std::int32_t threads);
  ~WorkerClient();
  WorkerClient(const WorkerClient&) = delete;
  WorkerClient& operator=(const WorkerClient&) = delete;

  /// New buffers for a workload, zeroed: `bytes` in calling order. The error says what the system refused.
  Expected<void, Error> set_buffers(std::span<const std::int64_t> bytes, std::span<const bool> writable);
  /// The buffer's memory on this side. Valid until the next set_buffers.
  std::span<std::byte> buffer(std::size_t index);

  /// Starts the worker where none runs, or the last one has ended meanwhile. The error says why there is
  /// none, which is no candidate's fault. REQUIRES: set_buffers succeeded.
  Expected<void, Error> start();

  // REQUIRES of the requests: start() succeeded before the load.
  /// Loads a candidate and runs its `prepare`.
  Expected<void, WorkerFailure> load(const codegen::Object& object, double timeout_seconds);
  /// One run; ns that it took. `should_stop`, where given, is asked several times a second: true ends the worker.
  Expected<double, WorkerFailure> run_once(double timeout_seconds, const std::function<bool()>& should_stop = {});
  /// Samples in ns a run.
  Expected<std::vector<double>, WorkerFailure> time(const TimeRequest& request, double timeout_seconds);
  /// The candidate that was loaded stays in the worker as the incumbent, until the worker ends.
  Expected<void, WorkerFailure> keep();
  /// `max_samples` pairs, fewer where `max_seconds` are over: ns a run of the incumbent, of the candidate, of the
  /// incumbent, … REQUIRES: keep() succeeded in this worker.
  Expected<std::vector<double>, WorkerFailure> race(const TimeRequest& request, double timeout_seconds);

  std::int64_t starts() const { return starts_; }  // processes started so far

 private:
  Expected<void, Error> start_once();
  WorkerFailure wait_for_death();
  void forget_worker();
  Expected<Message, WorkerFailure> request(MessageType type, std::span<const std::byte> payload,
                                           MessageType expected, double timeout_seconds,
                                           const std::function<bool()>& should_stop = {});
  WorkerFailure bury(Status status, std::string message);
  void kill_worker();

  std::string path_;
  std::int32_t threads_ = 1;
  pid_t pid_ = -1;
  int socket_ = -1;
  int memory_ = -1;
  std::byte* mapped_ = nullptr;
  std::int64_t mapped_bytes_ = 0;
  std::vector<Segment> segments_;
  std::int64_t starts_ = 0;
};

/// The worker program: TUNESMITH_WORKER, else `tunesmith-worker` beside the running program, else where it
/// was installed. The error names the places that were tried.
Expected<std::string, Error> find_worker();

}  // namespace tunesmith::tuner
