#include "tuner/worker/protocol.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

namespace tunesmith::tuner {
namespace {

struct FrameHeader {
  std::uint32_t type = 0;
  std::uint32_t reserved = 0;
  std::uint64_t length = 0;
};
constexpr std::uint64_t longest_frame = std::uint64_t{1} << 30;

template <class T>
void append(std::vector<std::byte>& out, const T& value) {
  const std::size_t at = out.size();
  out.resize(at + sizeof(T));
  std::memcpy(out.data() + at, &value, sizeof(T));
}

/// Both ends run the same build on the same machine, so plain structs travel as they are.
template <class T>
bool take(std::span<const std::byte>& in, T& value) {
  if (in.size() < sizeof(T)) return false;
  std::memcpy(&value, in.data(), sizeof(T));
  in = in.subspan(sizeof(T));
  return true;
}

/// A peer that takes nothing for so long was stopped.
constexpr int send_patience_ms = 30'000;

bool write_all(int fd, const std::byte* data, std::size_t size) {
  while (size > 0) {
    const ssize_t written = ::send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      pollfd entry{fd, POLLOUT, 0};
      if (::poll(&entry, 1, send_patience_ms) == 0) return false;
      continue;
    }
    if (written <= 0) return false;
    data += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

using Clock = std::chrono::steady_clock;

ReceiveStatus read_all(int fd, std::byte* data, std::size_t size, std::optional<Clock::time_point> deadline) {
  while (size > 0) {
    int wait_ms = -1;
    if (deadline) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
      wait_ms = left > 0 ? static_cast<int>(std::min<long long>(left, 1 << 30)) : 0;
    }
    pollfd entry{fd, POLLIN, 0};
    const int ready = ::poll(&entry, 1, wait_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return ReceiveStatus::timeout;
    const ssize_t got = ::recv(fd, data, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return ReceiveStatus::closed;
    data += got;
    size -= static_cast<std::size_t>(got);
  }
  return ReceiveStatus::ok;
}

}  // namespace

std::vector<Segment> lay_out_segments(std::span<const std::int64_t> bytes, std::span<const bool> writable) {
  const std::int64_t page = ::sysconf(_SC_PAGESIZE);
  std::vector<Segment> segments;
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::int64_t aligned = (bytes[i] + 63) / 64 * 64;
    Segment segment;
    segment.offset = offset;
    segment.size = std::max<std::int64_t>(1, (aligned + page - 1) / page) * page;
    segment.start = segment.size - aligned;
    segment.bytes = bytes[i];
    segment.writable = writable[i];
    offset += segment.size;
    segments.push_back(segment);
  }
  return segments;
}

std::vector<std::byte> SetupRequest::serialise() const {
  std::vector<std::byte> out;
  append(out, threads);
  append(out, static_cast<std::uint64_t>(segments.size()));
  for (const Segment& segment : segments) append(out, segment);
  return out;
}

std::optional<SetupRequest> SetupRequest::deserialise(std::span<const std::byte> bytes) {
  SetupRequest request;
  std::uint64_t count = 0;
  if (!take(bytes, request.threads) || !take(bytes, count) || count > bytes.size()) return std::nullopt;
  request.segments.resize(count);
  for (Segment& segment : request.segments)
    if (!take(bytes, segment)) return std::nullopt;
  return request;
}

std::vector<std::byte> TimeRequest::serialise() const {
  std::vector<std::byte> out;
  append(out, *this);
  return out;
}

std::optional<TimeRequest> TimeRequest::deserialise(std::span<const std::byte> bytes) {
  TimeRequest request;
  if (!take(bytes, request)) return std::nullopt;
  return request;
}

std::vector<std::byte> to_bytes(std::span<const double> values) {
  const auto bytes = std::as_bytes(values);
  return {bytes.begin(), bytes.end()};
}

std::vector<double> doubles_from(std::span<const std::byte> bytes) {
  std::vector<double> values(bytes.size() / sizeof(double));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(double));
  return values;
}

bool send_message(int fd, MessageType type, std::span<const std::byte> payload) {
  const FrameHeader header{static_cast<std::uint32_t>(type), 0, payload.size()};
  return write_all(fd, reinterpret_cast<const std::byte*>(&header), sizeof header) &&
         write_all(fd, payload.data(), payload.size());
}

bool wait_for_message(int fd, double seconds) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, static_cast<int>(seconds * 1000)) > 0;
}

ReceiveStatus receive_message(int fd, Message& message, double timeout_seconds) {
  std::optional<Clock::time_point> deadline;
  if (timeout_seconds >= 0)
    deadline = Clock::now() +
               std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_seconds));
  FrameHeader header;
  if (const auto status = read_all(fd, reinterpret_cast<std::byte*>(&header), sizeof header, deadline);
      status != ReceiveStatus::ok)
    return status;
  if (header.length > longest_frame) return ReceiveStatus::closed;
  message.type = static_cast<MessageType>(header.type);
  message.payload.resize(header.length);
  return read_all(fd, message.payload.data(), message.payload.size(), deadline);
}

}  // namespace tunesmith::tuner
