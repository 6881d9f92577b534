// Messages between a session and its measurement worker: frames over a stream socket, plain data only.
//
// The buffers of a workload lie in one shared memory file. The session fills the inputs and poisons the
// outputs; the worker maps every buffer between guard pages, inputs read-only, each flush against the guard
// page behind it, so that an access out of bounds faults there and then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::tuner {

/// File descriptors that the worker is started with.
inline constexpr int worker_socket_fd = 3;
inline constexpr int worker_memory_fd = 4;

enum class MessageType : std::uint32_t {
  // to the worker
  setup,  // SetupRequest
  load,   // codegen::Object bytes: the candidate
  run,    // one run, for verification; empty
  time,   // TimeRequest
  keep,   // the candidate is the incumbent from now on; empty
  race,   // TimeRequest: incumbent and candidate in pairs, in turns of order
  // to the session
  done,    // empty
  ran,     // f64 ns of the one run
  timed,   // list of f64 ns, one a sample; of a race: incumbent, candidate, incumbent, …
  failed,  // text
};

struct Message {
  MessageType type{};
  std::vector<std::byte> payload;
};

/// Where a buffer lies in the shared memory file. Segments are whole pages; the buffer ends where its segment
/// ends, up to 63 bytes of alignment.
struct Segment {
  std::int64_t offset = 0;  // of the segment, in the file
  std::int64_t size = 0;    // of the segment
  std::int64_t start = 0;   // of the buffer, in the segment
  std::int64_t bytes = 0;   // of the buffer
  bool writable = false;
};
/// Lays buffers of the given sizes out in one file, in order.
std::vector<Segment> lay_out_segments(std::span<const std::int64_t> bytes, std::span<const bool> writable);

struct SetupRequest {
  std::int32_t threads = 1;
  std::vector<Segment> segments;

  std::vector<std::byte> serialise() const;
  static std::optional<SetupRequest> deserialise(std::span<const std::byte> bytes);
};

struct TimeRequest {
  double max_seconds = 0.05;  // for all samples together
  std::int32_t max_samples = 30;
  double min_sample_ns = 20e3;  // short kernels are repeated inside a sample
  double give_up_ns = 0;        // stop after two samples slower than this; 0: never
  double lost_ns = 0;           // stop after five samples slower than this; 0: never
  std::int64_t evict_bytes = 0; // written and read before each sample, which is then one run; 0: the caches stay warm

  std::vector<std::byte> serialise() const;
  static std::optional<TimeRequest> deserialise(std::span<const std::byte> bytes);
};

std::vector<std::byte> to_bytes(std::span<const double> values);
std::vector<double> doubles_from(std::span<const std::byte> bytes);

/// Blocking, whole frames. False when the other side is gone.
bool send_message(int fd, MessageType type, std::span<const std::byte> payload);
enum class ReceiveStatus : std::uint8_t { ok, closed, timeout };
/// Whether a frame, or the end of the connection, arrives within `seconds`.
bool wait_for_message(int fd, double seconds);
/// Waits at most `timeout_seconds` for a whole frame (negative: for ever).
ReceiveStatus receive_message(int fd, Message& message, double timeout_seconds);

}  // namespace tunesmith::tuner
