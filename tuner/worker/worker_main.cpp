// tunesmith-worker: loads compiled candidates and runs them on the session's buffers. Started by a session
// with a socket and a shared memory file; whatever a candidate does, it does to this process only.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <new>

#include "codegen/backend.h"
#include "codegen/threads/pool.h"
#include "tuner/worker/cache_eviction.h"
#include "tuner/worker/guarded_memory.h"
#include "tuner/worker/protocol.h"
#include "tuner/worker/speed_probe.h"

namespace tunesmith::tuner {
namespace {

using Clock = std::chrono::steady_clock;

double ns_since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

/// Compiled code with the memory that it runs on. Everything that a candidate writes besides the outputs is its own,
/// poisoned and between guard pages: a candidate that counts on zeros, or on what an earlier one left behind, gives a
/// wrong result.
class Program {
 public:
  Program(std::unique_ptr<codegen::Executable> executable, std::vector<void*> buffers, codegen::Context& context)
      : executable_(std::move(executable)), context_(context), arguments_(std::move(buffers)) {
    const codegen::Object& object = executable_->object();
    for (std::int32_t i = object.argument_count - object.prepared_count; i < object.argument_count; ++i) {
      prepared_.emplace_back(object.argument_bytes.at(static_cast<std::size_t>(i)));
      arguments_.push_back(prepared_.back().data());
    }
    workspace_ = GuardedMemory(object.workspace_bytes);
    // As in codegen::ExecutionContext, a cache line lies between the threads; none lies before the guard
    // page.
    scratch_stride_ = (object.thread_scratch_bytes + 63) / 64 * 64 + 64;
    scratch_ = object.thread_scratch_bytes > 0 ? GuardedMemory(scratch_stride_ * context.threads - 64) : GuardedMemory();
    take_context();
    executable_->prepare(arguments_.data(), nullptr, &context_);
  }

  /// ns a run.
  double sample(std::int64_t repeats) {
    take_context();
    const auto start = Clock::now();
    for (std::int64_t i = 0; i < repeats; ++i) executable_->run(arguments_.data(), nullptr, &context_);
    return ns_since(start) / static_cast<double>(repeats);
  }

 private:
  void take_context() {
    context_.workspace = reinterpret_cast<unsigned char*>(workspace_.data());
    context_.thread_scratch = reinterpret_cast<unsigned char*>(scratch_.data());
    context_.thread_scratch_stride = scratch_stride_;
  }

  std::unique_ptr<codegen::Executable> executable_;
  codegen::Context& context_;
  std::vector<void*> arguments_;
  std::vector<GuardedMemory> prepared_;
  GuardedMemory workspace_;
  GuardedMemory scratch_;
  std::int64_t scratch_stride_ = 0;
};

class Worker {
 public:
  explicit Worker(std::unique_ptr<codegen::Backend> backend) : backend_(std::move(backend)) {}

  void serve() {
    Message message;
    while (receive_message(worker_socket_fd, message, -1) == ReceiveStatus::ok) {
      try {
        handle(message);
      } catch (const std::bad_alloc&) {
        fail("out of memory");
      }
    }
  }

 private:
  void handle(const Message& message) {
    switch (message.type) {
      case MessageType::setup: return setup(message);
      case MessageType::load: return load(message);
      case MessageType::run: return run_once();
      case MessageType::time: return time(message);
      case MessageType::keep: return keep();
      case MessageType::race: return race(message);
      default: return fail("unexpected message");
    }
  }

  void setup(const Message& message) {
    const auto request = SetupRequest::deserialise(message.payload);
    if (!request) return fail("damaged setup request");
    candidate_.reset();
    incumbent_.reset();
    if (!buffers_.map(request->segments)) return fail("cannot map the buffers");
    if (!pool_ || pool_->size() != request->threads) {
      context_.reset();
      pool_ = std::make_unique<codegen::ThreadPool>(request->threads);
      context_ = std::make_unique<codegen::ExecutionContext>(*pool_);
    }
    reply(MessageType::done);
  }

  void load(const Message& message) {
    candidate_.reset();
    auto object = codegen::Object::deserialise(message.payload);
    if (!object) return fail(object.error().message);
    if (static_cast<std::size_t>(object->argument_count - object->prepared_count) !=
        buffers_.pointers().size())
      return fail("the candidate takes another number of buffers");
    auto executable = backend_->load(std::move(*object));
    if (!executable) return fail(executable.error().message);
    candidate_ = std::make_unique<Program>(std::move(*executable), buffers_.pointers(), *context_->get());
    reply(MessageType::done);
  }

  void run_once() {
    if (!candidate_) return fail("nothing is loaded");
    const double ns = candidate_->sample(1);
    reply(MessageType::ran, to_bytes(std::span(&ns, 1)));
  }

  void keep() {
    if (!candidate_) return fail("nothing is loaded");
    incumbent_ = std::move(candidate_);
    reply(MessageType::done);
  }

  static std::int64_t repeats_for(const TimeRequest& request, double warm_ns) {
    if (request.evict_bytes > 0) return 1;
    return static_cast<std::int64_t>(std::clamp(request.min_sample_ns / std::max(warm_ns, 1.0), 1.0, 1e5));
  }

  void time(const Message& message) {
    const auto request = TimeRequest::deserialise(message.payload);
    if (!candidate_ || !request) return fail("nothing is loaded");
    const auto start = Clock::now();
    const std::int64_t repeats = repeats_for(*request, candidate_->sample(1));
    std::vector<double> samples, undisturbed;
    bool was_at_full_speed = speed_.is_at_full_speed();
    while (static_cast<std::int32_t>(undisturbed.size()) < request->max_samples) {
      eviction_.evict(request->evict_bytes);
      samples.push_back(candidate_->sample(repeats));
      const bool is_at_full_speed = speed_.is_at_full_speed();
      if (was_at_full_speed && is_at_full_speed) undisturbed.push_back(samples.back());
      was_at_full_speed = is_at_full_speed;
      const double least = *std::ranges::min_element(samples);
      const bool slow = (request->give_up_ns > 0 && samples.size() >= 2 && least > request->give_up_ns) ||
                        (request->lost_ns > 0 && samples.size() >= 5 && least > request->lost_ns);
      if (slow || (samples.size() >= 3 && ns_since(start) > request->max_seconds * 1e9)) break;
    }
    reply(MessageType::timed, to_bytes(undisturbed.size() >= 3 ? undisturbed : samples));
  }

  void race(const Message& message) {
    const auto request = TimeRequest::deserialise(message.payload);
    if (!candidate_ || !incumbent_ || !request) return fail("a race takes two");
    const auto start = Clock::now();
    incumbent_->sample(1);
    const std::int64_t repeats = repeats_for(*request, candidate_->sample(1));
    std::vector<double> samples;
    for (std::int32_t pair = 0; pair < request->max_samples; ++pair) {
      double times[2];
      for (const int side : {pair % 2, 1 - pair % 2}) {
        eviction_.evict(request->evict_bytes);
        times[side] = (side == 0 ? incumbent_ : candidate_)->sample(repeats);
      }
      samples.insert(samples.end(), std::begin(times), std::end(times));
      if (ns_since(start) > request->max_seconds * 1e9) break;
    }
    reply(MessageType::timed, to_bytes(samples));
  }

  static void reply(MessageType type, std::span<const std::byte> payload = {}) {
    if (!send_message(worker_socket_fd, type, payload)) ::_exit(0);  // the session is gone
  }
  static void fail(const std::string& text) {
    reply(MessageType::failed, std::as_bytes(std::span(text.data(), text.size())));
  }

  std::unique_ptr<codegen::Backend> backend_;
  std::unique_ptr<codegen::ThreadPool> pool_;
  std::unique_ptr<codegen::ExecutionContext> context_;
  GuardedBuffers buffers_;
  std::unique_ptr<Program> candidate_;
  std::unique_ptr<Program> incumbent_;
  SpeedProbe speed_;
  CacheEviction eviction_;
};

/// What candidates do must not reach further than this process.
void become_expendable() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a session that dies takes its workers along
  // Ctrl-C, and what ends a whole group of processes, are the session's to handle: it ends its workers.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_IGN);
  const rlimit no_core{0, 0};          // crashes are daily business
  ::setrlimit(RLIMIT_CORE, &no_core);
  // Where memory runs out, the system ends the worker, not the session. Without /proc it chooses by itself.
  const int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  [[maybe_unused]] const ssize_t written = ::write(file, "1000", 4);
  ::close(file);
}

}  // namespace
}  // namespace tunesmith::tuner

int main() {
  using namespace tunesmith;
  tuner::become_expendable();
  if (::fcntl(tuner::worker_socket_fd, F_GETFD) < 0 || ::fcntl(tuner::worker_memory_fd, F_GETFD) < 0) {
    fmt::print(stderr, "tunesmith-worker: started by a tuning session, not by hand\n");
    return 2;
  }
  auto backend = codegen::make_llvm_backend(codegen::host_cpu_target());
  if (!backend) {
    fmt::print(stderr, "tunesmith-worker: {}\n", backend.error().message);
    return 2;
  }
  tuner::Worker(std::move(*backend)).serve();
  return 0;
}
