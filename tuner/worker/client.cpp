#include "tuner/worker/client.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "ir/support/env.h"
#include "ir/support/log.h"

extern char** environ;

namespace tunesmith::tuner {
namespace {

constexpr double start_timeout_seconds = 30;
constexpr double stop_interval_seconds = 0.2;  // between two questions whether to stop
constexpr int start_attempts = 2;  // a worker may be killed from outside while it starts
constexpr std::chrono::milliseconds death_patience{500};

std::string text_of(const Message& message) {
  return {reinterpret_cast<const char*>(message.payload.data()), message.payload.size()};
}

}  // namespace

WorkerClient::WorkerClient(std::string path, std::int32_t threads)
    : path_(std::move(path)), threads_(threads) {}

WorkerClient::~WorkerClient() {
  kill_worker();
  if (mapped_ != nullptr) ::munmap(mapped_, static_cast<std::size_t>(mapped_bytes_));
  if (memory_ >= 0) ::close(memory_);
}

Expected<void, Error> WorkerClient::set_buffers(std::span<const std::int64_t> bytes,
                                                std::span<const bool> writable) {
  kill_worker();
  if (mapped_ != nullptr) ::munmap(mapped_, static_cast<std::size_t>(mapped_bytes_));
  if (memory_ >= 0) ::close(memory_);
  mapped_ = nullptr;
  segments_ = lay_out_segments(bytes, writable);
  mapped_bytes_ = segments_.empty() ? 0 : segments_.back().offset + segments_.back().size;
  memory_ = ::memfd_create("tunesmith-buffers", MFD_CLOEXEC);
  if (memory_ < 0 || ::ftruncate(memory_, mapped_bytes_) != 0)
    return Unexpected(
        make_error("cannot make {} bytes of shared memory: {}", mapped_bytes_, std::strerror(errno)));
  void* mapped = ::mmap(nullptr, static_cast<std::size_t>(mapped_bytes_), PROT_READ | PROT_WRITE, MAP_SHARED,
                        memory_, 0);
  if (mapped == MAP_FAILED)
    return Unexpected(
        make_error("cannot map {} bytes of shared memory: {}", mapped_bytes_, std::strerror(errno)));
  mapped_ = static_cast<std::byte*>(mapped);
  return {};
}

std::span<std::byte> WorkerClient::buffer(std::size_t index) {
  const Segment& segment = segments_.at(index);
  return {mapped_ + segment.offset + segment.start, static_cast<std::size_t>(segment.bytes)};
}

Expected<void, Error> WorkerClient::start() {
  int status = 0;
  if (pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) != 0)
    forget_worker();  // it ended while nothing was asked of it
  if (pid_ > 0) return {};
  Expected<void, Error> started = start_once();
  for (int attempt = 1; attempt < start_attempts && !started; ++attempt) started = start_once();
  return started;
}

Expected<void, Error> WorkerClient::start_once() {
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
    return Unexpected(
        make_error("cannot make a socket for the measurement worker: {}", std::strerror(errno)));

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  // dup2 onto the same number keeps close-on-exec, so both go through high numbers first.
  const int high_socket = ::fcntl(sockets[1], F_DUPFD_CLOEXEC, 100);
  const int high_memory = ::fcntl(memory_, F_DUPFD_CLOEXEC, 100);
  ::posix_spawn_file_actions_adddup2(&actions, high_socket, worker_socket_fd);
  ::posix_spawn_file_actions_adddup2(&actions, high_memory, worker_memory_fd);
  // A process group of its own: Ctrl-C on the terminal does not reach it even before it has set its signals
  // up.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  char* arguments[] = {path_.data(), nullptr};
  const int error = ::posix_spawn(&pid_, path_.c_str(), &actions, &attributes, arguments, environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(high_socket);
  ::close(high_memory);
  ::close(sockets[1]);
  if (error != 0) {
    ::close(sockets[0]);
    pid_ = -1;
    return Unexpected(
        make_error("cannot start the measurement worker '{}': {}", path_, std::strerror(error)));
  }
  socket_ = sockets[0];
  ++starts_;
  const auto answer = request(MessageType::setup, SetupRequest{threads_, segments_}.serialise(),
                              MessageType::done, start_timeout_seconds);
  if (answer) return {};
  kill_worker();
  return Unexpected(
      make_error("the measurement worker '{}' does not start: {}", path_, answer.error().message));
}

/// Waits a moment for the process to end by itself, so that its status can be reported.
WorkerFailure WorkerClient::wait_for_death() {
  const auto deadline = std::chrono::steady_clock::now() + death_patience;
  while (std::chrono::steady_clock::now() < deadline) {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended < 0 && errno == ECHILD) {  // the program reaps all its children itself
      forget_worker();
      return {Status::resource, "the worker ended; something else took its exit status", true};
    }
    if (ended != pid_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    forget_worker();
    if (!WIFSIGNALED(status))
      return {Status::crash, fmt::format("the worker exited with code {}", WEXITSTATUS(status))};
    const bool killed = WTERMSIG(status) == SIGKILL;
    return {killed ? Status::resource : Status::crash,
            killed ? "the worker was killed, perhaps by the system for want of memory"
                   : fmt::format("the worker was ended by signal {} ({})", WTERMSIG(status),
                                 strsignal(WTERMSIG(status))),
            killed};
  }
  return bury(Status::crash, "the worker closed its socket");
}

WorkerFailure WorkerClient::bury(Status status, std::string message) {
  kill_worker();
  return {status, std::move(message)};
}

void WorkerClient::kill_worker() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }
  forget_worker();
}

void WorkerClient::forget_worker() {
  if (socket_ >= 0) ::close(socket_);
  pid_ = -1;
  socket_ = -1;
}

Expected<Message, WorkerFailure> WorkerClient::request(MessageType type, std::span<const std::byte> payload,
                                                       MessageType expected, double timeout_seconds,
                                                       const std::function<bool()>& should_stop) {
  Message answer;
  const bool sent = send_message(socket_, type, payload);
  const auto start = std::chrono::steady_clock::now();
  auto seconds_left = [&] {
    return timeout_seconds - std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  while (should_stop && sent && seconds_left() > 0 && !wait_for_message(socket_, stop_interval_seconds))
    if (should_stop()) return Unexpected(bury(Status::timeout, "interrupted"));
  const ReceiveStatus received =
      sent ? receive_message(socket_, answer, std::max(0.0, seconds_left())) : ReceiveStatus::closed;
  if (received == ReceiveStatus::timeout)
    return Unexpected(bury(Status::timeout, fmt::format("no answer within {:.3g} s", timeout_seconds)));
  if (received == ReceiveStatus::closed) return Unexpected(wait_for_death());
  if (answer.type == MessageType::failed) {
    std::string text = text_of(answer);
    const Status status = text == "out of memory" ? Status::resource : Status::compile;
    return Unexpected(WorkerFailure{status, std::move(text)});
  }
  if (answer.type != expected) return Unexpected(bury(Status::crash, "the worker gave an unexpected answer"));
  return answer;
}

Expected<void, WorkerFailure> WorkerClient::load(const codegen::Object& object, double timeout_seconds) {
  if (pid_ <= 0) return Unexpected(WorkerFailure{Status::crash, "no worker is running"});
  const auto answer = request(MessageType::load, object.serialise(), MessageType::done, timeout_seconds);
  if (!answer) return Unexpected(answer.error());
  return {};
}

Expected<double, WorkerFailure> WorkerClient::run_once(double timeout_seconds,
                                                       const std::function<bool()>& should_stop) {
  if (pid_ <= 0) return Unexpected(WorkerFailure{Status::crash, "no candidate is loaded"});
  const auto answer = request(MessageType::run, {}, MessageType::ran, timeout_seconds, should_stop);
  if (!answer) return Unexpected(answer.error());
  const std::vector<double> values = doubles_from(answer->payload);
  return values.empty() ? 0.0 : values[0];
}

Expected<std::vector<double>, WorkerFailure> WorkerClient::time(const TimeRequest& timing,
                                                                double timeout_seconds) {
  if (pid_ <= 0) return Unexpected(WorkerFailure{Status::crash, "no candidate is loaded"});
  const auto answer = request(MessageType::time, timing.serialise(), MessageType::timed, timeout_seconds);
  if (!answer) return Unexpected(answer.error());
  return doubles_from(answer->payload);
}

Expected<void, WorkerFailure> WorkerClient::keep() {
  if (pid_ <= 0) return Unexpected(WorkerFailure{Status::crash, "no candidate is loaded"});
  const auto answer = request(MessageType::keep, {}, MessageType::done, start_timeout_seconds);
  if (!answer) return Unexpected(answer.error());
  return {};
}

Expected<std::vector<double>, WorkerFailure> WorkerClient::race(const TimeRequest& timing,
                                                                double timeout_seconds) {
  if (pid_ <= 0) return Unexpected(WorkerFailure{Status::crash, "no candidate is loaded"});
  const auto answer = request(MessageType::race, timing.serialise(), MessageType::timed, timeout_seconds);
  if (!answer) return Unexpected(answer.error());
  return doubles_from(answer->payload);
}

Expected<std::string, Error> find_worker() {
  namespace fs = std::filesystem;
  std::vector<std::string> places;
  if (const auto given = env_value("TUNESMITH_WORKER")) {
    places.push_back(*given);
  } else {
    std::error_code ignored;
    const fs::path self = fs::read_symlink("/proc/self/exe", ignored).parent_path();
    places.push_back((self / "tunesmith-worker").string());
    places.push_back((self / "../libexec/tunesmith/tunesmith-worker").lexically_normal().string());
    places.push_back(TUNESMITH_INSTALLED_WORKER);
  }
  std::string tried;
  for (const std::string& place : places) {
    if (::access(place.c_str(), X_OK) == 0) return place;
    tried += (tried.empty() ? "" : ", ") + place;
  }
  return Unexpected(
      make_error("the measurement worker was not found; tried {} (TUNESMITH_WORKER names another)", tried));
}

}  // namespace tunesmith::tuner
